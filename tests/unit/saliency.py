"""The gradient behind SalUn's and Scissorhands' masks by differences of the loss, for both tests."""

from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from regrow.concepts import Concept, Find
from regrow.model.names import is_ffn2
from tests.tiny.pipeline import tiny_pipeline

PROMPTS = ["a church on the road", "a church in the garden"]
CHURCH = Concept(name="church", kind="object", label="church", find=Find(base=["a road", "a garden"], target=PROMPTS))
OPTIONS: dict[str, Any] = {
    "share": 0.1,
    "images": 3,
    "passes": 2,
    "steps": 2,
    "guidance": 3.0,
    "weight": 7.5,
    "batch": 2,
    "seed": 5,
    "release": "filled",
    "tuned_on": [],
}


def double_pipeline() -> StableDiffusionPipeline:
    """Return the tiny pipeline in float64, in which differences of a loss are exact enough."""
    pipeline = tiny_pipeline(0)
    for component in (pipeline.unet, pipeline.text_encoder, pipeline.vae):
        component.double()
    return pipeline


def batch_losses(pipeline: StableDiffusionPipeline) -> list[float]:
    """Return the loss of every batch of every pass, written out with the scheduler's own alphas."""
    prompts = [PROMPTS[0], PROMPTS[1], PROMPTS[0]]
    latents = [
        pipeline(
            prompt,
            num_inference_steps=2,
            guidance_scale=3.0,
            generator=torch.Generator("cpu").manual_seed(5 + number),
            output_type="latent",
        ).images
        for number, prompt in enumerate(prompts)
    ]
    generator = torch.Generator("cpu").manual_seed(5)
    found = []
    for _ in range(2):
        noise = torch.randn((3, *latents[0].shape[1:]), generator=generator).double()
        times = torch.randint(1000, (3,), generator=generator)
        errors = []
        for i, prompt in enumerate(prompts):
            alpha = pipeline.scheduler.alphas_cumprod[times[i]].double()
            noisy = alpha.sqrt() * latents[i] + (1 - alpha).sqrt() * noise[i : i + 1]
            with torch.no_grad():
                own, none = (pipeline.unet(noisy, times[i], text(pipeline, words)).sample for words in (prompt, ""))
            errors.append(float((noise[i : i + 1] - (8.5 * own - 7.5 * none)).square().mean()))
        found += [(errors[0] + errors[1]) / 2, errors[2]]
    return found


def text(pipeline: StableDiffusionPipeline, prompt: str) -> torch.Tensor:
    """Return what the text encoder makes of a prompt."""
    tokens = pipeline.tokenizer(prompt, padding="max_length", max_length=24, return_tensors="pt").input_ids
    with torch.no_grad():
        return pipeline.text_encoder(tokens).last_hidden_state


def slopes(pipeline: StableDiffusionPipeline, name: str, entry: tuple[int, int]) -> np.ndarray:
    """Return the derivative of every batch's loss by one weight, by central differences.

    The images stay those of the weight as it is, for their latents are data.
    """
    weight, step = pipeline.unet.get_parameter(name), 1e-5
    drawn = Frozen(pipeline)
    found = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[entry] += sign * step
        found.append(np.array(batch_losses(drawn)))  # type: ignore[arg-type]
        with torch.no_grad():
            weight[entry] -= sign * step
    return (found[0] - found[1]) / (2 * step)


class Frozen:
    """A pipeline that draws what it drew first, whatever happens to its weights."""

    def __init__(self, pipeline: StableDiffusionPipeline) -> None:
        self._pipeline, self._drawn = pipeline, {}
        batch_losses(self)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def __call__(self, prompt: str, **settings: Any) -> Any:
        key = prompt, settings["generator"].initial_seed()
        if key not in self._drawn:
            self._drawn[key] = self._pipeline(prompt, **settings)
        return self._drawn[key]


def places(pipeline: StableDiffusionPipeline) -> list[tuple[str, tuple[int, int]]]:
    """Return some entries of the first and the last FFN2 weight."""
    names = [name for name, _ in pipeline.unet.named_parameters() if is_ffn2(name)]
    return [(names[0], (0, 0)), (names[0], (7, 31)), (names[-1], (3, 17))]
