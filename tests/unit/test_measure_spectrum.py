"""Singular values, effective rank and the edge of noise, by hand and on matrices whose structure is known."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.errors import UserError
from regrow.evaluate.spectrum import effective_rank, layer_spectra, share_above, singular_values
from regrow.io.parquet import read_table
from regrow.model.published import read_published
from regrow.stages.measure_spectrum import run
from tests.unit.erasing import Published


def test_effective_rank_and_share_by_hand() -> None:
    assert effective_rank(torch.tensor([2.0, 2.0, 2.0, 2.0])) == pytest.approx(4)
    assert effective_rank(torch.tensor([5.0, 0.0])) == pytest.approx(1)
    # shares 0.8 and 0.2: exp(0.8 ln 1.25 + 0.2 ln 5)
    assert effective_rank(torch.tensor([4.0, 2.0])) == pytest.approx(1.25**0.8 * 5**0.2)
    assert share_above(torch.tensor([4.0, 2.0]), 3.0) == pytest.approx(0.8)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**31))
def test_singular_values_are_those_of_lapack(rows: int, columns: int, seed: int) -> None:
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert torch.allclose(singular_values(matrix), torch.linalg.svdvals(matrix), atol=1e-6)


def test_structure_stands_above_noise_and_pruning_hides_it() -> None:
    generator = torch.Generator().manual_seed(0)
    low_rank = 2 * torch.randn(20, 2, generator=generator) @ torch.randn(2, 80, generator=generator)
    noise = torch.randn(20, 80, generator=generator)
    cut = torch.rand(20, 80, generator=generator) < 0.5
    found = {}
    for name, weights in (("plain", low_rank + noise), ("noise", noise)):
        for row in layer_spectra(weights, weights.masked_fill(cut, 0.0), cut, 3, 0):
            found[name, row["matrix"]] = row
    assert found["plain", "base"]["above_edge"] > 0.5
    assert found["plain", "pruned"]["above_edge"] < found["plain", "base"]["above_edge"]
    assert found["plain", "base"]["effective_rank"] < found["plain", "permuted"]["effective_rank"]
    assert found["noise", "base"]["above_edge"] < 0.2
    assert found["plain", "permuted"]["above_edge"] == 0
    assert found["plain", "pruned"]["density"] == pytest.approx(float(cut.double().mean()))


def test_sizes_of_rows_and_columns_are_no_structure() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(20, 80, generator=generator)
    grown = noise * torch.logspace(-2, 2, 20)[:, None] * torch.logspace(1, -1, 80)
    whole = torch.zeros(20, 80, dtype=torch.bool)
    one, two = (layer_spectra(weights, weights, whole, 2, 0)[0] for weights in (noise, grown))
    assert two["above_edge"] == pytest.approx(one["above_edge"], abs=0.05)


def test_an_empty_layer_has_no_structure() -> None:
    rows = layer_spectra(torch.ones(3, 6), torch.zeros(3, 6), torch.ones(3, 6, dtype=torch.bool), 1, 0)
    assert [(row["effective_rank"], row["above_edge"], row["density"]) for row in rows][-1] == (0.0, 0.0, 1.0)


def test_stage(church: Published, tmp_path: Path) -> None:
    def measure(name: str, copies: int = 2) -> Path:
        files, out = (church.world, church.model, church.erased), tmp_path / name
        run(*files, concept="church", published="pruned", copies=copies, seed=0, out=out)
        return out

    found, metadata = read_table(measure("one"))
    published = read_published(church.model)
    assert metadata == {"world": "tiny", "base": published.base, "model": published.digest, "copies": 2, "seed": 0}
    assert found.column_names[:4] == ["published", "concept", "layer", "matrix"]
    table = found.to_pylist()
    assert len(table) == len(published.ffn2) * 3
    assert all(len(row["singular_values"]) == row["rows"] for row in table)
    assert measure("one").read_bytes() == measure("two").read_bytes()
    with pytest.raises(UserError, match="at least 1 permuted copy"):
        measure("none", 0)
