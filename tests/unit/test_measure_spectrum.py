"""Singular values, effective rank and the edge of noise, by hand and on matrices whose structure is known."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.compare.spectrum import effective_rank, layer_spectra, share_above, singular_values
from regrow.errors import UserError
from regrow.models import ffn2_names, load_pipeline, pipeline_digest, read_weights, save_delta, write_tensors
from regrow.paper.both_sides import LayerSpectrum
from regrow.paper.recipes import layer_heading
from regrow.paper.spectrum import structure
from regrow.stages.measure_spectrum import run
from tests.tiny.pipeline import write_tiny_pipeline


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


def test_table_lays_the_matrices_side_by_side() -> None:
    def row(concept: str, matrix: str, density: float, rank: float, above: float) -> LayerSpectrum:
        return LayerSpectrum("cut", concept, "l", matrix, 2, 8, density, 1.0, rank, above, [1.0])

    spectra = [
        row(concept, *numbers)
        for concept, shift in (("a", 0.0), ("b", 0.2))
        for numbers in (("base", 0.0, 4.0, 0.5), ("permuted", 0.0, 6.0, 0.0), ("pruned", 0.1 + shift, 5.0, 0.3 - shift))
    ]
    lines = [(line.concept, line.density, line.above_edge, line.above_edge_pruned) for line in structure(spectra)]
    assert lines == [("a", 0.1, 0.5, 0.3), ("b", 0.3, 0.5, 0.1), ("all", 0.2, 0.5, 0.2)]
    assert [line.effective_rank_noise for line in structure(spectra)] == [6.0] * 3


def test_layers_have_short_names() -> None:
    assert layer_heading("down_blocks.0.attentions.1.transformer_blocks.0.ff.net.2.weight") == "down 0.1"
    assert layer_heading("mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight") == "mid 0"


def test_stage(tmp_path: Path) -> None:
    pipeline = write_tiny_pipeline(tmp_path / "pipeline")
    digest = pipeline_digest(pipeline)
    told = {"world": "tiny", "pipeline": str(pipeline), "pipeline_digest": digest, "concepts": "concepts"}
    (tmp_path / "world.json").write_text(json.dumps(told | {"judges": "judges", "preserved": "preserved.csv"}))
    weights = read_weights(pipeline, ffn2_names(load_pipeline(pipeline).unet))
    cut = {name: weight.abs() > 0.1 for name, weight in weights.items()}
    write_tensors(tmp_path / "mask.safetensors", cut, {"base": digest, "recipe": {}})
    published = {name: weight.masked_fill(cut[name], 0.0) for name, weight in weights.items()}
    save_delta(tmp_path / "model.safetensors", published, digest, {"eraser": {}})

    def measure(name: str, copies: int = 2) -> Path:
        mask, out = tmp_path / "mask.safetensors", tmp_path / name
        run(tmp_path / "world.json", tmp_path / "model.safetensors", mask, "church", "cut", copies, 0, out)
        return out

    table = pq.read_table(measure("one")).to_pylist()
    assert len(table) == 16 * 3
    assert all(len(row["singular_values"]) == row["rows"] for row in table)
    assert measure("one").read_bytes() == measure("two").read_bytes()
    with pytest.raises(UserError, match="at least 1 permuted copy"):
        measure("none", 0)
