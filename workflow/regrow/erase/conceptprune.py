"""ConceptPrune: prune the skilled neurons of a concept (methods.md 2.1)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.activations import GEGLU
from torch import Tensor, nn

from regrow.errors import UserError
from regrow.methods import Count, Guidance, Seed, Share
from regrow.models import FFN2

ACTIVATION = ".ff.net.0"


def conceptprune(
    pipeline: StableDiffusionPipeline,
    base_prompts: Sequence[str],
    target_prompts: Sequence[str],
    *,
    skill_ratio: Share,
    calls: Count,
    steps: Count,
    guidance: Guidance,
    seed: Seed,
    batch: Count,
) -> dict[str, Tensor]:
    """Find the FFN2 entries that serve a concept.

    *faithful* to the published code (methods.md 2.1, steps 1-7) but for arithmetic: rows are normalised and squares are
    summed in float32, where upstream does both in float16, so a few of upstream's rounding ties fall the other way;
    compare masks by Jaccard, not by equality. Latents come from a CPU generator, upstream's from the CUDA one.

    For UNet call t and layer l, with z the GEGLU output [2 * tokens, 4d] (both halves of classifier-free guidance): n_j
    = sqrt(sum over prompts and rows of (z_ij / ||z_i||_2)^2) and S = |W| * n. An entry is pruned when, in one of the
    first `calls` calls, it is among the int(skill_ratio * 4d) largest S_target of its row and S_target > S_base
    (strictly; select_ratio = 0).

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The model; not changed.
    base_prompts, target_prompts : sequence of str
        Prompts without and with the concept, equally many, for norms are summed and not averaged.
    skill_ratio : float
        Share of a row that one call may prune, in (0, 1].
    calls : int
        UNet calls to look at, from the noisiest (a scheduler such as PNDM makes more calls than steps).
    steps : int
        Sampling steps; they set the timesteps, of which only the first `calls` are run.
    guidance : float
        Scale of classifier-free guidance, above 1.
    seed : int
        Set again before every prompt.
    batch : int
        Prompts at once, at least 1; norms are sums, so it changes no more than their rounding. Upstream: 1.

    Returns
    -------
    dict of Tensor
        bool masks on the CPU, shape (d, 4d), one per FFN2 weight; True = prune.

    Raises
    ------
    UserError
        Prompts that do not pair, options out of range, or fewer UNet calls than `calls`.
    """
    if not base_prompts or len(base_prompts) != len(target_prompts):
        raise UserError(
            f"conceptprune needs as many base prompts as target prompts, got {len(base_prompts)} and "
            f"{len(target_prompts)}: pair them in the concept pack"
        )
    if not 0 < skill_ratio <= 1 or calls < 1 or batch < 1:
        raise UserError(
            "conceptprune needs 0 < skill_ratio <= 1, calls >= 1 and batch >= 1, "
            f"got {skill_ratio}, {calls} and {batch}: mend params.yaml"
        )
    if guidance <= 1:
        raise UserError(
            f"conceptprune reads both halves of classifier-free guidance, which guidance {guidance} switches off: "
            "raise it above 1"
        )
    weights = {
        name: weight.detach().float().abs() for name, weight in pipeline.unet.named_parameters() if name.endswith(FFN2)
    }
    top = {name: int(skill_ratio * weight.shape[1]) for name, weight in weights.items()}
    for name, count in top.items():
        if not count:
            raise UserError(
                f"skill_ratio {skill_ratio} takes no entry of a row of {weights[name].shape[1]} in {name}: "
                f"raise it to at least 1/{weights[name].shape[1]}"
            )
    sampler = {"steps": steps, "guidance": guidance, "seed": seed}
    base = _column_norms(pipeline, base_prompts, calls, batch, sampler)
    target = _column_norms(pipeline, target_prompts, calls, batch, sampler)
    masks = {}
    for name, weight in weights.items():
        mask = torch.zeros_like(weight, dtype=torch.bool)
        for call in range(calls):
            mask |= _skilled(weight, base[call][name], target[call][name], top[name])
        masks[name] = mask.cpu()
    return masks


def _skilled(weight: Tensor, base: Tensor, target: Tensor, count: int) -> Tensor:
    """Mark the `count` largest of each row of |W| n_target that exceed |W| n_base; the first column wins a tie."""
    score = weight * target
    order = score.argsort(dim=1, descending=True, stable=True)[:, :count]
    in_top = torch.zeros_like(score, dtype=torch.bool).scatter_(1, order, True)
    return in_top & (score > weight * base)


def _column_norms(
    pipeline: StableDiffusionPipeline, prompts: Sequence[str], calls: int, batch: int, sampler: dict[str, Any]
) -> list[dict[str, Tensor]]:
    """Return n, [4d] in float32, for each of the first UNet calls and each FFN2 name, accumulated over `prompts`."""
    with _recording(pipeline.unet, calls) as recorder:

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
                    f"{sampler['steps']} steps make {recorder.call} UNet calls, fewer than the {calls} that "
                    "conceptprune is to look at: lower calls or raise steps"
                )
    return [{name: squares.sqrt() for name, squares in layers.items()} for layers in recorder.squares]


class _Recorder:
    """Sums of squared, row-normalised GEGLU outputs per UNet call and layer; holds no activation.

    Attributes
    ----------
    call : int
        UNet calls begun since it was last set to 0.
    squares : list of dict of Tensor
        ``squares[call][FFN2 name]``, [4d] in float32.
    """

    def __init__(self, calls: int) -> None:
        self.call = 0
        self.squares: list[dict[str, Tensor]] = [{} for _ in range(calls)]

    def count(self, *_: object) -> None:
        self.call += 1

    def add(self, name: str, activations: Tensor) -> None:
        if self.call > len(self.squares):
            return
        rows = nn.functional.normalize(activations.detach().flatten(0, -2).float(), dim=1, eps=1e-12)
        squares = rows.square_().sum(0)
        layers = self.squares[self.call - 1]
        layers[name] = layers[name] + squares if name in layers else squares


@contextmanager
def _recording(unet: nn.Module, calls: int) -> Iterator[_Recorder]:
    """Record the GEGLU modules of a UNet for the length of a ``with`` block."""
    recorder = _Recorder(calls)
    handles = [unet.register_forward_pre_hook(recorder.count)]
    try:
        for path, module in unet.named_modules():
            if isinstance(module, GEGLU) and path.endswith(ACTIVATION):
                name = path.removesuffix(ACTIVATION) + FFN2
                handles.append(
                    module.register_forward_hook(lambda _module, _inputs, output, name=name: recorder.add(name, output))
                )
        yield recorder
    finally:
        for handle in handles:
            handle.remove()
