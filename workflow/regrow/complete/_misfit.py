"""How well each entry of a published matrix fits the others, nothing of it being known to be missing."""

import torch
from torch import Tensor

from regrow.complete._gaussian import choose_shrinkage, shrunk_precision
from regrow.complete._scaling import unit_scales


def misfit(weight: Tensor) -> Tensor:
    """Return what every entry differs from its conditional mean given the rest of its column, in its deviations.

    Parameters
    ----------
    weight : Tensor
        float32, any matrix; its rows and columns are scaled to unit mean square first.

    Returns
    -------
    Tensor
        The same shape: (P u)_i / sqrt(P_ii) for a column u, with P the precision over the rows (or over the columns,
        where there are fewer).
    """
    everywhere = torch.ones_like(weight, dtype=torch.bool)
    row, column = unit_scales(weight, everywhere)
    y = weight / row / column
    wide = y.shape[0] <= y.shape[1]
    x = y if wide else y.T
    shrinkage, _ = choose_shrinkage(x, torch.ones_like(x, dtype=torch.bool))
    precision = shrunk_precision(x, shrinkage)
    residual = (precision @ x) / precision.diagonal().sqrt()[:, None]
    return residual if wide else residual.T
