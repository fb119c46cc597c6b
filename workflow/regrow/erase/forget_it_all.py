"""Forget-It-All: prune what is salient for some of several concepts and spare what most of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from regrow.erase._together import Together
from regrow.errors import UserError
from regrow.methods import Count, Guidance, Seed, Share

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from regrow.concepts import Concept
    from regrow.erase._together import WorkTogether

KIND = "pruning"


class Options(Together):
    """Options of `forget_it_all`."""

    persistent: Share = Field(
        description="r1: share of a layer whose saliency in a call counts as a response; Forget-It-All: 0.05"
    )
    share: Share = Field(
        description="r2: share of a row, and of a layer, that one concept may take; Forget-It-All: 0.007 for objects, "
        "0.03 for hard ones, 0.02 for styles"
    )
    agnostic: Share = Field(
        description="alpha: an entry that this share of the concepts takes is spared; Forget-It-All: 0.6, styles 0.8"
    )
    calls: Count = Field(description="UNet calls that are looked at, from the noisiest; Forget-It-All: 10")
    steps: Count = Field(description="Sampling steps; they set the timesteps; Forget-It-All: 50")
    guidance: Guidance = Field(description="Scale of classifier-free guidance; Forget-It-All: 7.5")
    seed: Seed = Field(description="Set again before every prompt; Forget-It-All: 1244")
    precision: Literal["float32", "mixed"] = Field(
        description="float32; mixed: the UNet in float16, norms and scores in float32, as in the released code"
    )
    release: Literal["filled", "multiplied"] = Field(
        description="How a pruned entry becomes 0: filled with +0, or multiplied as in the released code, whose zeros "
        "keep the sign of the weight"
    )
    tuned_on: list[str] = Field(description="Concepts on which the shares were chosen, as world/concept")

    @property
    def dtype(self) -> str:
        """Type of the base model that erase_concept loads."""
        return "float32" if self.precision == "float32" else "float16"

    @model_validator(mode="after")
    def _enough_steps(self) -> Options:
        if self.calls > self.steps:
            raise ValueError(f"{self.steps} steps make too few UNet calls to look at {self.calls}: raise steps")
        return self


def forget_it_all(
    pipeline: StableDiffusionPipeline, concept: Concept, options: Options, work: WorkTogether
) -> dict[str, Tensor]:
    """Find the FFN2 entries that serve some of several concepts and not most of them.

    *faithful* to the released code of Forget-It-All (arXiv 2601.06163, Eqs. 2 to 8; of Eq. 1 it leaves out the cosine),
    but for three things: pairs of prompts are the concept packs', latents come from a CPU generator, and an entry of no
    saliency is never taken, where the code fills its quota with any of them.

    For a prompt, a UNet call t and a layer let n_j be the norm of column j of the GEGLU output, its rows brought to
    length 1, both halves of classifier-free guidance. With mean and deviation over prompts

        U_t = |W| (mean_target n - mean_base n - deviation_base n)_+
        A = (mean_t U_t) / (2 max of it) + (mean_t [U_t > its r1 quantile]) / 2

    a concept takes the entries that are among the r2 largest of their row and of their layer by A. Pruned is what some
    of the C concepts take and fewer than ceil(alpha C).

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The base; not changed.
    concept : Concept
        One of the concepts.
    options : Options
        See the class.
    work : WorkTogether
        Its `others` are the packs of the other concepts.

    Returns
    -------
    dict of Tensor
        bool masks on the CPU, shape (d, 4d), one per FFN2 weight; True = prune.

    Raises
    ------
    UserError
        So few concepts that everything counts as shared, fewer UNet calls than `calls`, or norms that overflow.
    """
    import math

    import torch

    from regrow.model.names import is_ffn2

    packs = (concept, *work.others)
    # Less a little, for 0.55 x 20 is 11.000000000000002 in floats and would be rounded up to 12.
    spared = math.ceil(options.agnostic * len(packs) - 1e-9)
    if spared < 2:
        # What the released run for one concept does: it leaves the model as it was.
        raise UserError(
            f"forget_it_all with {len(packs)} concept(s) and agnostic {options.agnostic} spares whatever one concept "
            "takes, so it prunes nothing: name more concepts in together, or raise agnostic"
        )
    weights = {
        f"unet.{name}": weight.detach().float().abs()
        for name, weight in pipeline.unet.named_parameters()
        if is_ffn2(name)
    }
    taken = {name: torch.zeros_like(weight, dtype=torch.int32) for name, weight in weights.items()}
    for pack in packs:
        contrast = _contrast(pipeline, pack, options)
        for name, weight in weights.items():
            saliency = [weight * call[name] for call in contrast]
            taken[name] += most_sensitive(sensitivity(saliency, options.persistent), options.share)
    return {name: ((count > 0) & (count < spared)).cpu() for name, count in taken.items()}


def sensitivity(saliency: list[Tensor], persistent: float) -> Tensor:
    """Return A, (d, 4d), of a layer's saliency in every call: half its mean over its maximum, half its persistence."""
    import torch

    mean, often = torch.zeros_like(saliency[0]), torch.zeros_like(saliency[0])
    for call in saliency:
        count = max(1, int(persistent * call.numel()))
        least = call.flatten().kthvalue(call.numel() - count + 1).values
        mean += call / len(saliency)
        often += (call > least).float() / len(saliency)  # strictly, so one fewer than count
    return (mean / mean.max().clamp_min(1e-12) + often) / 2


def most_sensitive(score: Tensor, share: float) -> Tensor:
    """Mark what is above 0 and among the largest share of its row and of the whole layer; the first wins a tie."""
    import torch

    def largest(rows: Tensor) -> Tensor:
        count = max(1, int(share * rows.shape[1]))
        order = rows.argsort(dim=1, descending=True, stable=True)[:, :count]
        return torch.zeros_like(rows, dtype=torch.bool).scatter_(1, order, True)

    return largest(score) & largest(score.reshape(1, -1)).view_as(score) & (score > 0)


def _contrast(pipeline: StableDiffusionPipeline, pack: Concept, options: Options) -> list[dict[str, Tensor]]:
    """Return (mean_target - mean_base - deviation_base)_+ of the column norms, [4d], by call and FFN2 name."""
    base, target = (_norms(pipeline, prompts, options) for prompts in (pack.base, pack.target))
    return [
        {
            name: (of_target[name].mean(0) - norms.mean(0) - norms.std(0, correction=0)).clamp_min(0)
            for name, norms in of_base.items()
        }
        for of_base, of_target in zip(base, target, strict=True)
    ]


def _norms(pipeline: StableDiffusionPipeline, prompts: list[str], options: Options) -> list[dict[str, Tensor]]:
    """Return the column norms of every prompt by itself, [prompts, 4d], by call and FFN2 name."""
    import torch

    from regrow.erase._skill import column_norms

    sampler = {"steps": options.steps, "guidance": options.guidance, "seed": options.seed}
    each = [column_norms(pipeline, [prompt], options.calls, 1, sampler) for prompt in prompts]
    return [
        {name: torch.stack([prompt[call][name] for prompt in each]) for name in each[0][call]}
        for call in range(options.calls)
    ]
