"""Sign accuracy and alignment against small numbers worked by hand, and the stage that writes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.errors import UserError
from regrow.evaluate.alignment import alignment_counts, alignment_table
from regrow.evaluate.signs import sign_counts, sign_table
from regrow.io.parquet import read_table
from regrow.model.completed import Completed, write_completed
from regrow.model.deltas import write_delta
from regrow.model.pipelines import read_base
from regrow.model.published import read_published
from regrow.stages.evaluate_recovery import run
from regrow.world import read_world
from tests.unit.erasing import Published

# 10 missing entries and 2 observed ones; the entry recovered as 0.25 was exactly 0 before pruning.
TRUE = torch.tensor([[1.0, -2.0, 3.0, 0.0, -5.0, 6.0], [7.0, -8.0, 9.0, -1.0, 4.0, 4.0]])
RECOVERED = torch.tensor([[0.1, -0.2, -0.3, 0.25, -0.5, -0.6], [0.7, -0.8, 0.9, 0.0, 4.0, 4.0]])
MISSING = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]], dtype=torch.bool)
# By |recovered|, falling: .9 right, .8 right, .7 right, .6 wrong, .5 right, .3 wrong, .25 without sign, .2 right,
# .1 right, 0 wrong.


@pytest.mark.parametrize(
    ("k", "top", "rest"),
    [
        (1.0, (9, 6, 1), (0, 0, 0)),
        (0.5, (5, 4, 0), (4, 2, 1)),
        (0.3, (3, 3, 0), (6, 3, 1)),
        (0.7, (6, 4, 1), (3, 2, 0)),  # int(0.3 * 10) is 3 in floating point: .2, .1 and 0 are the rest
    ],
)
def test_sign_counts_by_hand(k: float, top: tuple[int, int, int], rest: tuple[int, int, int]) -> None:
    assert sign_counts(TRUE, RECOVERED, MISSING, k) == {"top": top, "rest": rest}


def completed(**values: torch.Tensor) -> Completed:
    return Completed(values, {n: v.abs() for n, v in values.items()}, dict.fromkeys(values, MISSING), "digest")


def test_sign_table_adds_up_layers() -> None:
    true = {"a": TRUE, "b": TRUE}
    rows = sign_table(true, completed(a=RECOVERED, b=-RECOVERED), [0.5])
    as_tuples = [tuple(row.values()) for row in rows]
    assert as_tuples == [
        ("a", 0.5, "top", 5, 4, 0),
        ("a", 0.5, "rest", 4, 2, 1),
        ("b", 0.5, "top", 5, 1, 0),
        ("b", 0.5, "rest", 4, 1, 1),
        ("all", 0.5, "top", 10, 5, 0),
        ("all", 0.5, "rest", 8, 3, 2),
        ("a", 1.0, "top", 9, 6, 1),
        ("b", 1.0, "top", 9, 2, 1),
        ("all", 1.0, "top", 18, 8, 2),
    ]


def test_a_layer_with_nothing_missing_has_no_row() -> None:
    done = completed(a=RECOVERED, b=RECOVERED)
    done.missing["b"] = torch.zeros_like(MISSING)
    rows = sign_table({"a": TRUE, "b": TRUE}, done, [1.0])
    assert [row["layer"] for row in rows] == ["a", "all"]
    assert {row["layer"] for row in alignment_table({"a": TRUE, "b": TRUE}, done, 3)} == {"a", "all"}


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31), st.floats(0.05, 1.0))
def test_top_and_rest_make_the_whole(seed: int, k: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    true, values = torch.randn(7, 9, generator=generator), torch.randn(7, 9, generator=generator)
    true[torch.rand(7, 9, generator=generator) < 0.1] = 0
    missing = torch.rand(7, 9, generator=generator) < 0.5
    parts = sign_counts(true, values, missing, k)
    whole = sign_counts(true, values, missing, 1.0)["top"]
    assert tuple(a + b for a, b in zip(parts["top"], parts["rest"], strict=True)) == whole
    right = [
        (t > 0) == (v > 0)
        for t, v, m in zip(true.flatten(), values.flatten(), missing.flatten(), strict=True)
        if m and t != 0
    ]
    assert whole[:2] == (len(right), sum(map(int, right)))


def test_alignment_by_hand() -> None:
    recovered = torch.tensor([-6.0, 5.0, 4.0, -3.0, 2.0, 1.0])
    pretrained = torch.tensor([0.6, 0.1, -0.5, 0.4, -0.2, 0.3])  # order of |pretrained|: entries 0 2 3 5 4 1
    # R: {0,1} {2,3} {4,5}; P: {0,2} {3,5} {4,1}
    assert alignment_counts(recovered, pretrained, 3).tolist() == [[1, 0, 1], [1, 1, 0], [0, 1, 1]]
    assert alignment_counts(recovered, recovered, 3).tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert alignment_counts(recovered, 1 / recovered, 3).tolist() == [[0, 0, 2], [0, 2, 0], [2, 0, 0]]


def test_alignment_table_leaves_out_what_was_never_pruned_and_pools_entries() -> None:
    # Layer b is ten times layer a, so ranked together its entries come first.
    rows = alignment_table({"a": TRUE, "b": 10 * TRUE}, completed(a=RECOVERED, b=10 * RECOVERED), 2)
    count = {(row["layer"], row["r"], row["p"]): row["count"] for row in rows}
    # 9 entries per layer: groups of 5 and 4. Recovered .9 .8 .7 .6 .5 | .3 .2 .1 0, pretrained 9 8 7 6 5 | 3 2 1 1.
    assert [count["a", r, p] for r in (1, 2) for p in (1, 2)] == [5, 0, 0, 4]
    # 18 entries: 9 8 7 6 5 3 2 1 and 0 times ten rank against .9 .8 ... of layer a by size alone.
    both = torch.cat([RECOVERED[MISSING & (TRUE != 0)], 10 * RECOVERED[MISSING & (TRUE != 0)]]).abs().numpy()
    true = torch.cat([TRUE[MISSING & (TRUE != 0)], 10 * TRUE[MISSING & (TRUE != 0)]]).abs().numpy()
    top_r, top_p = set(np.argsort(-both, kind="stable")[:9]), set(np.argsort(-true, kind="stable")[:9])
    assert count["all", 1, 1] == len(top_r & top_p)
    assert count["all", 1, 2] == 9 - len(top_r & top_p)
    for row in rows:
        assert row["share"] == pytest.approx(row["count"] / sum(count[row["layer"], row["r"], p] for p in (1, 2)))


def test_a_layer_with_fewer_entries_than_groups_has_no_row() -> None:
    assert alignment_table({"a": TRUE}, completed(a=RECOVERED), 10) == []


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(6, 60))
def test_groups_have_equal_counts(seed: int, quantiles: int, n: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    counts = alignment_counts(
        torch.randn(n, generator=generator), torch.randint(-3, 3, (n,), generator=generator), quantiles
    )
    assert int(counts.sum()) == n
    for axis in (0, 1):
        sums = counts.sum(axis)
        assert int(sums.max() - sums.min()) <= 1


@pytest.fixture(scope="module")
def completed_file(church: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A completion that has every magnitude and every other sign of the church right."""
    published = read_published(church.model)
    missing = {name: weight == 0 for name, weight in published.ffn2.items()}
    values = {}
    for name, weight in read_base(read_world(church.world).pipeline, published.ffn2).items():
        flip = missing[name].flatten().cumsum(0).view(weight.shape) % 2 == 0
        values[name] = torch.where(missing[name] & flip, -weight, weight)
    certainty = {name: value.abs() * missing[name] for name, value in values.items()}
    path = tmp_path_factory.mktemp("completed") / "completed.safetensors"
    header = {"completer": {"method": "nuclear", "max_steps": 5}, "seed": 3}
    write_completed(path, Completed(values, certainty, missing, published.digest), header)
    return path


def evaluate(church: Published, completed: Path, out: Path, **changes: Any) -> tuple[Path, Path, Path]:
    signs, alignment, reliability = (out / f"{name}.parquet" for name in ("signs", "alignment", "reliability"))
    names = {"concept": "church", "published": "pruned", "completer": "guess"}
    files = {"world": church.world, "model": church.model, "completed": completed}
    arguments: dict[str, Any] = {**files, **names, "k": [0.2, 0.5], "quantiles": 5, "bins": 4, **changes}
    run(out_signs=signs, out_alignment=alignment, out_reliability=reliability, **arguments)
    return signs, alignment, reliability


def test_stage_writes_three_tables(church: Published, completed_file: Path, tmp_path: Path) -> None:
    paths = evaluate(church, completed_file, tmp_path)
    signs, alignment, reliability = (pq.read_table(path) for path in paths)
    names = ["published", "completer", "concept", "layer"]
    assert signs.column_names == [*names, "k", "part", "n", "correct", "without_sign"]
    assert alignment.column_names == [*names, "r", "p", "count", "share"]
    assert reliability.column_names == [*names, "bin", "low", "high", "predicted", "n", "correct"]
    assert reliability["predicted"].null_count == reliability.num_rows
    published = read_published(church.model)
    for path in paths:
        table, metadata = read_table(path)
        assert table.slice(0, 1).select(names[:3]).to_pylist() == [
            {"published": "pruned", "completer": "guess", "concept": "church"}
        ]
        assert metadata == {
            "world": "tiny",
            "base": published.base,
            "model": published.digest,
            "completer": {"method": "nuclear", "max_steps": 5},
            "mask": None,
            "seed": 3,
            "meaning": "order",
            "k": [0.2, 0.5, 1.0],
            "quantiles": 5,
            "bins": 4,
        }
    table = signs.to_pandas()
    assert set(table["layer"]) == {*published.ffn2, "all"}
    assert sorted(set(table["k"])) == [0.2, 0.5, 1.0]
    assert "rest" not in set(table.loc[table["k"] == 1.0, "part"])
    whole = table[(table["layer"] == "all") & (table["k"] == 1.0)].iloc[0]
    assert whole["n"] == sum(int((tensor == 0).sum()) for tensor in published.ffn2.values())
    assert whole["correct"] / whole["n"] == pytest.approx(0.5, abs=0.05)
    shares = alignment.to_pandas()
    assert (shares.loc[shares["r"] == shares["p"], "share"] == 1).all()  # magnitudes were recovered exactly


def test_stage_is_deterministic(church: Published, completed_file: Path, tmp_path: Path) -> None:
    one, two = (evaluate(church, completed_file, tmp_path / name) for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_stage_refuses_files_that_do_not_belong_together(
    church: Published, completed_file: Path, tmp_path: Path
) -> None:
    published = read_published(church.model)
    write_delta(tmp_path / "foreign", published.tensors, "0" * 64)
    with pytest.raises(UserError, match="belongs to base 000000000000, not to world 'tiny'"):
        evaluate(church, completed_file, tmp_path, model=tmp_path / "foreign")
    more = {**published.tensors, "unet.conv_in.bias": torch.ones(8)}
    write_delta(tmp_path / "other", more, published.base)
    with pytest.raises(UserError, match=f"completes model {published.digest[:12]}, not"):
        evaluate(church, completed_file, tmp_path, model=tmp_path / "other")
    nothing = {name: torch.zeros_like(weight) for name, weight in published.ffn2.items()}
    missing = {name: weight.bool() for name, weight in nothing.items()}
    write_completed(tmp_path / "nothing", Completed(published.ffn2, nothing, missing, published.digest), {})
    with pytest.raises(UserError, match="no missing entry"):
        evaluate(church, tmp_path / "nothing", tmp_path)
    # A mask that is shifted by a column calls recovered entries observed.
    one = next(iter(published.ffn2))
    shifted = {name: torch.roll(weight == 0, int(name == one), 1) for name, weight in published.ffn2.items()}
    values = {name: torch.where(weight == 0, 0.5, weight) for name, weight in published.ffn2.items()}
    write_completed(tmp_path / "shifted", Completed(values, nothing, shifted, published.digest), {})
    with pytest.raises(UserError, match=f"observed entries of '{one}' are not as published"):
        evaluate(church, tmp_path / "shifted", tmp_path)
    assert not (tmp_path / "signs.parquet").exists()


@pytest.mark.parametrize("changes", [{"k": [0.0]}, {"k": [0.5, 1.2]}, {"quantiles": 1}, {"bins": 1}])
def test_stage_refuses_options_out_of_range(
    church: Published, completed_file: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"k in \(0, 1\] and quantiles >= 2"):
        evaluate(church, completed_file, tmp_path, **changes)
