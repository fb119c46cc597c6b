"""The amplified attack by hand, and its c against the truth on matrices whose missing entries are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from regrow.attack._amplify import LEAST, amplify
from regrow.attack.amplified import Options, amplified
from regrow.completion import complete_matrix
from regrow.errors import UserError
from regrow.methods import check_entry, load_method, parse_options
from regrow.model.completed import Completed
from tests.unit.erasing import COMPLETERS, weights

ROOT = Path(__file__).parents[2]
LAYERS = tuple(f"unet.{n}.ff.net.2.weight" for n in "abc")
GAUSSIAN = {"method": "gaussian_posterior", **COMPLETERS["gaussian_posterior"]}
MEASURED: dict[str, Any] = {
    "match": "gain",
    "scope": "model",
    "factor": 1.0,
    "share": 0.25,
    "draws": 2,
    "seed": 0,
    "tuned_on": [],
}
FIXED: dict[str, Any] = {**MEASURED, "match": "none", "factor": 2.0, "share": None, "draws": None}


def cut_model(ranks: tuple[int, ...] = (4, 8, 24)) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return weights of low rank and noise, the higher the rank the harder to guess, and what a pruner would cut."""
    true, missing = {}, {}
    for number, (name, rank) in enumerate(zip(LAYERS, ranks, strict=True)):
        draw = torch.Generator().manual_seed(number)
        left, right = torch.randn(40, rank, generator=draw), torch.randn(rank, 160, generator=draw)
        true[name] = left @ right / rank**0.5 + 0.6 * torch.randn(40, 160, generator=draw)
        columns = torch.randn(160, generator=draw).exp()  # a concept's needs, as an eraser sees them
        score = true[name].abs() * columns
        missing[name] = score >= score.quantile(0.86, dim=1, keepdim=True)
    return true, missing


def completed_by(true: dict[str, torch.Tensor], missing: dict[str, torch.Tensor]) -> Completed:
    done = {name: complete_matrix(true[name], missing[name], **_split(GAUSSIAN)) for name in true}
    values = {name: completion.values for name, completion in done.items()}
    certainty = {name: completion.certainty for name, completion in done.items()}
    return Completed(values, certainty, missing, "digest", "log_odds", GAUSSIAN)


def _split(completer: dict[str, Any]) -> dict[str, Any]:
    return {"method": completer["method"], "options": {k: v for k, v in completer.items() if k != "method"}}


@pytest.fixture(scope="module")
def model() -> tuple[dict[str, torch.Tensor], Completed]:
    true, missing = cut_model()
    return true, completed_by(true, missing)


def run(model: tuple[dict[str, torch.Tensor], Completed], **changes: Any) -> dict[str, torch.Tensor]:
    true, completed = model
    published = weights(**{name: weight.masked_fill(completed.missing[name], 0) for name, weight in true.items()})
    return amplified(published, completed, Options(**{**MEASURED, **changes}))


def scale_of(attacked: dict[str, torch.Tensor], completed: Completed, name: str) -> float:
    missing, weight = completed.missing[name], attacked[name].masked_fill(completed.missing[name], 0)
    fill = amplify(weight, missing, completed.values[name], completed.certainty[name], "log_odds")
    ratios = (attacked[name] / fill)[missing & (fill != 0)]
    assert torch.allclose(ratios, ratios[:1].expand_as(ratios), rtol=1e-3)
    return float(ratios[0])


def test_the_fill_by_hand() -> None:
    weight = torch.tensor([[4.0, -2.0, 0.0, 1.0], [0.0, 3.0, 0.0, 1.0]])
    missing = weight == 0
    values = torch.tensor([[4.0, -2.0, -9.0, 1.0], [0.5, 3.0, -0.1, 1.0]])
    odds = torch.tensor([[0.0, 0.0, 3.0, 0.0], [1.0, 0.0, 0.0, 0.0]]).exp().log1p()  # any certainty will do
    agreement = 2 * torch.sigmoid(odds) - 1
    expected = torch.zeros(2, 4)
    expected[0, 2], expected[1, 0], expected[1, 2] = -4 * agreement[0, 2], 3 * agreement[1, 0], -3 * agreement[1, 2]
    assert torch.allclose(amplify(weight, missing, values, odds, "log_odds"), expected)


def test_a_given_c_multiplies_every_missing_entry(model: tuple[dict[str, torch.Tensor], Completed]) -> None:
    true, completed = model
    attacked = run(model, **FIXED)
    for name, weight in attacked.items():
        observed = ~completed.missing[name]
        assert torch.equal(weight[observed], true[name][observed])
        assert scale_of(attacked, completed, name) == pytest.approx(2.0, rel=1e-3)


def test_c_brings_back_on_average_what_was_cut(model: tuple[dict[str, torch.Tensor], Completed]) -> None:
    """Measured on entries that were cut again and are known; the truth of the first hole is not used, only compared."""
    true, completed = model
    attacked = run(model)
    gains = []
    for name, weight in attacked.items():
        lost = true[name][completed.missing[name]]
        gains.append(float(weight[completed.missing[name]] @ lost / (lost @ lost)))
    assert sum(gains) / len(gains) == pytest.approx(1.0, abs=0.25)
    scales = [scale_of(attacked, completed, name) for name in LAYERS]
    assert max(scales) == pytest.approx(min(scales), rel=1e-3)
    assert max(gains) > 1.5 * min(gains)  # one c for all: layers that are guessed well give more


def test_every_layer_may_have_a_c_of_its_own(model: tuple[dict[str, torch.Tensor], Completed]) -> None:
    true, completed = model
    by_norm, by_gain = run(model, scope="layer", match="norm"), run(model, scope="layer")
    for name, missing in completed.missing.items():
        lost = true[name][missing]
        assert float(by_norm[name][missing].norm() / lost.norm()) == pytest.approx(1.0, abs=0.3)
        assert float(by_gain[name][missing] @ lost / (lost @ lost)) == pytest.approx(1.0, abs=0.3)
    assert scale_of(by_gain, completed, LAYERS[0]) < scale_of(by_gain, completed, LAYERS[2])


def test_the_factor_is_on_top(model: tuple[dict[str, torch.Tensor], Completed]) -> None:
    once, twice = run(model), run(model, factor=2.0)
    one, two = (scale_of(attacked, model[1], LAYERS[0]) for attacked in (once, twice))
    assert two == pytest.approx(2 * one, abs=0.011)


def test_what_does_not_come_back_is_not_amplified_without_end() -> None:
    true = {name: torch.randn(40, 160, generator=torch.Generator().manual_seed(7)) for name in LAYERS[:1]}
    missing = {name: weight.abs() > 1.8 for name, weight in true.items()}
    completed = completed_by(true, missing)
    attacked = run((true, completed))
    assert scale_of(attacked, completed, LAYERS[0]) <= 1 / LEAST * (1 + 1e-3)


def test_it_needs_a_completion_that_says_how_it_was_made(model: tuple[dict[str, torch.Tensor], Completed]) -> None:
    true, completed = model
    with pytest.raises(UserError, match="do not say how they were made: run complete_weights again"):
        run((true, replace(completed, made_by={})))
    nothing = {name: torch.zeros_like(mask) for name, mask in completed.missing.items()}
    with pytest.raises(UserError, match="nothing to cut again"):
        run((true, replace(completed, missing=nothing)))
    with pytest.raises(UserError, match="attack 'amplified' needs completed weights"):
        amplified(weights(**true), None, Options(**MEASURED))


def test_options() -> None:
    with pytest.raises(UserError, match="share and draws are of the second cuts"):
        parse_options("attack_weights", "amplified", {**MEASURED, "match": "none"})
    with pytest.raises(UserError, match="share and draws are of the second cuts|need share and draws"):
        parse_options("attack_weights", "amplified", {**MEASURED, "draws": None})
    with pytest.raises(UserError, match="needs a completer that tells how probable a sign is"):
        options = parse_options("attack_weights", "amplified", MEASURED)
        check_entry("attack_weights", "amplified", options, {"completer": load_method("complete", "nuclear")})


def test_nothing_was_tuned_on_what_is_audited() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tuned = {concept for entry in params["attack_weights"].values() for concept in entry.get("tuned_on", ())}
    assert tuned
    for path in (ROOT / "config/audits").glob("*.yaml"):
        audit = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert not tuned & {f"{audit['world']}/{concept}" for concept in audit["concepts"]}, path.name
    for concept in tuned:
        world, _, name = concept.partition("/")
        assert (ROOT / f"data/{world}/concepts/{name}/concept.yaml").is_file(), concept
