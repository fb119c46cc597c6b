"""What `regrow plan` prints: every value with its file, then what each table costs; a run prints the latter too."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from regrow.plan.audit import Audit
from regrow.plan.checks import check_audit
from regrow.plan.cost import Cost, cost, cost_of_jobs, costs
from regrow.plan.downloads import fetched_of, parts_of_world
from regrow.plan.hidden import judged_in_memory
from regrow.plan.paths import RESULTS
from regrow.plan.prices import Prices

OUTSIDE = {"params", "train_world", "fetch", "fetch_prompts"}  # of a world file: shown above, or no part of an audit


def preview(audit_name: str | None = None, rehearsal: bool = False) -> str:
    """Return the plan of an audit, or of its rehearsal, as text, once everything is checked."""
    audit = Audit.current(audit_name, rehearsal)
    check_audit(audit)
    return "\n".join([*_values(audit), "", *_models(audit), "", *_costs(audit, Prices(audit))]) + "\n"


def before_a_run(audit: Audit, outputs: Iterable[Path]) -> str:
    """Return what is printed before the first job: what each table costs, and what is left to do.

    Parameters
    ----------
    outputs : iterable of Path
        One output of each job that will run; those of another workflow do not count.
    """
    prices = Prices(audit)
    ours = [path for path in outputs if path.parts[0] == RESULTS.name and len(path.parts) > 3]
    left = cost_of_jobs(audit, prices, ours)
    gpu, cpu, size = _hours(left.seconds.gpu), _hours(left.seconds.cpu), _number(left.gigabytes)
    said = f"{left.jobs:,} jobs, at most {left.images:,} images, {gpu} GPU hours, {cpu} CPU hours, {size} GB"
    return "\n".join([*_costs(audit, prices), f"To do now: {said}."]) + "\n"


def _values(audit: Audit) -> list[str]:
    origins = audit.config.origins
    rows = [(origin, key, _text(_value(audit, key))) for key, origin in origins.items()]
    selected = audit.config.audit.model_dump(mode="json", exclude_none=True)
    rows += [(f"audit {audit.name}", key, _text(value)) for key, value in selected.items()]
    world = audit.world.model_dump(mode="json", exclude_unset=True, exclude=OUTSIDE)
    rows += [(f"world {audit.world_name}", key, _text(value)) for key, value in world.items()]
    return _columns([("from", "key", "value"), *rows])


def _value(audit: Audit, key: str) -> object:
    found: object = audit.params.model_dump(mode="json")
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return audit.name if key == "audit" else None
        found = found[part]
    return audit.name if key == "audit" else found


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    return "null" if value is None else str(value)


def _models(audit: Audit) -> list[str]:
    names = [" ".join(word for word in model.key if word != "none") for model in audit.models(audit.concepts[0])]
    lines = [f"{len(names)} models of each of {len(audit.concepts)} concepts: {', '.join(names)}"]
    for table in audit.config.audit.selections:
        view = audit.for_table(table)
        others = [" ".join(model.key[1:]) for model in view.models(view.concepts[0]) if model.role != "pretrained"]
        lines.append(f"{table} selects, of {', '.join(view.concepts)}: {', '.join(others)}")
    return lines + [f"not made: {what} ({reason})" for what, reason in audit.not_made().items()]


def _costs(audit: Audit, prices: Prices) -> list[str]:
    def row(name: str, of: Cost) -> tuple[str, ...]:
        counts = (f"{count:,}" for count in (of.cells, of.rows, of.images, of.jobs))
        return name, *counts, _hours(of.seconds.gpu), _hours(of.seconds.cpu), _number(of.gigabytes)

    head = ("table", "cells", "rows", "images", "jobs", "GPU h", "CPU h", "GB")
    rows = [row(table, of) for table, of in costs(audit, prices).items()]
    return [
        *_columns([head, *rows, row("all together", cost(audit, prices))]),
        "From the beginning and at most: tables share models and images, and what is in the store is not drawn again.",
        "Images are distinct pairs of prompt and seed, rows count them as often as they stand in the file.",
        prices.source,
        *_drawn_by_attacks(audit, prices),
        *_judged_in_memory(audit),
        *_downloads(audit, prices),
    ]


def _drawn_by_attacks(audit: Audit, prices: Prices) -> list[str]:
    """Return what each attack draws for itself, which is no image of a table."""
    said = []
    for attack in audit.attacks:
        if audit.section_of(attack) != "attack_model" or not (drawn := prices.drawn_by(attack))[0]:
            continue
        seconds = drawn[1].cpu if prices.device == "cpu" else drawn[1].gpu
        steps, minutes = audit.entry(attack)["steps"], _number(None if seconds is None else seconds / 60)
        said.append(f"{attack} draws {drawn[0]:,} images of {steps} steps for itself, {minutes} minutes per model.")
    return said


def _judged_in_memory(audit: Audit) -> list[str]:
    """Return which images are not kept for a judge that comes later."""
    names = [name for name in audit.prompt_sets if judged_in_memory(audit, name)]
    if not names:
        return []
    return [f"Judged in memory and not kept: {', '.join(names)}. A detector that is added later draws them again."]


def _downloads(audit: Audit, prices: Prices) -> list[str]:
    """Return what is fetched, with its size where that is known, and what the world offers beside it."""
    fetched = fetched_of(audit)
    if not fetched:
        return []
    stages: dict[str, list[str]] = {}
    for path in fetched:
        # A photograph's list lies in the folder of its reference.
        name = path.parent.name if path.parts[2] == "fetch_reference" else path.stem
        size = prices.written(path)
        stages.setdefault(path.parts[2], []).append(f"{name} ({_number(size)} GB)" if size else name)
    words = {"fetch_world": "of the world", "fetch_reference": "photographs", "fetch_prompts": "prompts"}
    said = "; ".join(f"{words[stage]} {', '.join(stages[stage])}" for stage in words if stage in stages)
    needed = parts_of_world(audit, audit.tables)
    rest = [part for part in audit.world.fetch if part not in needed]
    return [f"Fetched once: {said}.", *([f"Not needed, so not fetched: {', '.join(rest)}."] if rest else [])]


def _hours(seconds: float | None) -> str:
    return _number(None if seconds is None else seconds / 3600)


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
