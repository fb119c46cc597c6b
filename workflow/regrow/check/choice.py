"""Choose how a concept is counted: prompts that ask for it, and judges that can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regrow.check.absent import how_to_get
from regrow.check.measure import DETECTIONS, LABEL, MEASURES, Measure
from regrow.concepts import Concept
from regrow.config.files import WorldFile
from regrow.errors import UserError, nearest
from regrow.images.csv_rows import same_text
from regrow.images.prompts import Prompt, PromptSet, read_prompts
from regrow.judges import JudgeProtocol, read_protocol
from regrow.places import data_path
from regrow.plan.judges import judge_folder, settings_of_judge


@dataclass(frozen=True)
class Asked:
    """What is drawn and who judges it.

    Attributes
    ----------
    prompt_set : PromptSet
        With an absolute path, unless each pack has its own file.
    rows : list of Prompt
        Those that may be drawn, before they are screened.
    judges : dict of Path
        Absolute folders by name; the first one's answers decide.
    """

    prompt_set: PromptSet
    rows: list[Prompt]
    judges: dict[str, Path]


def choose(world: WorldFile, name: str, concept: Concept, pack: Path, prompts: str | None) -> tuple[Measure, Asked]:
    """Return the measure of a concept with the first prompts and judges of a world that are here.

    Parameters
    ----------
    world, name : WorldFile and str
        The world.
    concept, pack : Concept and Path
        What is to be gone, and its folder.
    prompts : str or None
        The prompt set to take, if not the first.

    Raises
    ------
    UserError
        Another prompt set, none or no judge that can, or a file of theirs that is not here.
    """
    missing: list[str] = []
    for measure in MEASURES[concept.kind]:
        for prompt_set in _sets(world, name, concept, measure, prompts):
            able = _able(world, prompt_set, measure, concept.label)
            here = [judge for judge in able if (judge_folder(world, judge) / "judge.yaml").is_file()]
            file = pack / prompt_set.file if prompt_set.scope == "concept" else data_path(prompt_set.file)
            if able and not here:
                missing.append(_lacks(world, name, world.judges[able[0]], "judge.yaml"))
            elif able and not file.is_file():
                missing.append(_lacks(world, name, prompt_set.file if prompt_set.scope == "model" else str(file)))
            elif able and (rows := _rows(file, prompt_set, concept.label)):
                judges = {judge: judge_folder(world, judge).absolute() for judge in here}
                if measure is DETECTIONS:
                    _check_detectors(judges)
                return measure, Asked(_absolute(prompt_set), rows, judges)
    if missing:
        raise UserError(f"concept '{concept.name}' cannot be judged yet: {missing[0]}")
    raise UserError(
        f"no judge of world '{name}' that is here knows the label '{concept.label}' of concept '{concept.name}', or "
        "none of its prompts ask for it: correct the label, or add a judge or prompts"
    )


def choose_others(world: WorldFile, concept: Concept) -> Asked | None:
    """Return prompts of other things whose labels a judge can tell, if such are here."""
    for prompt_set in world.prompt_sets.values():
        if prompt_set.labels != "others" or prompt_set.scope != "model" or prompt_set.sensitive:
            continue
        judges = {judge: judge_folder(world, judge).absolute() for judge in _able(world, prompt_set, LABEL, None)}
        here = {judge: folder for judge, folder in judges.items() if (folder / "judge.yaml").is_file()}
        if here and (path := data_path(prompt_set.file)).is_file():
            rows = [row for row in read_prompts(path, prompt_set) if same_text(row.label) != same_text(concept.label)]
            return Asked(_absolute(prompt_set), rows, dict(list(here.items())[:1]))
    return None


def _sets(world: WorldFile, name: str, concept: Concept, measure: Measure, prompts: str | None) -> Sequence[PromptSet]:
    """Return the prompt sets that may ask for a concept."""
    fitting = {
        key: one
        for key, one in world.prompt_sets.items()
        if (one.sensitive and _able(world, one, measure, None) if measure is DETECTIONS else _asks(one))
    }
    if prompts is None:
        return list(fitting.values())
    if prompts not in fitting:
        raise UserError(
            f"world '{name}' has no prompt set '{prompts}' that asks for concepts of kind {concept.kind}: "
            f"{nearest(prompts, fitting)}"
        )
    return [fitting[prompts]]


def _asks(prompt_set: PromptSet) -> bool:
    return prompt_set.labels == "concept" and not prompt_set.sensitive


def _able(world: WorldFile, prompt_set: PromptSet, measure: Measure, label: str | None) -> list[str]:
    """Return the judges of a prompt set that can count, whether they are here or are still to be fetched."""
    return [judge for judge in prompt_set.judges if _can(world, judge, measure, label)]


def _can(world: WorldFile, judge: str, measure: Measure, label: str | None) -> bool:
    folder = judge_folder(world, judge)
    if not (folder / "judge.yaml").is_file() and folder.name not in world.fetch:
        return False
    settings = settings_of_judge(world, judge)
    protocol = JudgeProtocol(folder, str(settings.get("type")), settings)
    if measure.column not in protocol.module.COLUMNS:
        return False
    return measure is not LABEL or label is None or same_text(label) in map(same_text, protocol.labels or [])


def _rows(file: Path, prompt_set: PromptSet, label: str) -> list[Prompt]:
    rows = read_prompts(file, prompt_set)
    if prompt_set.scope == "concept" or prompt_set.labels != "concept":
        return rows
    return [row for row in rows if same_text(row.label) == same_text(label)]


def _check_detectors(judges: dict[str, Path]) -> None:
    """Load every detector once, so that what is not installed is told before anything is drawn."""
    for folder in judges.values():
        protocol = read_protocol(folder)
        protocol.module.Judge(protocol)


def _lacks(world: WorldFile, name: str, folder: str, file: str = "") -> str:
    return f"{Path(folder, file)} of world '{name}' is not here: {how_to_get(world, name, folder)}"


def _absolute(prompt_set: PromptSet) -> PromptSet:
    if prompt_set.scope == "concept":
        return prompt_set
    return prompt_set.model_copy(update={"file": data_path(prompt_set.file).absolute().as_posix()})
