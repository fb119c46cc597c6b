"""Everything that an audit makes on the way to its tables."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from regrow.plan import jobs, paths
from regrow.plan.addresses import ERASED, NONE, Model
from regrow.plan.audit import Audit, EvaluationNeed, RecordNeed
from regrow.plan.memory import remembered


def products_of(audit: Audit, tables: Sequence[str] | None = None) -> list[Path]:
    """Return every file between the base model and an audit's tables, or some of them, each once.

    They are targets of a run beside the report: a job that fails takes its file away, and Snakemake makes a missing
    file again only if something asks for it, not if all that was made of it looks up to date.
    """
    return _products_of(audit, tuple(audit.tables if tables is None else tables))


@remembered
def _products_of(audit: Audit, tables: tuple[str, ...]) -> list[Path]:
    return list(dict.fromkeys(_products(audit, tables)))


def _products(audit: Audit, tables: tuple[str, ...]) -> Iterator[Path]:
    world = audit.world_name
    yield paths.index_world(world)
    for model in _models(audit, tables):
        if model.path is not None:
            yield model.path
        if model.role == ERASED:
            yield from _erased(audit, model.published, model.concept)
        elif model.attack != NONE and (completer := audit.entry(model.attack).get("completer")):
            yield paths.completed(world, model.published, completer, model.concept)
    for need in _evaluations(audit, tables):
        if need.stage in ("evaluate_recovery", "evaluate_inference", "rank_words") and need.completer:
            yield paths.completed(world, need.published, need.completer, need.concept)
        if need.stage == "ablate_mask_knowledge" and need.completer:
            yield from jobs.ladder_completed(audit, need.published, need.completer, need.concept)
        other = audit.params.ablate_mask_knowledge.other
        if need.stage == "ablate_mask_knowledge" and other:
            yield from _erased(audit, need.published, other)
    cells = audit.cells_of(tables)
    yield from (cell.prompts for cell in cells if cell.prompts is not None)
    groups = {(cell.prompt_set, cell.group) for cell in cells}
    for job in jobs.jobs_of(audit):
        if (job.prompt_set, job.group) in groups:
            yield paths.index(world, audit.name, job.prompt_set, job.group, job.part)
    yield from jobs.results_of(audit, tables)


def _evaluations(audit: Audit, tables: tuple[str, ...]) -> list[EvaluationNeed]:
    return [need for table in tables for need in audit.needs(table) if isinstance(need, EvaluationNeed)]


def _models(audit: Audit, tables: tuple[str, ...]) -> list[Model]:
    """Return the models that tables ask for, and the published model of each."""
    asked = [cell.model for cell in audit.cells_of(tables)]
    asked += [need.model for table in tables for need in audit.needs(table) if isinstance(need, RecordNeed)]
    asked += [audit.published_model(need.published, need.concept) for need in _evaluations(audit, tables)]
    published = (audit.publisher_of(model) for model in asked)
    return list(dict.fromkeys([*(model for model in published if model is not None), *asked]))


def _erased(audit: Audit, published: str, concept: str) -> Iterator[Path]:
    """Yield the publisher's own files: of the eraser, and of the defence where there is one."""
    entry = audit.params.publish_model[published]
    for defence in dict.fromkeys([None, entry.defence]):
        yield paths.erased(audit.world_name, entry.eraser, defence, concept)
    if entry.is_control:
        yield paths.control(audit.world_name)
        yield paths.cut_control(audit.world_name, entry.eraser, concept)
