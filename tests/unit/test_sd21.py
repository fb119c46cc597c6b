"""Stable Diffusion 2.1 on a stand-in that predicts v: fetched, erased, completed, attacked, drawn and judged."""

import copy
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
import yaml
from PIL import Image

from regrow.errors import UserError
from regrow.images.index import read_index
from regrow.images.prompts import Prompt
from regrow.images.renderer import Sampler, draw
from regrow.images.store import ImageStore
from regrow.io.files import file_digest
from regrow.io.parquet import read_table
from regrow.model.deltas import read_delta
from regrow.model.masks import read_erased
from regrow.model.pipelines import load_base, read_base
from regrow.model.prediction import predicted_original
from regrow.model.published import load_published, read_published
from regrow.stages import (
    attack_weights,
    complete_weights,
    erase_concept,
    fetch_world,
    generate_images,
    index_world,
    publish_model,
    score_images,
)
from regrow.world import read_world
from tests.hub.isolation import isolate
from tests.hub.server import Hub, Repository, serve
from tests.standin.layout import write_standin
from tests.standin.layout_sd2 import LAYOUTS
from tests.unit.erasing import COMPLETERS, CONCEPTPRUNE

ROOT = Path(__file__).parents[2]
PACKS = ROOT / "data/sd15/concepts"
ROOTS = {"retain": 0.6, "magnitude": "max", "rank": "magnitude", "seed": 2021}
WORLDS = ("sd15", "sd21_base", "sd21")
# Of 2.1 these are in the stand-in what they are in the original.
EXACT = ("scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json", "tokenizer/special_tokens_map.json")
EXACT += ("tokenizer/merges.txt",)
CELL = {"concept": "church", "role": "pretrained", "published": "none", "attack": "none"}
CELL |= {"model": None, "record": None, "prompts": None, "label": "church", "n": 2}


@dataclass(frozen=True)
class Audited:
    """What a world's stages made, below one folder."""

    folder: Path

    @property
    def pipeline(self) -> Path:
        return self.folder / "pipeline"

    @property
    def world(self) -> Path:
        return self.folder / "world.json"

    @property
    def erased(self) -> Path:
        return self.folder / "erased.safetensors"

    @property
    def published(self) -> Path:
        return self.folder / "published.safetensors"

    @property
    def attacked(self) -> Path:
        return self.folder / "attacked.safetensors"

    def erase(self) -> None:
        options = CONCEPTPRUNE | {"batch": 4}
        erase_concept.run(self.world, "church", "conceptprune", options, "prune", self.folder / "w", "cpu", self.erased)
        publish_model.run(self.world, self.erased, "pruned", self.published, self.published.with_suffix(".json"))

    def attack(self) -> None:
        made, options = self.folder / "completed.safetensors", {**COMPLETERS["nuclear"], "tolerance": 1e-3}
        complete_weights.run(self.published, "nuclear", options, made, self.folder / "trace.parquet", 0, "cpu", 1)
        completer = {"name": "nuclear", "method": "nuclear", **options}
        record = self.attacked.with_suffix(".json")
        attack_weights.run(self.published, made, "max", "roots", ROOTS, completer, self.attacked, record)

    def draw(self, *models: tuple[str, Path], pretrained: bool = False) -> Path:
        """Draw two prompts of models, by role and file, and of the pretrained one; return the index."""
        prompts = self.folder / "prompts.csv"
        prompts.write_text("case,prompt,seed,label\n0,a church!,0,church\n1,a photo of a church,1,church\n")
        cells = [{**CELL, "role": role, "published": "pruned", "model": str(path)} for role, path in models]
        for cell in cells:
            cell["record"] = str(Path(cell["model"]).with_suffix(".json"))
        settings = {"name": "erased", "scope": "model", "file": str(prompts), "labels": "concept", "sensitive": False}
        job = {"audit": "a", "group": "church", "part": 0, "prompt_set": settings, "first": 0, "last": 2}
        generate_images.run(
            self.world,
            {**job, "cells": [*[CELL][:pretrained], *cells]},
            self.folder / "store",
            {"steps": 1, "guidance": 7.5},
            {"dtype": "float32"},
            batch=2,
            attention_slicing=False,
            cpu_offload=False,
            device="cpu",
            out=self.folder / "index.parquet",
        )
        return self.folder / "index.parquet"


def make(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Audited:
    """Fetch a world from a local hub by its own file, with the digests of a stand-in, and index it."""
    fetch = copy.deepcopy(yaml.safe_load((ROOT / f"config/worlds/{name}.yaml").read_text())["fetch"])
    standin = write_standin(folder / "published", layout=LAYOUTS[name])
    judge = folder / "judge"
    judge.mkdir()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(torchvision.models.squeezenet1_1().state_dict(), judge / "new.pth")
    weights = (judge / "new.pth").rename(judge / f"squeezenet1_1-{file_digest(judge / 'new.pth')[:8]}.pth")
    pipeline, object_ = fetch["pipeline"], fetch["object"]
    for file in pipeline["files"]:
        if name == "sd15" or file not in EXACT:
            pipeline["files"][file] = file_digest(standin / file)
    hub = Hub(
        {pipeline["repo"]: Repository(standin, pipeline["revision"]), "torch/models": Repository(judge, "0" * 40)}
    )
    with monkeypatch.context() as patch, serve(hub) as running:
        isolate(patch, folder)
        patch.setenv("HF_ENDPOINT", running.url)
        object_["url"] = f"{running.url}/raw/torch/models"
        object_["files"] = {weights.name: weights.stem.rpartition("-")[2]}
        object_["judge"] |= {"architecture": "squeezenet1_1", "weights": "IMAGENET1K_V1", "file": weights.name}
        fetch_world.run({"pipeline": pipeline, "object": object_}, name, folder / "lock.json", folder / "fetched.json")
    parts = {"name": name, "pipeline": str(folder / "pipeline"), "concepts": str(PACKS)}
    index_world.run(parts, folder / "world.json")
    return Audited(folder)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Audited]]:
    """All three worlds, fetched; 2.1 and 1.5 are erased, and 2.1 is attacked too."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(tmp_path_factory.mktemp("cache"))
        made = {name: make(name, tmp_path_factory.mktemp(name), monkeypatch) for name in WORLDS}
        for name in ("sd21", "sd15"):
            made[name].erase()
        made["sd21"].attack()
        yield made


@pytest.fixture
def sd21(worlds: dict[str, Audited], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Audited:
    monkeypatch.chdir(tmp_path)
    return worlds["sd21"]


@pytest.mark.parametrize(
    ("name", "size", "scheduler", "predicts"),
    [("sd21", 64, "DDIMScheduler", "v_prediction"), ("sd21_base", 32, "PNDMScheduler", "epsilon")],
)
def test_what_the_mirror_publishes_is_fetched_and_read(
    worlds: dict[str, Audited], name: str, size: int, scheduler: str, predicts: str
) -> None:
    """Files whose content is known beforehand have the very digests that the world file pins."""
    found = read_world(worlds[name].world)
    assert (found.size, found.scheduler, found.tokens) == (size, scheduler, 77)
    fetched = json.loads((worlds[name].folder / "fetched.json").read_text())["parts"]["pipeline"]["files"]
    pinned = yaml.safe_load((ROOT / f"config/worlds/{name}.yaml").read_text())["fetch"]["pipeline"]["files"]
    assert set(fetched) == set(pinned)
    assert all(fetched[file]["sha256"] == pinned[file] for file in EXACT)
    loaded = load_base(worlds[name].pipeline)
    assert loaded.scheduler.config.prediction_type == predicts
    assert loaded.text_encoder.config.hidden_act == "gelu"
    blocks = [block for block in loaded.unet.down_blocks if hasattr(block, "attentions")]
    heads = [block.attentions[0].transformer_blocks[0].attn1.heads for block in blocks]
    assert heads == [2, 4, 4] and isinstance(blocks[0].attentions[0].proj_in, torch.nn.Linear)


def test_prompts_are_padded_by_what_the_model_was_trained_with(worlds: dict[str, Audited]) -> None:
    """Two files of 2.1 contradict each other; special_tokens_map.json is right, and 1.5 pads with the end token."""
    padded = {
        name: load_base(worlds[name].pipeline).tokenizer("a church", padding="max_length").input_ids
        for name in ("sd21", "sd21_base", "sd15")
    }
    text = [49406, 320, 2735, 49407]
    assert padded["sd21"] == padded["sd21_base"] == text + 73 * [0]
    assert padded["sd15"] == text + 73 * [49407]


def test_the_cut_is_in_all_sixteen_matrices(sd21: Audited) -> None:
    erased, published = read_erased(sd21.erased), read_published(sd21.published)
    assert len(erased.mask) == len(published.ffn2) == 16
    assert all(bool(mask.any()) for mask in erased.mask.values())
    base = read_base(sd21.pipeline, published.ffn2)
    for name, weight in published.ffn2.items():
        assert torch.equal(weight, base[name].masked_fill(erased.mask[name], 0.0))
    attacked = read_delta(sd21.attacked).tensors
    filled = sum(int(attacked[name][mask].count_nonzero()) for name, mask in erased.mask.items())
    assert 0.5 < filled / sum(int(mask.sum()) for mask in erased.mask.values()) < 0.7


def test_three_models_are_drawn_and_judged(sd21: Audited) -> None:
    index = sd21.draw(("erased", sd21.published), ("attacked", sd21.attacked), pretrained=True)
    rows = read_index(index).rows
    assert [row["role"] for row in rows] == ["pretrained"] * 2 + ["erased"] * 2 + ["attacked"] * 2
    assert len({row["digest"] for row in rows}) == 6
    store, wanted = ImageStore(sd21.folder / "store/images"), [(row["key"], row["digest"]) for row in rows[2:4]]
    sizes = {Image.open(io.BytesIO(image.png)).size for image in store.read(rows[2]["model"], wanted)}
    assert sizes == {(64, 64)}
    scores = sd21.folder / "scores.parquet"
    score_images.run(sd21.world, index, sd21.folder / "object", "object", sd21.folder / "store", 6, "cpu", scores)
    judged = read_table(scores)[0].to_pylist()
    assert len(judged) == 6 and all(row["top1"] and row["correct"] in (True, False) for row in judged)


@torch.inference_mode()
def by_hand(pipeline: Any, prompt: str, seed: int, steps: int, guidance: float) -> np.ndarray:
    """Draw an image by DDIM, written out: at each step the UNet's v gives x_0 and with it the noise."""
    texts = []
    for text in ("", prompt):
        ids = pipeline.tokenizer(text, padding="max_length", return_tensors="pt").input_ids
        texts.append(pipeline.text_encoder(ids)[0])
    own, size = pipeline.scheduler, pipeline.unet.config.sample_size
    x = torch.randn(1, 4, size, size, generator=torch.Generator().manual_seed(seed))
    alphas, stride = own.alphas_cumprod, 1000 // steps
    for time in range(1 + stride * (steps - 1), 0, -stride):
        none, asked = (pipeline.unet(x, time, text).sample for text in texts)
        v = none + guidance * (asked - none)
        clean = predicted_original(own, v, x, torch.tensor(time))
        noise = (x - alphas[time].sqrt() * clean) / (1 - alphas[time]).sqrt()
        after = alphas[time - stride] if time >= stride else alphas[0]  # set_alpha_to_one is false
        x = after.sqrt() * clean + (1 - after).sqrt() * noise
    pixels = pipeline.vae.decode(x / 0.18215).sample[0].permute(1, 2, 0)
    return np.asarray((pixels / 2 + 0.5).clamp(0, 1) * 255)


def drawn(pipeline: Any) -> np.ndarray:
    [[(_, png)]] = draw(pipeline, [Prompt(0, "a church!", 3, "")], Sampler("DDIMScheduler", 2, 7.5), 1)
    return np.asarray(Image.open(io.BytesIO(png)), dtype=float)


def test_an_image_is_what_v_says(sd21: Audited) -> None:
    pipeline = load_base(sd21.pipeline)
    assert np.abs(drawn(pipeline) - by_hand(pipeline, "a church!", 3, 2, 7.5)).max() < 1.5
    as_noise = copy.copy(pipeline)
    as_noise.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, prediction_type="epsilon")
    assert np.abs(drawn(as_noise) - drawn(pipeline)).max() > 20


@pytest.mark.parametrize(("own", "other"), [("sd21", "sd15"), ("sd15", "sd21")])
def test_a_delta_of_another_model_is_refused(
    worlds: dict[str, Audited], own: str, other: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every one of its names and shapes fits: the 16 matrices of 1.5 and 2.1 are alike."""
    monkeypatch.chdir(tmp_path)
    mine, strange = worlds[own], worlds[other]
    tensors = read_delta(strange.published).tensors
    assert {name: tensor.shape for name, tensor in read_base(mine.pipeline, tensors).items()} == {
        name: tensor.shape for name, tensor in tensors.items()
    }
    with pytest.raises(UserError, match=f"belongs to base .*, not to world '{own}' .*: make it again"):
        mine.draw(("erased", strange.published))
    with pytest.raises(UserError, match=f"belongs to base .*, not to world '{own}': erase this world's"):
        publish_model.run(mine.world, strange.erased, "pruned", tmp_path / "model", tmp_path / "record.json")
    with pytest.raises(UserError, match="belongs to base .*: load it on the model it was made from"):
        load_published(read_world(mine.world), strange.published, "cpu")


@pytest.mark.parametrize(("own", "other"), [("sd21", "sd15"), ("sd15", "sd21")])
def test_parts_of_two_versions_are_no_model(worlds: dict[str, Audited], own: str, other: str, tmp_path: Path) -> None:
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        (tmp_path / part).symlink_to(worlds[other if part == "text_encoder" else own].pipeline / part)
    parts = {"name": "mixed", "pipeline": str(tmp_path), "concepts": str(PACKS)}
    with pytest.raises(UserError, match=r"text_encoder has \d+ features of a token, unet \d+: they are of different"):
        index_world.run(parts, tmp_path / "world.json")
