"""What every defence of this room does: go through the cut of each layer and put new values there."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regrow.errors import UserError
from regrow.model.names import is_ffn2

if TYPE_CHECKING:
    from regrow.model.masks import Erased

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cut:
    """The cut of one FFN2 weight.

    Attributes
    ----------
    name : str
        Of the weight, with its component.
    weight : Tensor
        float32, shape (d, 4d), after pruning.
    mask : Tensor
        bool, same shape, True = pruned.
    generator : torch.Generator
        The layer's own: what is drawn for one layer does not depend on the others.
    """

    name: str
    weight: Tensor
    mask: Tensor
    generator: torch.Generator

    @property
    def peak(self) -> float:
        """The largest magnitude that was observed."""
        return float(self.weight[~self.mask].abs().max()) if not self.mask.all() else 0.0

    def rms(self, of_rows: bool) -> Tensor:
        """Return the root mean square of the observed entries: of each row, (d, 1), or of the layer, (1, 1).

        A row of which nothing was observed has that of the layer.
        """
        observed = ~self.mask
        squares = self.weight.square() * observed
        layer = (squares.sum() / observed.sum().clamp_min(1)).sqrt().reshape(1, 1)
        if not of_rows:
            return layer
        count = observed.sum(1, keepdim=True)
        return torch.where(count > 0, (squares.sum(1, keepdim=True) / count.clamp_min(1)).sqrt(), layer)

    def normal(self) -> Tensor:
        """Return draws from N(0, 1), shape (d, 4d)."""
        return torch.randn(self.mask.shape, generator=self.generator)


def cuts(erased: Erased, seed: int) -> list[Cut]:
    """Return the cut of every FFN2 weight that was pruned, by name.

    Raises
    ------
    UserError
        An erasing that prunes nothing.
    """
    names = sorted(name for name, mask in erased.mask.items() if is_ffn2(name) and bool(mask.any()))
    if not names:
        raise UserError("the erasing prunes nothing, so there is nothing to hide: publish it without a defence")
    return [
        Cut(name, erased.tensors[name].detach().cpu().float(), erased.mask[name].cpu(), _generator(seed, name))
        for name in names
    ]


def filled(erased: Erased, seed: int, fill: Callable[[Cut], Tensor]) -> dict[str, Tensor]:
    """Return every pruned weight with what `fill` gives for a cut at its pruned entries, in the weight's own type.

    How many of the new values are 0 at half precision is logged, for each of those shows its place.
    """
    changed, hidden, shown = {}, 0, 0
    for cut in cuts(erased, seed):
        values = fill(cut)
        new = torch.where(cut.mask, values, cut.weight).to(erased.tensors[cut.name].dtype)
        changed[cut.name] = new + 0.0  # noise that rounds to -0.0 would look like the sign of a pruned weight
        hidden += int(cut.mask.sum())
        shown += int((values[cut.mask].half() == 0).sum())
    if shown:
        log.warning(
            "%d of %d filled entries are 0 at half precision and show where they are: publish in float32, or fill more",
            shown,
            hidden,
        )
    return changed


def _generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)
