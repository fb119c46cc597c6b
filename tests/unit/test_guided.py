"""The attack guided on the tiny pipeline: its gradient, what it changes, when it stops, and what it refuses."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from regrow.attack._augment import augmented
from regrow.attack._chains import Chains, Drawer
from regrow.attack._looks import Looker, Usual, colours_of
from regrow.attack._places import Places, missing_places, places_elsewhere
from regrow.attack._steer import Average, Look, best_look, drift, flags_of
from regrow.attack.guided import Options, guided
from regrow.config.reader import read_yaml
from regrow.errors import UserError
from regrow.io.files import read_json
from regrow.methods import check_entry, load_method, parse_options
from regrow.model.completed import Completed, read_completed
from regrow.model.deltas import read_delta
from regrow.model.published import PublishedModel, load_published, read_published
from regrow.stages import attack_model
from regrow.work import Work
from regrow.world import read_world
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.erasing import Published, guess

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "data/emoji/attack_clip"
OPTIONS: dict[str, Any] = {
    "place": "missing",
    "start": 1.0,
    "prompts": ["an emoji of a {word}"],
    "others": ["cat", "rocket", "old church"],
    "iterations": 4,
    "learning_rate": 0.1,
    "weight_decay": 0.01,
    "average": 0.5,
    "batch": 3,
    "batch_others": 2,
    "weight_others": 0.5,
    "weight_colours": 0.05,
    "reach": None,
    "augment": [0.0, 0.1],
    "steps": 3,
    "guidance": 2.0,
    "check_every": 2,
    "held_out": 3,
    "enough": None,
    "seed": 0,
    "tuned_on": [],
}


def colours(images: Tensor, texts: Sequence[str]) -> Tensor:
    """Return the cosine of an image's mean colour, seen from grey, and a colour that the text's length stands for."""
    wanted = torch.tensor([[1.0, 0.0, 0.0] if len(text) % 2 else [0.0, 0.0, 1.0] for text in texts])
    return torch.cosine_similarity(images.mean((2, 3)) - 0.5, wanted, dim=1, eps=1e-3)


@pytest.fixture
def model(church: Published, tmp_path: Path) -> PublishedModel:
    completed = read_completed(
        guess(church.model, tmp_path / "completed", meaning="log_odds"), read_published(church.model)
    )
    return load_published(read_world(church.world), church.model, "cpu", "church", completed, colours)


def run(model: PublishedModel, **changes: Any) -> dict[str, Tensor]:
    return guided(model, Options(**{**OPTIONS, **changes}), Work(Path(), "cpu"))


def cut_of(model: PublishedModel) -> Completed:
    assert model.completed is not None
    return model.completed


class TestWhatItChanges:
    def test_only_missing_entries(self, model: PublishedModel) -> None:
        found, before, missing = run(model), model.delta.tensors, cut_of(model).missing
        assert set(found) == {name for name, mask in missing.items() if mask.any()}
        for name, weight in found.items():
            assert weight.dtype == before[name].dtype
            assert torch.equal(weight[~missing[name]], before[name][~missing[name]])
            assert (weight[missing[name]] != 0).all()

    def test_as_many_elsewhere_and_what_was_pruned_stays_zero(self, model: PublishedModel) -> None:
        found, before, missing = run(model, place="elsewhere", start=0.0), model.delta.tensors, cut_of(model).missing
        for name, weight in found.items():
            moved = weight != before[name]
            assert 0 < int(moved.sum()) <= int(missing[name].sum())
            assert (weight[missing[name]] == 0).all()
        assert sum(int((found[n] != before[n]).sum()) for n in found) > 0.9 * sum(int(missing[n].sum()) for n in found)

    def test_the_same_bytes_again_and_others_with_another_seed(self, model: PublishedModel) -> None:
        once, again, other = run(model), run(model), run(model, seed=1)
        assert all(torch.equal(once[name], again[name]) for name in once)
        assert any(not torch.equal(once[name], other[name]) for name in once)

    def test_it_pleases_who_steers_it(self, model: PublishedModel) -> None:
        run(model, iterations=16, learning_rate=0.3, check_every=2, average=0.0, augment=[0.0], held_out=6)
        looks = model.notes["looks"]
        assert max(look["similarity"] for look in looks[4:]) > looks[0]["similarity"] + 0.05

    def test_the_pipeline_is_left_as_published(self, model: PublishedModel) -> None:
        before = copy.deepcopy(model.pipeline.unet.state_dict())
        run(model)
        assert all(torch.equal(before[name], weight) for name, weight in model.pipeline.unet.state_dict().items())


class TestWhenItStops:
    def test_at_the_first_look_that_lacks_no_more_than_is_usual(self, model: PublishedModel) -> None:
        run(model, enough=1e9)
        assert [look["iteration"] for look in model.notes["looks"]] == [2]
        run(model, iterations=5)
        assert [look["iteration"] for look in model.notes["looks"]] == [2, 4, 5]

    def test_nothing_is_pushed_beyond_what_is_usual(self, model: PublishedModel) -> None:
        """With a reach so short that no image is below it, entries stay where they begin."""
        pleased = replace(model, similarity=lambda images, texts: 0.5 + 0.1 * colours(images, texts))
        begun = {"weight_decay": 0.0, "weight_colours": 0.0, "start": 0.0}
        never = run(pleased, reach=0.1, **begun)
        assert not any(weight[cut_of(model).missing[name]].any() for name, weight in never.items())
        assert any(
            weight[cut_of(model).missing[name]].any() for name, weight in run(pleased, reach=2.0, **begun).items()
        )

    def test_a_drift_of_colours_by_hand(self) -> None:
        """Two images at steps of their own, whose first colour is so many standard deviations from what is usual."""
        usual = Usual(
            torch.zeros(2, 1), 0.0, torch.tensor([[0.5] * 6, [0.2] * 6]), torch.tensor([[0.1] * 6, [0.2] * 6])
        )

        def drift_of(one: float, other: float) -> float:
            colours = usual.colours.clone()
            colours[:, 0] += torch.tensor([0.1 * one, 0.2 * other])
            return float(drift(colours, usual, torch.tensor([0, 1])))

        assert drift_of(1, -1) == pytest.approx(0, abs=1e-9)
        assert drift_of(1, 3) == pytest.approx(4 / 6)

    def test_the_look_with_the_least_lack(self) -> None:
        lacks = [(0.3, 0.0), (0.1, 0.1), (0.1, 0.1), (0.0, 0.4)]
        looks = [
            (Look(n, 0.5, lack, 0.5, others, 0.1), {"w": torch.zeros(1)}) for n, (lack, others) in enumerate(lacks)
        ]
        assert best_look(looks, 0.5)[0].iteration == 1
        assert best_look(looks, 0.0)[0].iteration == 3

    def test_flags_by_hand(self) -> None:
        usual = Usual(torch.tensor([[0.2], [0.7]]), 0.05, torch.zeros(2, 6), torch.ones(2, 6))
        assert flags_of(Look(1, 0.84, 0.05, 0.7, 0.1, 0.1), usual) == []
        assert flags_of(Look(1, 0.86, 0.0, 0.7, 0.0, 0.1), usual) == ["clip_overfitted"]
        assert flags_of(Look(1, 0.5, 0.06, 0.6, 0.11, 0.1), usual) == ["clip_not_reached", "others_suffer"]

    def test_an_average_of_iterates_by_hand(self) -> None:
        average = Average(0.5)
        for value in (1.0, 3.0):
            average.add({"w": torch.tensor([value])})
        assert average.value()["w"].item() == pytest.approx((0.25 * 1 + 0.5 * 3) / 0.75)


class TestWhatItRefuses:
    def test_what_it_was_not_told(self, model: PublishedModel) -> None:
        with pytest.raises(UserError, match="needs the concept's word and a CLIP of its own"):
            run(replace(model, word=None))
        with pytest.raises(UserError, match="needs the concept's word and a CLIP of its own"):
            run(replace(model, similarity=None))
        with pytest.raises(UserError, match="attack 'guided' needs completed weights: name a completer"):
            run(replace(model, completed=None))
        with pytest.raises(UserError, match="every word of others is part of 'church' or has it in it"):
            run(model, others=["church", "old church"])

    def test_what_the_screen_drops(self, model: PublishedModel) -> None:
        with pytest.raises(UserError, match="a prompt that the attack would draw is on the screen's list of minors"):
            run(model, others=["rocket", "child"])

    def test_a_cut_without_a_missing_entry(self, model: PublishedModel) -> None:
        whole = {name: torch.zeros_like(mask) for name, mask in cut_of(model).missing.items()}
        for place in ("missing", "elsewhere"):
            with pytest.raises(UserError, match="has no missing entry: there is nothing for this attack to train"):
                run(replace(model, completed=replace(cut_of(model), missing=whole)), place=place, start=0.0)

    def test_images_that_are_all_alike(self, model: PublishedModel) -> None:
        with torch.no_grad():
            model.pipeline.vae.decoder.conv_out.weight.zero_()
        with pytest.raises(UserError, match="draws the same image whatever it is asked for: nothing can steer it"):
            run(model)

    def test_a_model_or_a_clip_that_says_nan(self, model: PublishedModel) -> None:
        with pytest.raises(UserError, match="has a loss of nan at iteration 1: lower its learning rate"):
            run(replace(model, similarity=lambda images, texts: colours(images, texts) * float("nan")))
        with torch.no_grad():
            model.pipeline.vae.decoder.conv_out.bias.fill_(float("nan"))
        with pytest.raises(UserError, match="the published model draws NaN or infinite numbers"):
            run(model)

    def test_options(self) -> None:
        with pytest.raises(UserError, match="nothing is known of entries elsewhere: set start to 0"):
            parse_options("attack_model", "guided", {**OPTIONS, "place": "elsewhere"})
        with pytest.raises(UserError, match="every prompt needs {word}"):
            parse_options("attack_model", "guided", {**OPTIONS, "prompts": ["a photo"]})
        options, only_ranks = parse_options("attack_model", "guided", OPTIONS), load_method("complete", "nuclear")
        with pytest.raises(UserError, match="a start above 0 needs a completer that tells how probable a sign is"):
            check_entry("attack_model", "guided", options, {"completer": only_ranks})
        free = parse_options("attack_model", "guided", {**OPTIONS, "start": 0.0})
        check_entry("attack_model", "guided", free, {"completer": only_ranks})
        with pytest.raises(UserError, match="needs completed weights: name an entry of complete_weights"):
            check_entry("attack_model", "guided", options, {})


# Its parts


def test_places_by_hand() -> None:
    weight = torch.tensor([[4.0, -2.0, 0.0, 1.0], [0.0, 3.0, 0.0, 1.0]])
    missing = weight == 0
    completed = SimpleNamespace(missing={"w": missing})
    places = missing_places({"w": weight}, completed, 0.0)  # type: ignore[arg-type]
    assert places.largest["w"].tolist() == [4, 3, 3]
    changed = places.changed({"w": torch.tensor([0.5, 1.0, -1.0])})["w"]
    assert changed.tolist() == [[4, -2, 2, 1], [3, 3, -3, 1]]
    again = places_elsewhere({"w": weight}, completed, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    assert int(again.trained["w"].sum()) == 3 and not (again.trained["w"] & missing).any()
    gone = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    with pytest.raises(UserError, match="more of w is missing than left"):
        places_elsewhere({"w": gone}, SimpleNamespace(missing={"w": gone == 0}), torch.Generator())  # type: ignore[arg-type]


@pytest.fixture
def double() -> tuple[Drawer, Places]:
    """A tiny pipeline in double precision, and entries of three of its layers to train."""
    pipeline = tiny_pipeline()
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.double()
    names = [f"unet.{name}" for name, _ in pipeline.unet.named_parameters() if name.endswith(".ff.net.2.weight")][:3]
    weights = {name: pipeline.unet.get_parameter(name[5:]).detach().clone() for name in names}
    draw = torch.Generator().manual_seed(1)
    trained = {name: torch.rand(weight.shape, generator=draw) < 0.2 for name, weight in weights.items()}
    largest = {name: torch.rand(int(mask.sum()), generator=draw).double() for name, mask in trained.items()}
    return Drawer(pipeline, 3, 1.0), Places(weights, trained, largest)


PROMPTS = ["a church", "a cat", "a rocket"]


def noise() -> Tensor:
    return torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(2)).double()


def test_the_gradient_is_that_of_small_differences(double: tuple[Drawer, Places]) -> None:
    """At guidance 1, where the half without the prompt, which has no gradient, counts for nothing."""
    drawer, places = double

    def loss(changes: dict[str, Tensor]) -> Tensor:
        original = drawer.original(places.changed(changes), noise(), torch.arange(3), PROMPTS)
        return colours(drawer.images(original), PROMPTS).sum()

    changes = places.changes()
    gradient = dict(zip(changes, torch.autograd.grad(loss(changes), list(changes.values())), strict=True))
    size = torch.cat(list(gradient.values())).norm()
    with torch.no_grad():
        more, less = (loss({name: step * part / size for name, part in gradient.items()}) for step in (1e-4, -1e-4))
    assert float(size) > 0
    assert float(more - less) / 2e-4 == pytest.approx(float(size), rel=1e-4)


def test_guidance_weighs_the_half_with_the_prompt(double: tuple[Drawer, Places]) -> None:
    drawer, places = double
    weights, steps = places.changed(places.changes()), torch.arange(3)
    with torch.no_grad():
        told, untold = (drawer.original(weights, noise(), steps, prompts) for prompts in (PROMPTS, [""] * 3))
        drawer.guidance = 3.0
        assert torch.allclose(drawer.original(weights, noise(), steps, PROMPTS), untold + 3 * (told - untold))


def test_a_step_is_that_of_ddim(double: tuple[Drawer, Places]) -> None:
    drawer = Drawer(double[0].pipeline, 5, 1.0)
    scheduler = drawer.pipeline.scheduler
    scheduler.set_timesteps(drawer.steps)
    latents, output = noise(), noise().flip(0)
    for step in range(drawer.steps):
        time = drawer.timesteps[step]
        stepped = scheduler.step(output, int(time), latents)
        steps = torch.full((3,), step)
        found = drawer.advanced(latents, stepped.pred_original_sample, steps)
        last = step + 1 == drawer.steps
        assert torch.allclose(found, stepped.pred_original_sample if last else stepped.prev_sample, atol=1e-6)


def test_chains_are_spread_over_the_steps_and_begin_again(double: tuple[Drawer, Places]) -> None:
    drawer, places = double
    weights = {name: weight.detach() for name, weight in places.changed(places.changes()).items()}
    drawer.noise = lambda count, generator: torch.randn(count, 4, 8, 8, generator=generator).double()  # type: ignore[method-assign]
    chains = Chains(drawer, [["a cat"], ["a church", "a road"], ["a cat"], ["a cat"]], torch.Generator().manual_seed(0))
    first = chains.latents.clone()
    chains.spread(weights)
    assert chains.steps.tolist() == [0, 1, 2, 0]
    assert torch.equal(chains.latents[0], first[0]) and not torch.equal(chains.latents[1], first[1])
    seen = set()
    for _ in range(12):
        chains.go_on(drawer.original(weights, chains.latents, chains.steps, chains.prompts))
        seen.add(chains.prompts[1])
    assert chains.steps.tolist() == [0, 1, 2, 0]
    assert seen == {"a church", "a road"}


def test_changes_of_an_image_leave_it_where_it_is() -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(40, 3, 8, 8, generator=draw).requires_grad_()
    assert augmented(images, 0.0, draw) is images
    found = augmented(images, 1e-4, draw)
    mirrored = [torch.allclose(one, before.flip(2), atol=0.01) for one, before in zip(found, images, strict=True)]
    same = [torch.allclose(one, before, atol=0.01) for one, before in zip(found, images, strict=True)]
    assert all(one != other for one, other in zip(mirrored, same, strict=True))
    assert 8 < sum(mirrored) < 32
    assert torch.autograd.grad(found.sum(), images)[0].abs().sum() > 0
    far = augmented(images, 0.2, draw)
    assert not torch.allclose(far, images, atol=0.1) and torch.equal(far, far.clamp(0, 1))


def test_what_is_usual_by_hand(double: tuple[Drawer, Places]) -> None:
    drawer, places = double
    drawer.noise = lambda count, generator: noise()[:count]  # type: ignore[method-assign]
    looker = Looker(drawer, colours, [0.0, 0.0])
    usual = looker.usual({}, PROMPTS, torch.Generator())
    latents = noise()
    with torch.no_grad():
        for step in range(3):
            original = drawer.original({}, latents, torch.full((3,), step), PROMPTS)
            found = colours(drawer.images(original), PROMPTS)
            assert usual.levels[step].tolist() == pytest.approx([float(found.mean())] * 2)
            seen = colours_of(drawer.images(original))
            assert torch.allclose(usual.colours[step], seen.mean(0)) and torch.allclose(usual.spread[step], seen.std(0))
            latents = drawer.advanced(latents, original, torch.full((3,), step))
    assert usual.lack == pytest.approx(float((found.mean() - found).clamp_min(0).mean()))
    assert torch.allclose(looker.look({}, PROMPTS, 0), found[:, None].expand(3, 2))


def test_colours_by_hand() -> None:
    image = torch.zeros(1, 3, 1, 4)
    image[0, 0] = 0.5
    image[0, 1] = torch.tensor([0.0, 1.0, 0.0, 1.0])
    found = colours_of(image)[0]
    assert found[:3].tolist() == [0.5, 0.5, 0.0]
    assert found[4].exp().item() == pytest.approx((1 / 3) ** 0.5, rel=1e-3)
    assert found[3].exp().item() == pytest.approx(1e-3, rel=1e-3)


def test_the_control_differs_in_place_alone_and_nothing_was_tuned_on_what_is_audited() -> None:
    entries = read_yaml(ROOT / "params.yaml")["attack_model"]
    assert {**entries["guided_elsewhere"], "place": "missing", "start": entries["guided"]["start"]} == entries["guided"]
    tuned = set(entries["guided"]["tuned_on"])
    assert tuned
    for path in (ROOT / "config/audits").glob("*.yaml"):
        audit = read_yaml(path)
        assert not tuned & {f"{audit['world']}/{concept}" for concept in audit["concepts"]}, path.name
    for concept in tuned:
        world, _, name = concept.partition("/")
        assert (ROOT / f"data/{world}/concepts/{name}/concept.yaml").is_file(), concept


def test_its_stage_writes_what_the_attack_saw_into_the_record(church: Published, tmp_path: Path) -> None:
    completed = guess(church.model, tmp_path / "completed", meaning="log_odds")
    options = {**OPTIONS, "iterations": 2, "tuned_on": []}
    written = []
    for name in ("one", "two"):
        out, record = tmp_path / f"{name}.safetensors", tmp_path / f"{name}.json"
        told = ("entry", "guided", options, {"name": "guess"}, "church", tmp_path / "work", "cpu")
        attack_model.run(church.world, church.model, completed, CLIP, *told, out, record)
        written.append((out.read_bytes(), record.read_bytes()))
    assert written[0] == written[1]
    found = read_json(tmp_path / "one.json", "record")
    assert (found["knowledge"], found["completer"]) == (["word", "training"], {"name": "guess"})
    assert [look["iteration"] for look in found["notes"]["looks"]] == [2] and found["notes"]["chosen"] == 2
    assert set(found["flags"]) <= {"clip_not_reached", "clip_overfitted", "others_suffer"}
    before, after = read_delta(church.model), read_delta(tmp_path / "one.safetensors")
    for name, tensor in before.tensors.items():
        kept = tensor != 0
        assert torch.equal(after.tensors[name][kept], tensor[kept])
