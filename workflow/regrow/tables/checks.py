"""Stale and foreign results are refused here: every file is compared with the plan of now, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrow.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from regrow.images.prompts import Prompt


@dataclass(frozen=True)
class ExpectedCell:
    """What the rows of a cell must say, by the plan of now.

    Attributes
    ----------
    address : mapping
        concept, role, published, attack, prompt_set.
    prompts : sequence of Prompt
        The rows of the prompt set, in order, with the prompts of an attack on prompts in their places.
    model : str
        Digest of the model that draws: the record's, or the base's own.
    """

    address: Mapping[str, str]
    prompts: Sequence[Prompt]
    model: str

    @property
    def name(self) -> str:
        """The address as an error names it."""
        return " / ".join(self.address.values())


def check_settings(path: Path, metadata: Mapping[str, Any], expected: Mapping[str, Any], mend: str) -> None:
    """Refuse a file that was made with other settings than those of now.

    Parameters
    ----------
    path : Path
        The file.
    metadata : mapping
        What it says.
    expected : mapping
        What it must say, by key; the value of a key may be a mapping.
    mend : str
        The command that makes it anew.

    Raises
    ------
    UserError
        The first difference: what the file says, and what holds now.
    """
    for key, value in expected.items():
        said = metadata.get(key)
        if said == value:
            continue
        if isinstance(said, Mapping) and isinstance(value, Mapping):
            inner = next(name for name in [*value, *said] if said.get(name) != value.get(name))
            key, said, value = f"{key}.{inner}", said.get(inner), value.get(inner)
        raise UserError(
            f"{path} is of other settings: {key} is {_short(said)} there and {_short(value)} now: make it anew with "
            f"`{mend}` and run the workflow again"
        )


def check_cell(path: Path, rows: pd.DataFrame, expected: ExpectedCell, mend: str) -> None:
    """Refuse the rows of a cell that are not exactly those that the plan asks for, drawn by the model of now.

    Parameters
    ----------
    path : Path
        File of the rows, or the first of several.
    rows : DataFrame
        The cell's rows: the address, case, prompt, label, seed, digest, model and what a judge said.
    expected : ExpectedCell
        What they must be.
    mend : str
        The command that makes the file anew.

    Raises
    ------
    UserError
        Doubled, missing, foreign or changed rows, or another model.
    """
    again = f"make it anew with `{mend}` and run the workflow again"
    doubled = rows["case"][rows["case"].duplicated()]
    if len(doubled):
        raise UserError(f"{path} holds case {doubled.iloc[0]} of {expected.name} twice: {again}")
    if len(rows) != len(expected.prompts):
        raise UserError(
            f"{path} holds {len(rows)} rows of {expected.name} where the plan asks for {len(expected.prompts)}: {again}"
        )
    found = rows[["case", "prompt", "label", "seed"]].itertuples(index=False, name=None)
    for line, prompt in zip(found, expected.prompts, strict=True):
        asked = (prompt.case, prompt.prompt, prompt.label, prompt.seed)
        if line != asked:
            name, said, wanted = next(
                (name, said, wanted)
                for name, said, wanted in zip(("case", "prompt", "label", "seed"), line, asked, strict=True)
                if said != wanted
            )
            raise UserError(
                f"{path}, case {line[0]} of {expected.name}: its {name} is {_short(said)}, and {_short(wanted)} in the "
                f"prompts of now: {again}"
            )
    foreign = rows.loc[rows["model"] != expected.model, "model"]
    if len(foreign):
        raise UserError(
            f"{path}: {expected.name} was drawn by the model {foreign.iloc[0][:12]}, and the model of now is "
            f"{expected.model[:12]}: {again}"
        )


def check_complete(path: Path, rows: pd.DataFrame, again: str, may_be_missing: Sequence[str] = ()) -> None:
    """Refuse a null or NaN, also within a list, in any column but those that may hold one.

    A failed judge is an error and never counts as "erased".
    """
    for column in rows.columns:
        if column in may_be_missing:
            continue
        bad = rows[column].isna()
        if not bad.any() and len(rows) and _is_list(rows[column].iloc[0]):
            bad = rows[column].map(lambda value: any(entry is None or entry != entry for entry in value))
        if bad.any():
            case = f", case {rows.loc[bad, 'case'].iloc[0]}" if "case" in rows else ""
            raise UserError(f"{path}{case}: a value of '{column}' is missing: {again}")


def _is_list(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 80 else f"{said[:77]}..."
