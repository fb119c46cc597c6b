"""The probability that a completer's certainty stands for."""

import torch
from torch import Tensor

from regrow.errors import UserError
from regrow.model.completed import Meaning


def sign_probability(certainty: Tensor, meaning: Meaning) -> Tensor:
    """Return the probability that each sign is right.

    Parameters
    ----------
    certainty : Tensor
        A completer's certainties, at least 0, any shape.
    meaning : str
        What they mean: ``log_odds`` gives p = 1 / (1 + exp(-c)), ``deviations`` gives p = Phi(c).

    Returns
    -------
    Tensor
        float64 in [1/2, 1], of the same shape.

    Raises
    ------
    UserError
        The certainty only ranks (``order``).
    """
    if meaning == "log_odds":
        return torch.sigmoid(certainty.double())
    if meaning == "deviations":
        return torch.special.ndtr(certainty.double())
    raise UserError(
        "the completer's certainty ranks signs but tells no probability: name an entry of complete_weights with "
        "method gaussian_posterior as completer"
    )
