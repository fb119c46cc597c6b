"""Fill the cut with noise that the model does not hear: large where nothing neutral passes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from regrow.errors import UserError
from regrow.methods import Count, Guidance, MethodOptions, Positive

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.defend._cuts import Cut
    from regrow.defend._publisher import Publisher
    from regrow.model.masks import Erased


class Options(MethodOptions):
    """Options of `silent_noise`."""

    size: Positive = Field(description="Of the noise, in root mean squares of what was not pruned in its row")
    ridge: Positive = Field(description="Added to the second moment, in its mean diagonal; larger is louder and whiter")
    structured: bool = Field(description="Whether the noise of a column has the covariance over rows of uncut columns")
    steps: Count = Field(description="Sampling steps of the neutral prompts, all of which are listened to")
    guidance: Guidance = Field(description="Scale of classifier-free guidance there")
    batch: Count = Field(description="Prompts at once; changes time, memory and last digits")


def silent_noise(erased: Erased, publisher: Publisher, options: Options) -> dict[str, Tensor]:
    """Replace every pruned entry by noise shaped by the inverse second moment of neutral activations.

    *variant*, ours. With C the second moment of what the weight reads (the GEGLU output) over the concept pack's base
    prompts, c its mean diagonal and M the pruned columns of a row, x = (C_MM / c + ridge I)^-1 z; z is N(0, I), or,
    structured, L e with L L^T the covariance over rows of the columns without a cut, half shrunk to its diagonal. Every
    row is then scaled to `size` times the root mean square of its observed entries.

    Raises
    ------
    UserError
        An erasing that prunes nothing, or activations that are NaN or infinite.
    """
    import torch

    from regrow.defend._cuts import filled
    from regrow.defend._second_moments import second_moments

    prompts, pipeline = publisher.concept.base, publisher.pipeline()
    moments = second_moments(pipeline, prompts, options.steps, options.guidance, options.batch, publisher.seed)
    if broken := [name for name, moment in moments.items() if not bool(torch.isfinite(moment).all())]:
        raise UserError(f"the activations before {broken[0]} are NaN or infinite: use the base model in float32")
    return filled(erased, publisher.seed, lambda cut: _noise(cut, moments[cut.name], options))


def _noise(cut: Cut, moment: Tensor, options: Options) -> Tensor:
    import torch

    from regrow.complete._conditional import conditional_step

    z = cut.normal()
    if options.structured:
        z = _row_factor(cut) @ z
    stiffness = moment / moment.diagonal().mean() + options.ridge * torch.eye(len(moment))
    x = conditional_step(stiffness, z.T.contiguous(), cut.mask.T.contiguous()).T
    count = cut.mask.sum(1, keepdim=True)
    size = (x.square().sum(1, keepdim=True) / count.clamp_min(1)).sqrt()
    return x * (options.size * cut.rms(of_rows=True) / size.clamp_min(torch.finfo(x.dtype).tiny))


def _row_factor(cut: Cut) -> Tensor:
    """Return L, (d, d), with L L^T the covariance over rows of the columns without a cut, shrunk by half."""
    import torch

    whole = cut.weight[:, ~cut.mask.any(0)]
    if whole.shape[1] < 2:
        return torch.eye(len(cut.weight))
    covariance = whole @ whole.T / whole.shape[1]
    shrunk = 0.5 * covariance + 0.5 * torch.diag(covariance.diagonal())
    floor = 1e-6 * float(shrunk.diagonal().mean()) or 1.0  # of rows that are 0 everywhere
    return torch.linalg.cholesky(shrunk + floor * torch.eye(len(shrunk)))
