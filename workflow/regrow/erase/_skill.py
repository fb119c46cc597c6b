"""Which FFN2 entries a concept's neurons need: norms of GEGLU outputs by UNet call, and the scores made of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.activations import GEGLU
from torch import Tensor, nn

from regrow.errors import UserError
from regrow.model.names import FFN2

ACTIVATION = ".ff.net.0"


def skilled(weight: Tensor, base: Tensor, target: Tensor, count: int) -> Tensor:
    """Mark the `count` largest of each row of |W| n_target that exceed |W| n_base; the first column wins a tie."""
    score = weight * target
    order = score.argsort(dim=1, descending=True, stable=True)[:, :count]
    in_top = torch.zeros_like(score, dtype=torch.bool).scatter_(1, order, True)
    return in_top & (score > weight * base)


def column_norms(
    pipeline: StableDiffusionPipeline,
    prompts: Sequence[str],
    calls: int,
    batch: int,
    sampler: dict[str, Any],
    sums: torch.dtype = torch.float32,
) -> list[dict[str, Tensor]]:
    """Return n, [4d], for each of the first UNet calls and each FFN2 name, accumulated over `prompts` in type `sums`.

    Raises
    ------
    UserError
        Fewer UNet calls than `calls`, or activations that are NaN or infinite.
    """
    with recording(pipeline.unet, calls, sums) as recorder:

        def stop_early(
            pipe: StableDiffusionPipeline, _step: int, _timestep: int, tensors: dict[str, Tensor]
        ) -> dict[str, Tensor]:
            pipe._interrupt = recorder.call >= calls
            return tensors

        for first in range(0, len(prompts), batch):
            part = list(prompts[first : first + batch])
            recorder.call = 0
            pipeline(
                part,
                num_inference_steps=sampler["steps"],
                guidance_scale=sampler["guidance"],
                generator=[torch.Generator("cpu").manual_seed(sampler["seed"]) for _ in part],
                output_type="latent",
                callback_on_step_end=stop_early,
            )
            if recorder.call < calls:
                raise UserError(
                    f"{sampler['steps']} steps make {recorder.call} UNet calls, fewer than the {calls} that the "
                    "eraser is to look at: lower calls or raise steps"
                )
    for call, layers in enumerate(recorder.norms):
        for name, norms in layers.items():
            # NaN compares as false, so a UNet that overflows would prune nothing and look untouched.
            if not bool(torch.isfinite(norms).all()):
                raise UserError(
                    f"the activations before {name} are NaN or infinite in UNet call {call + 1}: set the eraser's "
                    "precision to float32"
                )
    return recorder.norms


class Recorder:
    """Sums of squared, row-normalised GEGLU outputs per UNet call and layer; holds no activation.

    Attributes
    ----------
    call : int
        UNet calls begun since it was last set to 0.
    squares : list of dict of Tensor
        ``squares[call][FFN2 name]``, [4d] in type `sums`.
    """

    def __init__(self, calls: int, sums: torch.dtype = torch.float32) -> None:
        self.call, self.sums = 0, sums
        self.squares: list[dict[str, Tensor]] = [{} for _ in range(calls)]

    @property
    def norms(self) -> list[dict[str, Tensor]]:
        """The roots of the sums."""
        return [{name: squares.sqrt() for name, squares in layers.items()} for layers in self.squares]

    def count(self, *_: object) -> None:
        self.call += 1

    def add(self, name: str, activations: Tensor) -> None:
        if self.call > len(self.squares):
            return
        # eps is 0 in float16, where a row of zeros then is NaN; the smallest float16 above 0 changes no other row.
        eps = max(1e-12, 2.0**-24 if self.sums == torch.float16 else 0.0)
        rows = nn.functional.normalize(activations.detach().flatten(0, -2).to(self.sums), dim=1, eps=eps)
        squares = rows.square_().sum(0)
        layers = self.squares[self.call - 1]
        before = layers.get(name)
        if before is not None and self.sums == torch.float16:
            before = before.sqrt().square()  # upstream keeps the root from call to call
        layers[name] = squares if before is None else before + squares


@contextmanager
def recording(unet: nn.Module, calls: int, sums: torch.dtype = torch.float32) -> Iterator[Recorder]:
    """Record the GEGLU modules of a UNet for the length of a ``with`` block."""
    recorder = Recorder(calls, sums)
    handles = [unet.register_forward_pre_hook(recorder.count)]
    try:
        for path, module in unet.named_modules():
            if isinstance(module, GEGLU) and path.endswith(ACTIVATION):
                name = f"unet.{path.removesuffix(ACTIVATION)}{FFN2}"
                handles.append(
                    module.register_forward_hook(lambda _module, _inputs, output, name=name: recorder.add(name, output))
                )
        yield recorder
    finally:
        for handle in handles:
            handle.remove()
