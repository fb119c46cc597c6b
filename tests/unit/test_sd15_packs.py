"""Worlds of Stable Diffusion: twelve concepts as ConceptPrune finds them, and files that agree with what they name."""

from pathlib import Path
from typing import Any

import pytest
import torchvision
import yaml

from regrow.concepts import read_concept
from regrow.config.origins import Origin, PromptOrigin
from regrow.images.prompts import PromptSet, distinct, read_prompts, select_rows
from regrow.images.screen.packs import check_pack
from regrow.model.pipelines import SETTINGS, TOKENIZER, WEIGHTS

ROOT = Path(__file__).parents[2]
WORLDS = ("sd15", "sd14", "sd21_base", "sd21")
PACKS = ROOT / "data/sd15/concepts"
# Roots Beneath the Cut, Table 1, as its code's file of prompts writes the classes.
LABELS = (
    "church",
    "golf ball",
    "gas pump",
    "parachute",
    "chain saw",
    "French horn",
    "mountain bike",
    "starfish",
    "spider web",
    "school bus",
    "racket",
    "candle",
)
OTHER = "garbage truck"  # in that file too, and in no table: its mask serves as another concept's
ARTISTS = ("Leonardo Da Vinci", "Claude Monet", "Pablo Picasso", "Salvador Dali", "Vincent van Gogh")
THINGS = (
    "cat dog mouse bear car chair bag door rabbit ball bat horse bird flower bowl bottle wall building chicken duck"
).split()
ADULTS = [*"man woman couple guy doctor nurse teacher lawyer mother father professor".split(), "group of friends"]
SCENES = "road garden beach room park street shelter chair table bag tree forest".split()  # methods.md 2.1
NOUNS = "road park beach street house statue tree forest".split()
VEHICLES = [f"{colour} {kind}" for kind in ("car", "automobile") for colour in ("white", "blue", "black")]
PLACES = [  # the code's own blank before "on the street"
    "on a road",
    "in the park",
    "near the beach",
    " on the street",
    "in front of a house",
    "in front of a statue",
    "near a tree",
    "in a forest",
]


def world(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / f"config/worlds/{name}.yaml").read_text())
    return found


def kinds() -> dict[str, set[str]]:
    """Return the labels of the packs by kind."""
    found: dict[str, set[str]] = {}
    for pack in map(read_concept, PACKS.iterdir()):
        found.setdefault(pack.kind, set()).add(pack.label)
    return found


def test_the_concepts_of_tables_1_2_and_7() -> None:
    assert {folder.name for folder in PACKS.iterdir()} >= {label.lower().replace(" ", "-") for label in LABELS}
    found = kinds()
    assert found["object"] == {*LABELS, OTHER} and found["style"] == set(ARTISTS) and found["nudity"] == {"nudity"}


@pytest.mark.parametrize("label", ARTISTS)
def test_a_style_is_found_by_twenty_things(label: str) -> None:
    """methods.md 2.1: of two artists the code writes the last name alone."""
    pack = read_concept(PACKS / label.lower().replace(" ", "-"))
    short = {"Claude Monet": "Monet", "Vincent van Gogh": "Van Gogh"}.get(label, label)
    assert pack.base == [f"a photo of a {thing}" for thing in THINGS]
    assert pack.target == [f"a {thing} in the style of {short}" for thing in THINGS]
    assert pack.words is not None and pack.words.tokens == [short]


def test_nudity_is_found_by_adults_whom_nobody_knows() -> None:
    path = PACKS / "nudity"
    pack = read_concept(path)
    assert pack.base == [f"a photo of a {adult}" for adult in ADULTS]
    assert pack.target == [f"a photo of a naked {adult}" for adult in ADULTS]
    check_pack(pack, path)


def test_a_character_has_prompts_of_its_own_that_name_it() -> None:
    own = PromptSet(name="characters_50", **world("sd15")["prompt_sets"]["characters_50"])
    packs = [pack for pack in map(read_concept, PACKS.iterdir()) if pack.kind == "character"]
    assert len(packs) >= 2
    for pack in packs:
        rows = select_rows(own, read_prompts(PACKS / pack.name / own.file, own), pack.label, 50)
        assert len(distinct(rows)) == 50 and all(pack.label in row.prompt for row in rows)


@pytest.mark.parametrize("name", ["artists_seed_0", "artists_own_seeds"])
def test_the_prompts_of_an_artist_are_known_by_the_packs_label(name: str) -> None:
    assert set(world("sd15")["fetch_prompts"][name]["labels"]) == set(ARTISTS)


@pytest.mark.parametrize("label", [*LABELS, OTHER])
def test_the_prompt_pairs_are_conceptprunes(label: str) -> None:
    pack = read_concept(PACKS / label.lower().replace(" ", "-"))
    word = label.lower()
    assert (pack.kind, pack.label) == ("object", label)
    if word in ("church", "school bus"):
        assert pack.base == [f"a {noun}" for noun in NOUNS]
        assert pack.target == [f"a {word} {place}" for place in PLACES]
    elif label == OTHER:
        assert pack.base[:3] == ["a road", "a park", "a street"]
        assert set(pack.base[3:9]) == {f"a {vehicle}" for vehicle in VEHICLES}
        near = [prompt.replace("a big", "a") for prompt in pack.target[3:10]]
        assert near == [f"a {word} near {base}" for base in pack.base[3:10]]
        assert len(pack.base) == len(pack.target) == 13
    else:
        assert pack.base == [f"a {scene}" for scene in SCENES]
        assert pack.target == [f"a {word} in a {scene}" for scene in SCENES]
    assert pack.words is not None
    assert all(token in prompt for token in pack.words.tokens for prompt in pack.target)
    assert not any(token in prompt for token in pack.words.tokens for prompt in pack.base)


def test_the_judge_knows_every_label() -> None:
    judge = world("sd15")["fetch"]["object"]["judge"]
    weights = torchvision.models.get_model_weights(judge["architecture"])[judge["weights"]]
    assert {*LABELS, OTHER} <= set(weights.meta["categories"])


@pytest.mark.parametrize("name", WORLDS)
def test_another_concepts_mask_is_of_one_that_nobody_audits(name: str) -> None:
    other = world(name)["params"]["ablate_mask_knowledge"]["other"]
    assert read_concept(PACKS / other).label == OTHER
    assert OTHER in world(name)["fetch_prompts"]["imagenette"]["labels"]


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_file_agrees_with_itself(name: str) -> None:
    file = world(name)
    origins = {part: Origin.model_validate(origin) for part, origin in file["fetch"].items()}
    prompts = {part: PromptOrigin.model_validate(origin) for part, origin in file["fetch_prompts"].items()}
    folder = f"results/{name}/fetch_world"
    assert file["pipeline"] == f"{folder}/pipeline" and "pipeline" in origins
    shipped = {judge for judge, place in file["judges"].items() if (ROOT / place / "judge.yaml").is_file()}
    assert all(judge.startswith("nudenet") for judge in shipped)  # whose weights are in their package
    fetched = {judge: place for judge, place in file["judges"].items() if judge not in shipped}
    assert fetched == {judge: f"{folder}/{judge}" for judge in fetched}
    assert all(origins[judge].judge["type"] for judge in fetched)
    assert file["attack_clip"] == f"{folder}/attack_clip"
    assert set(origins) == {"pipeline", "attack_clip", *fetched}
    for settings in file["prompt_sets"].values():
        path = Path(settings["file"])
        if settings["scope"] == "model":
            assert path.parent == Path(f"results/{name}/fetch_prompts") and path.stem in prompts
        assert settings["judges"] and set(settings["judges"]) <= set(file["judges"])
        assert isinstance(settings["sensitive"], bool)


@pytest.mark.parametrize("name", WORLDS)
def test_exactly_what_the_loader_reads_is_listed(name: str) -> None:
    listed = set(world(name)["fetch"]["pipeline"]["files"])
    weights = {f"{component}/{file}" for component, file in WEIGHTS.items()}
    tokenizer = {file for file in listed if file.startswith("tokenizer/")}
    assert listed == {*SETTINGS, *weights, *tokenizer}
    assert {"tokenizer/vocab.json", "tokenizer/merges.txt"} <= tokenizer <= {f"tokenizer/{file}" for file in TOKENIZER}


def test_the_settings_are_the_published_ones() -> None:
    params = world("sd15")["params"]
    assert params["erase_concept"]["conceptprune"] == {
        "skill_ratio": 0.02,
        "calls": 10,
        "steps": 50,
        "guidance": 7.5,
        "batch": 1,
        "precision": "mixed",
    }
    images = params["generate_images"]
    assert (images["steps"], images["guidance"], images["dtype"]) == (50, 7.5, "float16")
    assert world("sd14")["params"] == params
    assert world("sd15")["fetch"]["pipeline"]["revision"] == "451f4fe16113bff5a5d2269ed5ad43b0592e9a14"


@pytest.mark.parametrize("name", WORLDS[1:])
def test_other_worlds_share_what_is_no_model_with_sd15(name: str) -> None:
    own, first = world(name), world("sd15")
    assert own["concepts"] == first["concepts"]
    for part in ("fetch_prompts", "prompt_sets", "judges"):
        shared = yaml.safe_load(yaml.safe_dump(first[part]).replace("results/sd15/", f"results/{name}/"))
        assert own[part] == {key: shared[key] for key in own[part]}, part
    parts = set(own["fetch"]) - {"pipeline"}
    assert {key: own["fetch"][key] for key in parts} == {key: first["fetch"][key] for key in parts}
    assert own["params"] == first["params"]


@pytest.mark.parametrize("name", ["sd21_base", "sd21"])
def test_every_file_of_a_mirror_is_pinned(name: str) -> None:
    """What somebody else keeps of a withdrawn model is not taken on trust at first use."""
    pipeline = world(name)["fetch"]["pipeline"]
    assert None not in pipeline["files"].values()
    assert pipeline["licence"] == "CreativeML Open RAIL++-M"
