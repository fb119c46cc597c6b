"""Mark a share of the entries of a matrix."""

import torch
from torch import Tensor


def largest(scores: Tensor, share: float) -> Tensor:
    """Mark the entries of the highest scores; of equal ones the first.

    Parameters
    ----------
    scores : Tensor
        Any shape.
    share : float
        Of the entries, (0, 1); rounded to a whole number of them.
    """
    flat = scores.flatten()
    chosen = flat.sort(descending=True, stable=True).indices[: round(share * flat.numel())]
    return torch.zeros_like(flat, dtype=torch.bool).index_fill_(0, chosen, True).view_as(scores)
