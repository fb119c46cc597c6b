"""What is fetched for an audit, by demand: the model, the judges and references that its tables ask for, prompts."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from regrow.config.entries import ATTACKS
from regrow.config.origins import PhotographOrigin
from regrow.places import data_path
from regrow.plan import paths
from regrow.plan.audit import Audit, ScoreNeed
from regrow.plan.hidden import judged_in_memory
from regrow.plan.judges import classifier_beside, judge_folder
from regrow.plan.products import products_of
from regrow.plan.references import reference_name


def fetched_of(audit: Audit, tables: Sequence[str] | None = None) -> list[Path]:
    """Return what is fetched for an audit, or for some of its tables: one output of each job."""
    tables = audit.tables if tables is None else tables
    names = dict.fromkeys(audit.fetched_prompts(cell.prompt_set) for cell in audit.cells_of(tuple(tables)))
    prompts = [paths.fetched_prompts(audit.source, name) for name in names if name is not None]
    references = dict.fromkeys(reference_name(audit, judge) for judge in judges_of(audit, tables))
    photographs = [
        paths.fetched_reference(audit.source, name)
        for name in references
        if name and isinstance(audit.world.references[name], PhotographOrigin)
    ]
    return [*prompts, *photographs, *(paths.fetched(audit.source, part) for part in parts_of_world(audit, tables))]


def measured_of(audit: Audit, tables: Sequence[str]) -> list[tuple[str, str]]:
    """Return the references that are measured for some tables, as judge and reference."""
    found = ((judge, reference_name(audit, judge)) for judge in judges_of(audit, tables))
    return [(judge, name) for judge, name in found if name is not None]


def parts_of_world(audit: Audit, tables: Sequence[str]) -> list[str]:
    """Return the parts of the world that fetch_world brings for some tables, in the order of the world's file."""
    folders = {Path(audit.world.pipeline), *_clip_of_attacks(audit, tables), *_other_models(audit, tables)}
    for judge in judges_of(audit, tables):
        beside = classifier_beside(audit.world, judge)
        folders |= {judge_folder(audit.world, judge), *([beside] if beside else [])}
    needed = {audit.fetched_part(folder.as_posix()) for folder in folders}
    return [part for part in audit.world.fetch if part in needed]


def judges_of(audit: Audit, tables: Iterable[str]) -> list[str]:
    """Return the judges that some tables ask for; images that are judged in memory go to all of their prompt set."""
    needs = [need for table in tables for need in audit.needs(table) if isinstance(need, ScoreNeed)]
    hidden = dict.fromkeys(need.cell.prompt_set for need in needs if judged_in_memory(audit, need.cell.prompt_set))
    others = (judge for name in hidden for judge in audit.world.prompt_sets[name].judges)
    return list(dict.fromkeys([*(need.judge for need in needs), *others]))


def _other_models(audit: Audit, tables: Sequence[str]) -> Iterator[Path]:
    """Yield the folders of the control and of the base's siblings that some tables rest on."""
    products = products_of(audit, tables)
    if audit.world.control and paths.control(audit.world_name) in products:
        yield data_path(audit.world.control.pipeline)
    for parts in (path.parts for path in products):
        known = {"attack_weights": audit.sibling, "complete_weights": audit.sibling_of_completer}.get(parts[2])
        if known and (name := known(parts[4])):
            yield data_path(audit.world.siblings[name])


def _clip_of_attacks(audit: Audit, tables: Sequence[str]) -> Iterator[Path]:
    """Yield the folder of the CLIP by which attacks are steered, where one is."""
    made = (path.parts for path in products_of(audit, tables))
    attacks = {parts[4] for parts in made if parts[2] in ATTACKS}
    if audit.world.attack_clip and any(map(audit.needs_clip, attacks)):
        yield data_path(audit.world.attack_clip)
