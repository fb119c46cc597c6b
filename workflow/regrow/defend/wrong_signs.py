"""Fill the cut so that a completer's surest guesses are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from regrow.complete.gaussian_posterior import Options as PosteriorOptions
from regrow.methods import MethodOptions, Share

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.defend._cuts import Cut
    from regrow.defend._publisher import Publisher
    from regrow.model.masks import Erased


class Options(MethodOptions):
    """Options of `wrong_signs`."""

    share: Share = Field(
        description="Of a layer's pruned entries, the surest first, how many get the sign that is not predicted"
    )
    posterior: PosteriorOptions = Field(description="Of gaussian_posterior, which predicts")


def wrong_signs(erased: Erased, publisher: Publisher, options: Options) -> dict[str, Tensor]:
    """Give pruned entries the sizes of observed ones of their row, and the surest the opposite of the predicted sign.

    *variant*, ours. The prediction is made from the pruned model alone, as an attacker would; the other entries get a
    random sign. A completer that does not know the cut meets weights that contradict it, one that does learns nothing
    from them.

    Raises
    ------
    UserError
        An erasing that prunes nothing.
    """
    from regrow.defend._cuts import filled

    return filled(erased, publisher.seed, lambda cut: _contradiction(cut, options, publisher.device))


def _contradiction(cut: Cut, options: Options, device: str) -> Tensor:
    import torch

    from regrow.completion import complete_matrix
    from regrow.defend._draws import from_rows

    size = from_rows(cut).abs()
    done = complete_matrix(cut.weight, cut.mask, "gaussian_posterior", options.posterior, device=device)
    certainty = done.certainty[cut.mask]
    sure = torch.zeros_like(cut.mask)
    surest = certainty.argsort(descending=True, stable=True)[: int(options.share * certainty.numel())]
    chosen = torch.zeros_like(certainty, dtype=torch.bool)
    chosen[surest] = True
    sure[cut.mask] = chosen & (certainty > 0)  # of what cannot be completed nothing is predicted
    random = torch.where(torch.rand(cut.mask.shape, generator=cut.generator) < 0.5, -1.0, 1.0)
    return size * torch.where(sure, -done.values.sign(), random)
