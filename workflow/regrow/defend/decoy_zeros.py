"""Set further entries to 0, so that a zero no longer says where the concept was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from regrow.methods import MethodOptions, Positive

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.defend._cuts import Cut
    from regrow.defend._publisher import Publisher
    from regrow.model.masks import Erased


class Options(MethodOptions):
    """Options of `decoy_zeros`."""

    ratio: Positive = Field(description="Decoys per pruned entry, as far as a row has entries")
    choice: Literal["smallest", "columns"] = Field(
        description="smallest: the smallest observed entries of each row, which cost least; columns: whole columns, "
        "cut in as many rows as the pruned ones, for a cut column is cut in nearly every row"
    )


def decoy_zeros(erased: Erased, publisher: Publisher, options: Options) -> dict[str, Tensor]:
    """Prune more than the concept needs (*variant*, ours).

    Raises
    ------
    UserError
        An erasing that prunes nothing.
    """
    from regrow.defend._cuts import cuts

    place = _smallest if options.choice == "smallest" else _columns
    return {
        cut.name: cut.weight.masked_fill(place(cut, options.ratio), 0.0).to(erased.tensors[cut.name].dtype)
        for cut in cuts(erased, publisher.seed)
    }


def _smallest(cut: Cut, ratio: float) -> Tensor:
    import torch

    order = cut.weight.abs().masked_fill(cut.mask, torch.inf).argsort(dim=1, stable=True)
    pruned = cut.mask.sum(1, keepdim=True)
    count = torch.minimum((ratio * pruned).round().long(), cut.mask.shape[1] - pruned)
    rank = torch.arange(cut.mask.shape[1]).expand_as(order)
    return torch.zeros_like(cut.mask).scatter_(1, order, rank < count)


def _columns(cut: Cut, ratio: float) -> Tensor:
    """Give columns without a cut the rows of pruned columns, in random pairs, until there are enough decoys."""
    import torch

    decoys = torch.zeros_like(cut.mask)
    pruned, free = cut.mask.any(0).nonzero()[:, 0], (~cut.mask.any(0)).nonzero()[:, 0]
    wanted = ratio * int(cut.mask.sum())
    targets = free[torch.randperm(free.numel(), generator=cut.generator)]
    models = pruned[torch.randint(pruned.numel(), (targets.numel(),), generator=cut.generator)]
    enough = cut.mask[:, models].sum(0).cumsum(0) - cut.mask[:, models].sum(0) < wanted
    decoys[:, targets[enough]] = cut.mask[:, models[enough]]
    return decoys
