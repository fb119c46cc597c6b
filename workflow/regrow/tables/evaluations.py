"""Read the counts of evaluations, and compare them with the plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrow.config.entries import options_of
from regrow.errors import UserError
from regrow.io.parquet import read_table
from regrow.plan import paths
from regrow.plan.audit import Audit, EvaluationNeed
from regrow.plan.records import mask_of
from regrow.plan.vocabulary import vocabulary
from regrow.tables.checks import check_complete, check_settings
from regrow.tables.records import checked_record, world_of

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("layer", "k", "part", "r", "p", "bin", "rung", "matrix", "detector", "unit", "word")
# Columns of an evaluation that are no numbers; no other but those of _SIGNED holds anything below 0.
_NO_NUMBERS = (
    *("published", "completer", "concept", "layer", "part", "rung", "note", "matrix", "singular_values"),
    *("detector", "unit", "word"),
)
_SIGNED = ("skew", "kurtosis", "score")
# Columns of an evaluation that may be empty: a completer that only ranks predicts nothing, a score infers no mask, and
# where every column of a layer is cut nothing tells them apart.
_MAY_BE_MISSING = {"reliability": ("predicted",), "detectors": ("auroc", "precision", "recall")}


def read_evaluations(audit: Audit, needs: Sequence[EvaluationNeed]) -> dict[str, pd.DataFrame]:
    """Return the counts of every evaluation by its name, in the order of the needs.

    Raises
    ------
    UserError
        A file is missing, damaged, stale, of something else, or holds rows twice.
    """
    import pandas as pd

    parts: dict[str, list[pd.DataFrame]] = {}
    for need in needs:
        parts.setdefault(need.name, []).append(_read(audit, need))
    return {name: pd.concat(found, ignore_index=True) for name, found in parts.items()}


def _read(audit: Audit, need: EvaluationNeed) -> pd.DataFrame:
    import pandas as pd

    path = paths.evaluation(audit.world_name, need.stage, need.published, need.completer, need.concept, need.name)
    mend = f"snakemake --force {path}"
    again = f"make it anew with `{mend}` and run the workflow again"
    address = {"published": need.published, "completer": need.completer, "concept": need.concept}
    address = {name: value for name, value in address.items() if value is not None}
    table, metadata = read_table(path, address)
    model = audit.published_model(need.published, need.concept)
    expected = {"world": audit.world_name, "base": world_of(audit).base, **_settings(audit, need)}
    if model.record is not None:
        expected["model"] = checked_record(audit, model, model.record)["model"]
    check_settings(path, metadata, expected, mend)
    if not table.num_rows:
        raise UserError(f"{path} holds no rows: too few weights were pruned to compare, erase more or leave it out")
    rows = table.to_pandas()
    for name, value in address.items():
        if (rows[name] != value).any():
            raise UserError(f"{path} holds rows of another {name} than '{value}': {again}")
    check_complete(path, rows, again, _MAY_BE_MISSING.get(need.name, ()))
    for column in rows.columns.difference(_NO_NUMBERS):
        if not pd.api.types.is_numeric_dtype(rows[column]) or (column not in _SIGNED and (rows[column] < 0).any()):
            raise UserError(f"{path}: column '{column}' holds something that is no number from 0 up: {again}")
    keys = [name for name in rows if name in KEYS]
    if rows.duplicated(keys).any() if keys else len(rows) > 1:
        raise UserError(f"{path} holds a row twice, so its counts would be doubled: {again}")
    if need.stage == "ablate_mask_knowledge":
        _check_other_mask(path, rows, audit, need.concept, again)
    return rows


def _settings(audit: Audit, need: EvaluationNeed) -> dict[str, Any]:
    """Return what an evaluation's file must say of its own settings."""
    params = audit.params
    own: dict[str, Any] = {} if need.stage == "measure_detectability" else {"seed": params.seed}  # it draws nothing
    if need.stage == "evaluate_recovery":
        settings = params.evaluate_recovery
        own |= {"k": sorted({*settings.k, 1.0}), "quantiles": settings.quantiles, "bins": settings.bins}
    elif need.stage == "ablate_mask_knowledge":
        own["threshold"] = params.ablate_mask_knowledge.threshold
    elif need.stage == "measure_spectrum":
        own["copies"] = params.measure_spectrum.copies
    elif need.stage == "rank_words":
        words = vocabulary(audit, audit.kinds[need.concept])
        own |= {"draws": params.rank_words.draws, "words": words}
    if need.completer is not None:
        entry = params.complete_weights[need.completer]
        own["completer"] = {"method": entry["method"], **options_of(entry)}
        if need.stage != "ablate_mask_knowledge":  # which brings masks of its own
            own["mask"] = mask_of(audit, need.completer)
    return own


def _check_other_mask(path: Path, rows: pd.DataFrame, audit: Audit, concept: str, again: str) -> None:
    """Refuse a ladder whose rung of another concept's mask is of another concept than params name now."""
    other = audit.params.ablate_mask_knowledge.other
    wanted = [] if other in (None, concept) else [f"mask of {other}"]
    said = rows.loc[rows["rung"] == "other_concept", "note"].tolist()
    if said != wanted:
        raise UserError(
            f"{path} has the rung other_concept with {', '.join(said) or 'no mask'}, and params ask for "
            f"{', '.join(wanted) or 'no mask'}: {again}"
        )
