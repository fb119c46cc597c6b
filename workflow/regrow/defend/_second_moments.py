"""What a model's FFN2 weights read: second moments of GEGLU outputs over prompts."""

from collections.abc import Sequence

import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.activations import GEGLU
from torch import Tensor

from regrow.model.names import FFN2

ACTIVATION = ".ff.net.0"


def second_moments(
    pipeline: StableDiffusionPipeline, prompts: Sequence[str], steps: int, guidance: float, batch: int, seed: int
) -> dict[str, Tensor]:
    """Return mean of z z^T over all tokens, prompts and UNet calls, with z the GEGLU output before an FFN2 weight.

    Returns
    -------
    dict of Tensor
        float32, shape (4d, 4d), on the CPU, by FFN2 name with component.
    """
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def add(name: str, activations: Tensor) -> None:
        z = activations.detach().flatten(0, -2).float()
        product = z.T @ z
        sums[name] = sums[name].add_(product) if name in sums else product
        counts[name] = counts.get(name, 0) + len(z)

    handles = []
    for path, module in pipeline.unet.named_modules():
        if isinstance(module, GEGLU) and path.endswith(ACTIVATION):
            name = f"unet.{path.removesuffix(ACTIVATION)}{FFN2}"
            handles.append(module.register_forward_hook(lambda _module, _inputs, output, name=name: add(name, output)))
    try:
        for first in range(0, len(prompts), batch):
            part = list(prompts[first : first + batch])
            pipeline(
                part,
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=[torch.Generator("cpu").manual_seed(seed) for _ in part],
                output_type="latent",
            )
    finally:
        for handle in handles:
            handle.remove()
    return {name: (total / counts[name]).cpu() for name, total in sums.items()}
