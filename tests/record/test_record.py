"""The science did not move: today's record against the frozen tables of the first edition.

Tables of weights are equal to the last digit. Images are drawn anew, so counts of Table 1 may differ by one in at most
one cell of a hundred. The record is to be made on a processor that rounds as the first one's did: on another, where
norms of activations round otherwise, the eraser took a few other entries of some 90,000 for four of the twelve
concepts, and the first edition's own code did so too.
"""

from pathlib import Path

import pandas as pd
import pytest

from tests.record.names import ADDRESS, POOLED, renamed

FIRST = Path(__file__).parent / "first_edition"
RECORD = Path(__file__).parents[2] / "results/audits/emoji/tables"
# The table of today, its name in the first edition, and what names a line.
SAME = {
    "ours/signs": ("signs", ["published", "completer", "concept", "layer", "k", "part"]),
    "ours/alignment": ("alignment", ["published", "completer", "concept", "layer", "r", "p"]),
    "ours/reliability": ("reliability", ["published", "completer", "concept", "layer", "bin"]),
    "ours/ladder": ("ladder", ["published", "completer", "concept", "rung"]),
    "ours/spectrum": ("spectrum", ["published", "concept", "layer"]),
}
EDGES = ("low", "high", "predicted")  # probabilities of a completer, whose sixth digit depends on the processor
FIRST_COMPLETER = "nuclear"  # the one of tables 5 and 6 of the first edition, which had no column for it
OF_FIRST = {
    "roots/table5": ("table5", ["concept", "r", "p"]),
    "roots/table6": ("table6", ["concept", "k", "part"]),
}

pytestmark = pytest.mark.skipif(
    not RECORD.is_dir(),
    reason="results/audits/emoji/tables is absent: run `snakemake --cores all` for the record first",
)


def read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    if "layer" in table:
        table["layer"] = table["layer"].str.removeprefix("unet.")  # names of weights say their component now
    return table


def same(found: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    found = found.set_index(keys).sort_index()
    expected = expected.set_index(keys).sort_index()
    assert not expected.index.duplicated().any()
    assert set(expected.index) <= set(found.index), "lines of the first edition are gone"
    found = found.loc[expected.index, expected.columns]
    rounded = [column for column in EDGES if column in expected.columns and "bin" in keys]
    exact = [column for column in expected.columns if column not in rounded]
    pd.testing.assert_frame_equal(found[exact], expected[exact], check_exact=True, check_dtype=False)
    edges = found[rounded] - expected[rounded]
    assert not (edges.abs() > 2e-6).to_numpy().any()


@pytest.mark.parametrize("table", SAME)
def test_weights_are_the_same_to_the_last_digit(table: str) -> None:
    name, keys = SAME[table]
    found, expected = read(RECORD / f"{table}.csv"), renamed(read(FIRST / f"{name}.csv"))
    if table != "ours/ladder":  # which has a rung more now
        assert len(found) == len(expected)
    same(found, expected, keys)


@pytest.mark.parametrize("table", OF_FIRST)
def test_tables_5_and_6_are_the_same_to_the_last_digit(table: str) -> None:
    name, keys = OF_FIRST[table]
    found = read(RECORD / f"{table}.csv")
    own = found[(found["completer"] == FIRST_COMPLETER) & (found["published"] == "pruned")]
    expected = read(FIRST / f"{name}.csv")
    assert len(own) == len(expected)
    same(own, expected, keys)


def test_images_are_counted_as_before() -> None:
    found = read(RECORD / "roots/table1.csv").set_index(ADDRESS)
    expected = renamed(read(FIRST / "table1.csv")).set_index(ADDRESS)
    assert set(found.index) == set(expected.index)
    both = found.join(expected.add_suffix("_first"))
    assert (both["n"] == both["n_first"]).all()
    assert (both["n_distinct"] == both["n"]).all()  # emoji's prompt files hold no equal rows
    off = (both["correct"] - both["correct_first"]).abs()
    cells = off[~both.index.get_level_values("concept").isin(POOLED)]
    assert len(cells) == 12 * 13 * 2
    assert cells.max() <= 1
    assert (cells > 0).mean() <= 0.01


def test_retained_shares_are_the_same() -> None:
    keys = ["concept", "published", "attack"]
    found = read(RECORD / "ours/retained.csv").set_index(keys)
    expected = renamed(read(FIRST / "keep.csv")).set_index(keys)
    assert set(found.index) == set(expected.index)
    both = found.join(expected.add_suffix("_first"))
    assert (both["retained"] == both["kept_first"]).all()
    assert (both["retain"].astype(str) == both["keep_first"].astype(str)).all()
