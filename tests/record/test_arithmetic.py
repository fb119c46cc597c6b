"""The arithmetic of the tables of weights, on the counts that the first edition recorded: equal to the last digit."""

from pathlib import Path

import pandas as pd
import pytest

from regrow.tables.ours.ladder import RUNGS
from regrow.tables.recovery import alignment_shares, ladder_rungs, reliability_bins, sign_accuracy

FIRST = Path(__file__).parent / "first_edition"


def recorded(name: str) -> pd.DataFrame:
    return pd.read_csv(FIRST / f"{name}.csv", keep_default_na=False, na_values=[""]).rename(
        columns={"eraser": "published"}
    )


def counts(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the lines of single concepts, and the concepts as one kind."""
    single = table[table["concept"] != "all"]
    return single, dict.fromkeys(single["concept"].unique(), "object")


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    keys = [name for name in expected if expected[name].dtype == object or str(expected[name].dtype) == "str"]
    keys += [name for name in ("k", "r", "p", "bin") if name in expected]
    order = [name for name in keys if name != "note"]
    found, expected = (
        table.sort_values(order).reset_index(drop=True)[list(expected.columns)] for table in (found, expected)
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=False)


def test_signs() -> None:
    table = recorded("signs")
    same(sign_accuracy(*counts(table), 0.95), table)


def test_alignment() -> None:
    table = recorded("alignment")
    same(alignment_shares(*counts(table)), table)


def test_ladder() -> None:
    table = recorded("ladder")
    single, kinds = counts(table)
    found = ladder_rungs(single.fillna({"note": ""}), kinds, list(RUNGS), 0.95)
    same(found, table.fillna({"note": ""}))


def test_reliability() -> None:
    """Here the record's own means are rounded, so that the pooled ones may differ by that; the rest is exact."""
    table = recorded("reliability")
    single, kinds = counts(table)
    found = reliability_bins(single, kinds, 0.95)
    exact = [name for name in table if name != "predicted"]
    same(found[exact], table[exact])
    both = found.merge(table, on=["published", "completer", "concept", "layer", "bin"], suffixes=("", "_recorded"))
    assert len(both) == len(table)
    assert both["predicted"].isna().equals(both["predicted_recorded"].isna())
    assert (both["predicted"] - both["predicted_recorded"]).abs().max() <= 1e-6 + 1e-12


def test_a_changed_count_is_seen() -> None:
    table = recorded("signs")
    single, kinds = counts(table)
    changed = single.copy()
    changed.loc[changed.index[0], "correct"] -= 1
    with pytest.raises(AssertionError):
        same(sign_accuracy(changed, kinds, 0.95), table)
