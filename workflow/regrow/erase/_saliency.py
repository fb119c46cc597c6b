"""Saliency by gradient: which FFN2 entries the loss on a concept's own images hangs on (methods.md 3.8)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from regrow.errors import UserError
from regrow.methods import Count, Guidance, MethodOptions, NonNegative, Seed, Share

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor
    from torch.nn import Module

    from regrow.concepts import Concept


class SaliencyOptions(MethodOptions):
    """Options of an eraser that prunes by saliency."""

    share: Share = Field(
        description="Share of all FFN2 entries together that is pruned; Roots: not stated; SalUn: 0.5 of the whole UNet"
    )
    images: Count = Field(description="Images of the concept, drawn by the pretrained model; SalUn: 800 for nudity")
    passes: Count = Field(description="Times that all images are seen, each with new noise; SalUn: 1, Scissorhands: 10")
    steps: Count = Field(description="Sampling steps of the images")
    guidance: Guidance = Field(description="Scale of classifier-free guidance of the images; paper: 7.5")
    weight: NonNegative = Field(description="w of the prediction (1 + w) e(x, c) - w e(x, ''); SalUn: 7.5")
    batch: Count = Field(description="Images per gradient; SalUn: 8")
    seed: Seed = Field(description="Of images (seed, seed + 1, ...), noise and timesteps")
    release: Literal["filled", "multiplied"] = Field(
        description="How a pruned entry becomes 0: filled with +0, or multiplied, where zeros keep the weight's sign"
    )
    tuned_on: list[str] = Field(description="Concepts on which the share was chosen, as world/concept")


def accumulate(
    pipeline: StableDiffusionPipeline,
    concept: Concept,
    options: SaliencyOptions,
    of_batch: Callable[[Tensor], Tensor],
) -> dict[str, Tensor]:
    """Sum a function of the gradient of every FFN2 weight over batches of a concept's images.

    The images are drawn by `pipeline` from the pack's target prompts in turn and stay latents x_0: nothing is decoded.
    The loss of a batch is the mean of (target - (1 + w) e(x_t, c) + w e(x_t, ''))^2 with c the image's own prompt and t
    uniform over the training timesteps. Its gradient goes through both terms; `target` is what the model's prediction
    type asks for.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The base; not changed.
    concept : Concept
        Its target prompts are used.
    options : SaliencyOptions
        See the class.
    of_batch : callable
        Applied to the gradient of a batch before it is added: identity or abs.

    Returns
    -------
    dict of Tensor
        float32, shape (d, 4d), on the pipeline's device, by FFN2 name with component.

    Raises
    ------
    UserError
        Images or gradients that are NaN or infinite.
    """
    import torch

    from regrow.model.names import is_ffn2
    from regrow.model.prediction import training_target

    unet, scheduler = pipeline.unet, pipeline.scheduler
    weights = {f"unet.{name}": weight for name, weight in unet.named_parameters() if is_ffn2(name)}
    prompts = [concept.target[i % len(concept.target)] for i in range(options.images)]
    latents, texts = _drawn(pipeline, prompts, options)
    empty = _encoded(pipeline, [""])
    generator = torch.Generator("cpu").manual_seed(options.seed)
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    with _gradients_of(unet, weights.values()):
        for _ in range(options.passes):
            noise = torch.randn(latents.shape, generator=generator).to(latents)
            times = torch.randint(scheduler.config.num_train_timesteps, (len(latents),), generator=generator)
            times = times.to(latents.device)
            for first in range(0, len(latents), options.batch):
                part = slice(first, first + options.batch)
                noisy = scheduler.add_noise(latents[part], noise[part], times[part])
                own = unet(noisy, times[part], texts[part]).sample
                none = unet(noisy, times[part], empty.expand(len(noisy), -1, -1)).sample
                target = training_target(scheduler, latents[part], noise[part], times[part])
                error = target - (1 + options.weight) * own + options.weight * none
                gradients = torch.autograd.grad(error.square().mean(), list(weights.values()))
                for total, gradient in zip(sums.values(), gradients, strict=True):
                    total += of_batch(gradient)
    for name, total in sums.items():
        if not bool(torch.isfinite(total).all()):
            raise UserError(f"the gradients of {name} are NaN or infinite: use the base model in float32")
    return sums


def most_salient(saliency: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Mark the largest share of all entries together, bool on the CPU; what has no saliency at all is never taken.

    Raises
    ------
    UserError
        A share that takes no entry.
    """
    import torch

    every = torch.cat([values.flatten() for values in saliency.values()])
    count = int(share * len(every))
    if not count:
        raise UserError(f"share {share} takes none of {len(every)} FFN2 entries: raise it to at least 1/{len(every)}")
    # The count-th largest; sorting 50 million entries would take twenty times as much memory.
    least = every.kthvalue(len(every) - count + 1).values
    return {name: ((values >= least) & (values > 0)).cpu() for name, values in saliency.items()}


def _drawn(pipeline: StableDiffusionPipeline, prompts: list[str], options: SaliencyOptions) -> tuple[Tensor, Tensor]:
    """Return latents of one image per prompt, and the prompts' embeddings."""
    import torch

    latents, texts = [], []
    for first in range(0, len(prompts), options.batch):
        part = prompts[first : first + options.batch]
        seeds = range(options.seed + first, options.seed + first + len(part))
        drawn = pipeline(
            part,
            num_inference_steps=options.steps,
            guidance_scale=options.guidance,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            output_type="latent",
        ).images
        latents.append(drawn)
        texts.append(_encoded(pipeline, part))
    found = torch.cat(latents)
    if not bool(torch.isfinite(found).all()):
        raise UserError(
            "the pretrained model draws NaN or infinite latents of the concept: lower the eraser's guidance"
        )
    return found, torch.cat(texts)


def _encoded(pipeline: StableDiffusionPipeline, prompts: list[str]) -> Tensor:
    import torch

    with torch.no_grad():
        found: Tensor = pipeline.encode_prompt(prompts, pipeline.device, 1, False)[0]
    return found


@contextmanager
def _gradients_of(unet: Module, weights: Collection[Tensor]) -> Iterator[None]:
    """Ask for the gradients of these weights and of no other for the length of a ``with`` block."""
    import torch

    before = {name: weight.requires_grad for name, weight in unet.named_parameters()}
    unet.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
    try:
        with torch.enable_grad():
            yield
    finally:
        for name, weight in unet.named_parameters():
            weight.requires_grad_(before[name])
