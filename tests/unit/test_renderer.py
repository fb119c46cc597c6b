"""An image is a function of what its key holds, whatever its batch, and a model that overflows draws none."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from regrow.errors import UserError
from regrow.images import renderer
from regrow.images.prompts import Prompt
from regrow.images.renderer import Numerics, Sampler, draw, image_key, provenance
from tests.tiny.pipeline import tiny_pipeline

SAMPLER = Sampler("DDIMScheduler", 2, 3.0)
NUMERICS = Numerics("float32", vae_tiling=False, compiled=False)
ROWS = [Prompt(case, f"a {word}", 100 + case, word) for case, word in enumerate("church rocket cat road beach".split())]


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def images(pipeline: StableDiffusionPipeline, rows: list[Prompt], batch: int, **changes: Any) -> list[bytes]:
    sampler = replace(SAMPLER, **changes)
    found = [pair for part in draw(pipeline, rows, sampler, batch) for pair in part]
    assert [row for row, _ in found] == rows
    return [png for _, png in found]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)), dtype=int)


def test_batch_and_order_change_no_image(pipeline: StableDiffusionPipeline) -> None:
    one, all_at_once = images(pipeline, ROWS, 1), images(pipeline, ROWS, 5)
    backwards = images(pipeline, ROWS[::-1], 2)[::-1]
    for a, b, c in zip(one, all_at_once, backwards, strict=True):
        assert np.abs(pixels(a) - pixels(b)).max() <= 1
        assert np.abs(pixels(a) - pixels(c)).max() <= 1
    assert len(set(one)) == 5
    assert images(pipeline, ROWS, 1) == one, "the same batch gives the same bytes"


def test_an_image_is_what_the_pipeline_itself_draws(pipeline: StableDiffusionPipeline) -> None:
    plain = pipeline(
        [row.prompt for row in ROWS],
        num_inference_steps=2,
        guidance_scale=3.0,
        generator=[torch.Generator("cpu").manual_seed(row.seed) for row in ROWS],
    ).images
    for image, png in zip(plain, images(pipeline, ROWS, 5), strict=True):
        assert (np.asarray(image, dtype=int) == pixels(png)).all()


def test_label_and_case_are_no_part_of_an_image(pipeline: StableDiffusionPipeline) -> None:
    other = [replace(row, case=row.case + 9, label="x") for row in ROWS]
    assert images(pipeline, other, 5) == images(pipeline, ROWS, 5)
    for a, b in zip(ROWS, other, strict=True):
        assert image_key("m", "s", a, SAMPLER, NUMERICS) == image_key("m", "s", b, SAMPLER, NUMERICS)


def test_a_key_tells_everything_else_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ROWS[0]
    keys = {
        image_key("m", "s", row, SAMPLER, NUMERICS),
        image_key("n", "s", row, SAMPLER, NUMERICS),
        image_key("m", "t", row, SAMPLER, NUMERICS),
        image_key("m", "s", replace(row, prompt="a dog"), SAMPLER, NUMERICS),
        image_key("m", "s", replace(row, seed=1), SAMPLER, NUMERICS),
        *(
            image_key("m", "s", row, replace(SAMPLER, **change), NUMERICS)
            for change in ({"scheduler": "PNDMScheduler"}, {"steps": 3}, {"guidance": 3.1})
        ),
        *(
            image_key("m", "s", row, SAMPLER, replace(NUMERICS, **change))
            for change in ({"dtype": "float16"}, {"vae_tiling": True}, {"compiled": True})
        ),
    }
    monkeypatch.setattr(renderer, "RENDERER_VERSION", "another")
    keys.add(image_key("m", "s", row, SAMPLER, NUMERICS))
    assert len(keys) == 12


@pytest.mark.parametrize("component", ["unet", "vae"])
def test_numbers_that_overflow_are_refused_with_the_case(component: str) -> None:
    broken = tiny_pipeline()
    weight = broken.unet.conv_out.weight if component == "unet" else broken.vae.decoder.conv_out.weight
    with torch.no_grad():
        weight.fill_(3e38)
    with pytest.raises(UserError, match="the model draws NaN or infinite numbers .* for case 0: its weights"):
        list(draw(broken, ROWS, SAMPLER, 5))


def test_one_image_of_a_batch_that_overflows(
    pipeline: StableDiffusionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = pipeline.vae.decode

    def damage(latents: torch.Tensor) -> Any:
        found = decode(latents)
        found.sample[2, 0, 0, 0] = torch.nan
        return found

    monkeypatch.setattr(pipeline.vae, "decode", damage)
    with pytest.raises(UserError, match=r"\(image\) for case 2"):
        list(draw(pipeline, ROWS, SAMPLER, 5))


def test_provenance_names_what_drew() -> None:
    told = provenance("cpu")
    assert told["renderer"] == renderer.RENDERER_VERSION
    assert told["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert told["device"] == "cpu"
    assert told["device_name"]
