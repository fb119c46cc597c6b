"""ConceptPrune: prune the skilled neurons of a concept (methods.md 2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from regrow.errors import UserError
from regrow.methods import Count, Guidance, MethodOptions, Seed, Share

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from regrow.concepts import Concept
    from regrow.work import Work

KIND = "pruning"


class Options(MethodOptions):
    """Options of `conceptprune`."""

    skill_ratio: Share = Field(
        description="Share of a row that one call may prune; ConceptPrune: 0.02 for objects, 0.01 for nudity"
    )
    calls: Count = Field(description="UNet calls that are looked at, from the noisiest; ConceptPrune: 10")
    steps: Count = Field(
        description="Sampling steps; they set the timesteps, of which the first are run; ConceptPrune: 50"
    )
    guidance: Guidance = Field(description="Scale of classifier-free guidance; ConceptPrune: 7.5")
    seed: Seed = Field(description="Set again before every prompt; ConceptPrune: 0")
    batch: Count = Field(
        description="Prompts at once: changes time, memory and the last digits of the norms; ConceptPrune: 1"
    )
    precision: Literal["float32", "mixed", "float16"] = Field(
        description="Type to compute in: float32; mixed: the UNet in float16, norms and scores in float32; float16: "
        "everything, as in the released code, where sums stop growing and ties are many; ConceptPrune: float16"
    )
    release: Literal["filled", "multiplied"] = Field(
        description="How a pruned entry becomes 0: filled with +0, or multiplied by 1 - mask as in the released code, "
        "whose zeros keep the sign of the weight in their sign bit"
    )

    @property
    def dtype(self) -> str:
        """Type of the base model that erase_concept loads."""
        return "float32" if self.precision == "float32" else "float16"

    @model_validator(mode="after")
    def _enough_steps(self) -> Options:
        # A scheduler makes one call per step or, like PNDM, a few more.
        if self.calls > self.steps:
            raise ValueError(
                f"{self.steps} steps make too few UNet calls to look at {self.calls}: lower calls or raise steps"
            )
        return self


def conceptprune(
    pipeline: StableDiffusionPipeline, concept: Concept, options: Options, work: Work
) -> dict[str, Tensor]:
    """Find the FFN2 entries that serve a concept.

    *faithful* to the published code (methods.md 2.1, steps 1-7), also in its arithmetic with ``precision: float16``.
    With ``mixed`` or ``float32`` (*variant*) rows are normalised, norms summed and scores compared in float32, so that
    upstream's rounding ties are told apart; compare masks by Jaccard, not by equality. Latents come from a CPU
    generator, upstream's from the CUDA one.

    For UNet call t and layer l, with z the GEGLU output [2 * tokens, 4d] (both halves of classifier-free guidance): n_j
    = sqrt(sum over prompts and rows of (z_ij / ||z_i||_2)^2) and S = |W| * n. An entry is pruned when, in one of the
    first `calls` calls, it is among the int(skill_ratio * 4d) largest S_target of its row and S_target > S_base
    (strictly; select_ratio = 0).

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The base; not changed.
    concept : Concept
        Its prompts without and with the concept: equally many, for norms are summed and not averaged.
    options : Options
        See the class.
    work : Work
        Not used.

    Returns
    -------
    dict of Tensor
        bool masks on the CPU, shape (d, 4d), one per FFN2 weight; True = prune.

    Raises
    ------
    UserError
        Prompts that do not pair, a share that takes no entry, fewer UNet calls than `calls`, or norms that overflow.
    """
    import torch

    from regrow.erase._skill import column_norms, skilled
    from regrow.model.names import is_ffn2
    from regrow.model.pipelines import DTYPES

    base, target = concept.base, concept.target
    if not base or len(base) != len(target):
        raise UserError(
            f"conceptprune needs as many base prompts as target prompts, got {len(base)} and {len(target)}: "
            "pair them in the concept pack"
        )
    sums = DTYPES["float16" if options.precision == "float16" else "float32"]
    weights = {
        f"unet.{name}": weight.detach().to(sums).abs()
        for name, weight in pipeline.unet.named_parameters()
        if is_ffn2(name)
    }
    top = {name: int(options.skill_ratio * weight.shape[1]) for name, weight in weights.items()}
    for name, count in top.items():
        if not count:
            raise UserError(
                f"skill_ratio {options.skill_ratio} takes no entry of a row of {weights[name].shape[1]} in {name}: "
                f"raise it to at least 1/{weights[name].shape[1]}"
            )
    sampler = {"steps": options.steps, "guidance": options.guidance, "seed": options.seed}
    base_norms = column_norms(pipeline, base, options.calls, options.batch, sampler, sums)
    target_norms = column_norms(pipeline, target, options.calls, options.batch, sampler, sums)
    masks = {}
    for name, weight in weights.items():
        mask = torch.zeros_like(weight, dtype=torch.bool)
        for call in range(options.calls):
            mask |= skilled(weight, base_norms[call][name], target_norms[call][name], top[name])
        masks[name] = mask.cpu()
    return masks
