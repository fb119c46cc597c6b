"""What the confidence of a completer means: the word that travels with it, and the probability that it stands for."""

from typing import Literal, get_args

import torch
from torch import Tensor

from regrow.errors import UserError

# order: a higher number is a surer sign and nothing more. log_odds: log(p / (1 - p)), p being the probability that the
# sign is right. deviations: |mean| / standard deviation of a Gaussian.
Meaning = Literal["order", "log_odds", "deviations"]
MEANINGS = get_args(Meaning)


def sign_probability(confidence: Tensor, meaning: Meaning) -> Tensor:
    """Return the probability that each sign is right.

    Parameters
    ----------
    confidence : Tensor
        A completer's confidences, at least 0, any shape.
    meaning : str
        What they mean: ``log_odds`` gives p = 1 / (1 + exp(-c)), ``deviations`` gives p = Phi(c).

    Returns
    -------
    Tensor
        float64 in [1/2, 1], of the same shape.

    Raises
    ------
    UserError
        The confidence only ranks (``order``).
    """
    if meaning == "log_odds":
        return torch.sigmoid(confidence.double())
    if meaning == "deviations":
        return torch.special.ndtr(confidence.double())
    raise UserError(
        "the completer's confidence ranks signs but tells no probability: name an entry of complete_weights with "
        "method gaussian_posterior as completer"
    )
