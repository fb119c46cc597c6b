"""Which entries of a published weight differ from a sibling's by more than the two models do elsewhere."""

import torch
from torch import Tensor

NORMAL = 1.4826  # standard deviation of a Gaussian, per median magnitude


def differing(weight: Tensor, sibling: Tensor, deviations: float) -> Tensor:
    """Mark what no training that both models share explains.

    *variant*, ours. Two models that went on from the same weights differ in every entry by a little. With d the
    differences of a matrix, their usual size is s = 1.4826 median|d|, which a cut of less than half of the entries
    hardly moves, and an entry is marked when |d| > `deviations` s. Of the base itself s is 0, and what differs at all
    is marked. A pruned entry that was smaller than that is missed; it is one that hardly mattered.

    Parameters
    ----------
    weight, sibling : Tensor
        float, of equal shape.
    deviations : float
        Above 0.

    Returns
    -------
    Tensor
        bool, of the same shape.
    """
    difference = (weight.double() - sibling.double()).abs()
    # The lower median: one matrix that was cut by half would otherwise hide the cut.
    usual = NORMAL * difference.flatten().median()
    return torch.as_tensor(difference > deviations * usual)
