"""What `regrow plan` prints: every value with its file, then what each table costs."""

from collections.abc import Sequence

from regrow.plan.audit import Audit
from regrow.plan.checks import check_audit
from regrow.plan.cost import Cost, cost, costs
from regrow.plan.jobs import inputs_of_figure

OUTSIDE = {"params", "train_world", "fetch", "fetch_prompts"}  # of a world file: shown above, or no part of an audit


def preview(audit_name: str | None = None) -> str:
    """Return the plan of an audit as text, once everything is checked."""
    audit = Audit.current(audit_name)
    check_audit(audit)
    return "\n".join([*_values(audit), "", *_models(audit), "", *_costs(audit)]) + "\n"


def _values(audit: Audit) -> list[str]:
    origins = audit.config.origins
    rows = [(origin, key, _text(_value(audit, key))) for key, origin in origins.items()]
    selected = audit.config.audit.model_dump(mode="json")
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
    return lines + [f"not made: {reason}" for reason in audit.blanks().values()]


def _costs(audit: Audit) -> list[str]:
    def row(name: str, of: Cost, inputs: int) -> tuple[str, ...]:
        numbers = (of.cells, of.jobs, of.rows, of.images)
        return name, *(f"{n:,}" for n in numbers), f"{of.minutes:.0f}", f"{of.gigabytes:.2f}", f"{inputs:,}"

    head = ("table", "cells", "image jobs", "rows", "distinct", "minutes", "GB", "inputs")
    rows = [row(table, of, len(inputs_of_figure(audit, table)) - 1) for table, of in costs(audit).items()]
    everything = {path for table in audit.tables for path in inputs_of_figure(audit, table)[1:]}
    return [
        *_columns([head, *rows, row("all together", cost(audit), len(everything))]),
        "At most: images that are in the store cost nothing, and tables share theirs.",
    ]


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
