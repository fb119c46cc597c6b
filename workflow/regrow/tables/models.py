"""Models in tables that have no role: by published model and attack, a control under its own name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrow.plan.addresses import ATTACKED, CONTROL, ERASED, NONE, ORACLE, PRETRAINED

if TYPE_CHECKING:
    import pandas as pd

    from regrow.tables.data import TableData

PUBLISHED = "the published model; none for the pretrained one, control for the one that never saw the concept"


def set_apart(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows that name the control as their published model, where only a role told it from the pretrained one."""
    return rows.assign(published=rows["published"].mask(rows["role"] == CONTROL, CONTROL))


def role_of(published: str, attack: str) -> str:
    """Return the role of a model that is no oracle."""
    shared = {NONE: PRETRAINED, CONTROL: CONTROL}
    return shared.get(published) or (ERASED if attack == NONE else ATTACKED)


def name_of(data: TableData, published: str, attack: str) -> str:
    """Return a model's name for a reader."""
    from regrow.tables.style import spoken

    return spoken(data.label(role_of(published, attack), published, attack))


def model_order(data: TableData) -> list[tuple[str, str]]:
    """Return the models, in the audit's order, also those that do not exist."""
    return list(
        dict.fromkeys((CONTROL if role == CONTROL else published, attack) for role, published, attack in data.models)
    )


def blank_models(data: TableData) -> list[tuple[str, str]]:
    """Return the models that do not exist, without oracles."""
    return [(published, attack) for role, published, attack in data.audit.blanks() if role != ORACLE]
