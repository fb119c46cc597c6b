"""The attack `search`: its groups and score by hand, that it climbs, and that a killed one ends like another."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from regrow.attack._evolution import REACH, Evolution
from regrow.attack._groups import group
from regrow.attack._own_images import Objective, Viewer, rows_of
from regrow.attack.search import Options, images, search
from regrow.errors import UserError
from regrow.images.renderer import Sampler
from regrow.methods import check_entry, load_method, parse_options
from regrow.model.completed import Completed
from regrow.model.deltas import Delta, delta_digest
from regrow.model.published import PublishedModel, weights_of
from regrow.work import Work
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.searching import SEARCH

ROOT = Path(__file__).parents[2]
SHOWN = SEARCH["images"] + SEARCH["images_others"]  # of each candidate


class Brightness:
    """A CLIP that likes the concept's images bright; it counts what it is shown, and may be killed."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.shown, self.dies_after = 0, dies_after

    def __call__(self, pixels: Tensor, texts: Sequence[str]) -> Tensor:
        if self.dies_after is not None and self.shown >= self.dies_after:
            raise KeyboardInterrupt
        self.shown += len(texts)
        assert pixels.shape == (len(texts), 3, 32, 32)
        return pixels.flatten(1).mean(1)


def published(similarity: Any, missing_share: float = 0.2) -> PublishedModel:
    """Return a tiny model of which the largest weights were cut, and a completion with the right signs."""
    pipeline = tiny_pipeline()
    tensors, missing, values = {}, {}, {}
    for name, weight in pipeline.unet.named_parameters():
        if name.endswith("ff.net.2.weight"):
            cut = weight.detach().abs() > weight.detach().abs().quantile(1 - missing_share)
            values[f"unet.{name}"], missing[f"unet.{name}"] = weight.detach().clone(), cut
            with torch.no_grad():
                tensors[f"unet.{name}"] = weight.masked_fill_(cut, 0.0).detach().clone()
    delta = Delta(tensors, "base", delta_digest(tensors, "base"))
    certainty = {name: cut * 1.0 for name, cut in missing.items()}
    completed = Completed(values, certainty, missing, delta.digest, "log_odds")
    return PublishedModel(pipeline, delta, "church", completed, similarity)


def run(work: Path, similarity: Any = None, **changes: Any) -> dict[str, Tensor]:
    return search(published(similarity or Brightness()), Options(**{**SEARCH, **changes}), Work(work, "cpu"))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# Groups and score by hand


def test_groups_are_columns_of_a_layer_by_what_is_missing() -> None:
    missing = torch.tensor([[True, False, True, False], [True, True, False, False]])
    filled = torch.tensor([[2.0, 5.0, 4.0, 6.0], [8.0, 1.0, 7.0, 9.0]])
    groups = group({"b": filled, "a": filled}, {"b": missing, "a": torch.zeros_like(missing)}, [0.5])
    assert [(name, columns.tolist()) for name, columns in groups.members] == [
        ("b", [False, True, True, False]),  # half of it is missing, which is not more than half
        ("b", [True, False, False, False]),
    ]
    scaled = groups.scaled([torch.tensor(2.0).log(), torch.tensor(10.0).log()])["b"]
    assert torch.allclose(scaled, torch.tensor([[20.0, 5.0, 8.0, 6.0], [80.0, 2.0, 7.0, 9.0]]))
    assert torch.allclose(groups.scaled([0.0, 0.0])["b"], filled)
    assert len(group({"b": filled}, {"b": missing}, []).members) == 1


def test_the_score_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    model = published(Brightness())
    weights = weights_of(model.delta).ffn2
    assert model.completed is not None
    groups = group(weights, model.completed.missing, [])
    seen = iter([[0.6, 0.8], [0.5, 0.7, 0.2, 0.4], [0.5, 0.7, 0.9, 0.9]])
    monkeypatch.setattr(Viewer, "similarity", lambda self, rows: torch.tensor(next(seen)))
    objective = Objective(Viewer(model, groups, Sampler("", 2, 3.0), 8), ["a"], ["b"], (2, 2), 4.0, 0)
    zeros = [0.0] * len(groups.members)
    assert objective.score(zeros) == pytest.approx(0.6 - 4 * (0.7 - 0.3))
    assert objective.score(zeros) == pytest.approx(0.6)  # others that gain are worth nothing


def test_rows_take_prompts_in_turn_and_seeds_that_no_prompt_set_has() -> None:
    rows = rows_of(["a", "b"], 3, 7)
    assert [row.prompt for row in rows] == ["a", "b", "a"]
    assert min(row.seed for row in rows) >= 2**32
    assert rows_of(["a", "b"], 3, 7) == rows != rows_of(["a", "b"], 3, 8)


# The whole


def test_it_climbs_and_changes_missing_entries_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    clip = Brightness()
    model, options = published(clip), Options(**{**SEARCH, "weight_others": 0.0, "generations": 5})
    found = search(model, options, Work(tmp_path, "cpu"))
    assert clip.shown == images(options)
    assert f"16 scales to find: {images(options)} images of 2 steps in all" in caplog.text
    assert model.completed is not None
    for name, weight in found.items():
        cut = model.completed.missing[name]
        assert torch.equal(weight[~cut], model.delta.tensors[name][~cut])
        assert torch.equal(weight[cut].sign(), model.completed.values[name][cut].sign())
    final = {line.split(" on ")[0]: float(line.rsplit(" ", 1)[1]) for line in caplog.messages if "other seeds" in line}
    assert max(final.values()) > final["the start"]
    notes = model.notes
    assert notes["scores"][notes["chosen"]] == max(notes["scores"].values()) == pytest.approx(max(final.values()))
    assert notes["flags"] == []
    for name, (factor,) in notes["scales"].items():
        cut = model.completed.missing[name]
        amplified = 3 * (2 / (1 + math.exp(-1)) - 1) * model.delta.tensors[name].abs().amax(1, keepdim=True)
        ratio = (found[name].abs() / amplified)[cut]
        assert torch.allclose(ratio, torch.full_like(ratio, factor), rtol=1e-3)


def test_a_search_that_found_nothing_better_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Objective, "score", lambda self, one: -sum(x * x for x in one))
    model = published(Brightness())
    found = search(model, Options(**SEARCH), Work(tmp_path, "cpu"))
    assert model.notes["chosen"] == "the start" and model.notes["flags"] == ["clip_overfitted"]
    assert all(factors == [1.0] for factors in model.notes["scales"].values())
    assert found.keys() == model.delta.tensors.keys()


def test_a_killed_search_goes_on_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    assert same(whole, run(tmp_path / "again"))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", Brightness(dies_after=2 + 4 * SHOWN + 3))  # early in the second generation
    clip = Brightness()
    assert same(whole, run(tmp_path / "killed", clip))
    assert clip.shown == images(Options(**SEARCH)) - 4 * SHOWN  # the first generation is not drawn again


def test_a_finished_search_draws_the_final_images_alone(tmp_path: Path) -> None:
    whole, clip = run(tmp_path), Brightness()
    assert same(whole, run(tmp_path, clip))
    assert clip.shown == images(Options(**SEARCH)) - 2 * 4 * SHOWN


def test_scores_of_other_settings_are_not_taken_over(tmp_path: Path) -> None:
    run(tmp_path)
    clip, options = Brightness(), Options(**{**SEARCH, "start": 2.0})
    run(tmp_path, clip, start=2.0)
    assert clip.shown == images(options)


def test_candidates_stay_within_a_factor_of_ten(tmp_path: Path) -> None:
    evolution = Evolution(tmp_path / "state", "key", 3, 8, 5.0, 0.0, 0)
    for _ in range(3):
        candidates = evolution.candidates()
        assert all(max(map(abs, one)) <= REACH for one in candidates)
        evolution.tell(candidates, [sum(one) for one in candidates])
    assert max(map(abs, evolution.mean)) <= REACH


# Errors


def test_images_that_are_all_alike(tmp_path: Path) -> None:
    model = published(Brightness())
    with torch.no_grad():
        model.pipeline.vae.decoder.conv_out.weight.zero_()
    with pytest.raises(UserError, match="the model draws 2 images that are all the same, whatever the prompt"):
        search(model, Options(**SEARCH), Work(tmp_path, "cpu"))
    with pytest.raises(UserError, match="all 4 candidates of generation 1 draw images that are alike to the CLIP"):
        run(tmp_path, lambda pixels, texts: torch.ones(len(texts)))


def test_what_is_not_a_number(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the attack's own CLIP says NaN"):
        run(tmp_path, lambda pixels, texts: torch.full((len(texts),), torch.nan))
    model = published(Brightness())
    with torch.no_grad():
        model.pipeline.unet.conv_in.bias.fill_(torch.nan)
    with pytest.raises(UserError, match="the model draws NaN or infinite numbers"):
        search(model, Options(**SEARCH), Work(tmp_path, "cpu"))


def test_prompts_are_screened_before_anything_is_drawn(tmp_path: Path) -> None:
    clip = Brightness()
    with pytest.raises(UserError, match="a prompt that the attack would draw is on the screen's list of minors"):
        run(tmp_path, clip, others=["cat", "child"])
    assert clip.shown == 0


def test_a_model_in_which_nothing_is_missing_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = published(Brightness())
    assert model.completed is not None
    for cut in model.completed.missing.values():
        cut.zero_()
    assert search(model, Options(**SEARCH), Work(tmp_path, "cpu")) == {}
    assert "nothing is missing" in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limits": [0.5, 0.3]}, r"limits are \[0.5, 0.3\]: let them rise"),
        ({"prompts": ["a photo"]}, "every prompt needs {word}"),
        ({"finalists": 15}, "2 generations of 4 have no 15 finalists"),
        ({"population": 2}, "population is 2"),
    ],
)
def test_options_that_do_not_go_together(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse_options("attack_model", "search", {**SEARCH, **changes})


def test_a_completer_that_only_ranks() -> None:
    options = parse_options("attack_model", "search", SEARCH)
    with pytest.raises(UserError, match="attack 'search' needs a completer that tells how probable a sign is"):
        check_entry("attack_model", "search", options, {"completer": load_method("complete", "nuclear")})


def test_nothing_was_tuned_on_what_is_audited() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    tuned = {concept for entry in params["attack_model"].values() for concept in entry["tuned_on"]}
    assert tuned
    for path in (ROOT / "config/audits").glob("*.yaml"):
        audit = yaml.safe_load(path.read_text())
        assert not tuned & {f"{audit['world']}/{concept}" for concept in audit["concepts"]}, path
