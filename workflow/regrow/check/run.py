"""Check a model that somebody pruned, from its file to an answer; see docs/check.md."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from torch import Tensor

from regrow.check.answer import Answer, Findings, answer
from regrow.check.attacks import ATTACKS, attack, check_attacks, write_view
from regrow.check.candidate import Candidate, read_candidate
from regrow.check.contrast import read_contrast
from regrow.check.copies import find_copies
from regrow.check.counting import RULE, Mean, counted
from regrow.check.drawing import OTHERS, Cell, Extent, draw_and_judge, extent
from regrow.check.measure import DETECTIONS, LABEL, SIMILARITY
from regrow.check.missing import SPARSE, differs, find_cuts, read_mask, read_wired
from regrow.check.pipeline import index_pipeline, write_pipeline
from regrow.check.say import as_card, as_record, as_text
from regrow.check.setting import Setting, read_setting
from regrow.device import check_device
from regrow.errors import UserError
from regrow.evaluate.leftovers import Leftover
from regrow.io.files import write_json, write_text
from regrow.judge._nudity import COUNTING_RULES
from regrow.model.pipelines import read_base
from regrow.world import read_world

log = logging.getLogger(__name__)

TELLING = ("nan_payload", "subnormals", "hidden_storage", "name")  # the rest tells what was changed, and no weights
SHOWN = 5  # traces of one kind
PUBLISHED, BASE = "published", "base"


def run(
    model: Path,
    concept: str,
    world: str,
    base: Path | None,
    mask: Path | None,
    prompts: str | None,
    images: int | None,
    attacks: Sequence[str],
    out: Path | None,
    device: str | None,
) -> int:
    """Check a model, print the answer and return the exit code.

    Parameters
    ----------
    model : Path
        File or folder, see `regrow.check.candidate.read_candidate`.
    concept : str
        Folder of a concept pack, or the name of one of the world.
    world : str
        A file of config/worlds: parts that the file lacks, prompts, judges, sampler.
    base : Path or None
        Pipeline that the model was made from, if an attacker has it too.
    mask : Path or None
        What is missing, see `regrow.check.missing.read_mask`.
    prompts : str or None
        The world's prompt set to draw; None for the first that asks for the concept and is here.
    images : int or None
        Of each model.
    attacks : sequence of str
        Entries of attack_weights; none: `ATTACKS`.
    out : Path or None
        Folder to work in and to leave ``check.json`` and ``model_card.md`` in; None works in a temporary one.
    device : str or None
        Where to compute; None: as params.yaml says.

    Raises
    ------
    UserError
        A bad input.
    """
    setting = read_setting(world, concept, prompts)
    names = list(dict.fromkeys(attacks or [name for name in ATTACKS if name in setting.params.attack_weights]))
    check_attacks(names, setting.params)
    device = device or setting.params.device
    check_device(device)
    drawn = extent(setting, images)
    if base is not None and not (base / "unet/config.json").is_file():
        raise UserError(f"{base} is no folder of a pipeline with a UNet: give the base as diffusers saves it")
    if out is not None and out.exists() and not out.is_dir():
        raise UserError(f"--out is {out}, which is no folder: name another")
    with tempfile.TemporaryDirectory(prefix="regrow-check-") as temporary:
        folder = (out or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        candidate = read_candidate(model, base.absolute() if base else setting.pipeline)
        found = _look(candidate, setting, base, mask)
        found.extent = drawn
        # Stages keep what they know of a base below the working directory, and that is not the user's here.
        absolute = base.absolute() if base else None
        with chdir(folder):
            _attack_and_draw(candidate, found, setting, absolute, names, drawn, folder, device)
        said = answer(found)
        _write(found, said, setting, folder, keep=out is not None)
    return said.exit_code


def _look(candidate: Candidate, setting: Setting, base: Path | None, mask: Path | None) -> Findings:
    """Find everything that needs no image."""
    tensors = candidate.tensors
    of_base = _read_base(base, tensors) if base else None
    masked = read_mask(mask, tensors) if mask else None
    cuts = find_cuts(tensors, read_wired(setting.structural_zeros, tensors), of_base, masked)
    shares = _changed(tensors, of_base) if of_base else None
    # Averaged weights and the like were compared as copies, if they could be.
    traces = [one for one in candidate.leftovers if one.kind != "name" or not candidate.copies]
    return Findings(
        model=candidate.path.name,
        said=candidate.said,
        concept=setting.concept.name,
        world=setting.world,
        measure=setting.measure,
        level=setting.params.make_table.level,
        cuts=cuts,
        copies=find_copies(candidate, cuts),
        traces=_traces(traces),
        telling=any(one.kind in TELLING for one in traces),
        changed=None if shares is None else len(shares),
        trained=None if shares is None else sum(share > SPARSE for share in shares.values()),
        needs_base=candidate.needs_base,
    )


def _attack_and_draw(
    candidate: Candidate,
    found: Findings,
    setting: Setting,
    base: Path | None,
    names: Sequence[str],
    drawn: Extent,
    folder: Path,
    device: str,
) -> None:
    """Attack what is published and count what each model draws; paths are absolute."""
    world = folder / "published/world.json"
    pipeline = folder / "published/pipeline"
    write_pipeline(candidate, pipeline)
    index_pipeline(setting.world, pipeline, setting.packs, world, candidate.path)
    of_base, whole = _draw_base(base, setting, drawn, folder, device)
    view = folder / "attacks/view.safetensors"
    if write_view(candidate.tensors, found.cuts, read_world(world).base, view):
        found.tried = attack(view, names, setting.params, view.parent, device)
    candidate.tensors.clear()  # gigabytes, all of which are in files now
    tried = [Cell(one.name, model=one.model, record=one.record) for one in found.tried if not one.refused]
    rows = draw_and_judge(setting, setting.own, world, [Cell(PUBLISHED), *tried], drawn.rows, folder, device)
    seen = counted(
        setting.measure, {judge: [*own, *of_base.get(judge, [])] for judge, own in rows.items()}, found.level, whole
    )
    found.attacks, found.beside, found.worlds_base = dict(seen.numbers), seen.beside, bool(of_base) and base is None
    found.published, found.base = found.attacks.pop(PUBLISHED), found.attacks.pop(BASE, None)
    if setting.others:
        n = min(OTHERS, drawn.images, len(setting.others.rows))
        others = draw_and_judge(setting, setting.others, world, [Cell(PUBLISHED)], n, folder, device)
        found.others = counted(LABEL, others, found.level).numbers[PUBLISHED]


def _draw_base(
    base: Path | None, setting: Setting, drawn: Extent, folder: Path, device: str
) -> tuple[dict[str, list[dict[str, Any]]], Mean | None]:
    """Draw with the base, or with the world's where the measure needs one; also how far its similarity falls."""
    if base is None and setting.measure is LABEL:
        return {}, None
    pipeline, world, cell = base or setting.pipeline, folder / "base/world.json", Cell(BASE, "pretrained")
    index_pipeline(setting.world, pipeline, setting.packs, world, pipeline)
    similar = setting.measure is SIMILARITY
    whole = read_contrast(setting, world, cell, drawn.images, folder, device) if similar else None
    return draw_and_judge(setting, setting.own, world, [cell], drawn.rows, folder, device), whole


def _read_base(base: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = read_base(base, tensors)
    for name, tensor in found.items():
        if tensor.shape != tensors[name].shape:
            raise UserError(
                f"{base} is not the base of this model: its '{name}' has the shape {tuple(tensor.shape)}, the model's "
                f"{tuple(tensors[name].shape)}: name the pipeline that it was made from"
            )
    return found


def _changed(tensors: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the share of entries that differ from the base, of every weight of which one does."""
    shares = {name: float(differs(tensor, base[name]).double().mean()) for name, tensor in tensors.items()}
    return {name: share for name, share in shares.items() if share}


def _traces(leftovers: Sequence[Leftover]) -> list[str]:
    said = []
    for kind in dict.fromkeys(one.kind for one in leftovers):
        same = [one for one in leftovers if one.kind == kind]
        said += [f"{one.kind} '{one.where}': {one.note}" for one in same[:SHOWN]]
        if len(same) > SHOWN:
            said.append(f"{kind}: {len(same) - SHOWN} more")
    return said


def _write(found: Findings, said: Answer, setting: Setting, folder: Path, keep: bool) -> None:
    asked = setting.params.generate_images
    judge = next(iter(setting.own.judges))
    settings = {
        "steps": asked.steps,
        "guidance": asked.guidance,
        "numbers": asked.dtype,
        "prompts": setting.own.prompt_set.name,
        "judge": f"{judge}, {RULE}: {COUNTING_RULES[RULE]}" if setting.measure is DETECTIONS else judge,
    }
    card = as_card(found, said, settings)
    if keep:
        write_json(folder / "check.json", as_record(found, said, settings))
        write_text(folder / "model_card.md", card)
    sys.stdout.write(as_text(found, said))
    where = f" ({folder / 'model_card.md'})" if keep else ""
    sys.stdout.write(f"\nfor a model card{where}:\n\n{card}")
