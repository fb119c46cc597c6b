"""How many signs to keep, from how sure each of them is."""

import torch
from torch import Tensor

from regrow.confidence import sign_probability
from regrow.models import Completed


def surest_signs(completed: Completed) -> dict[str, Tensor]:
    """Mark the signs worth keeping, without knowing which are right; this is ``keep: auto`` of `roots`.

    *variant*, ours: the paper fixes K. Let t be the true signs of the N missing entries of a model and f what is filled
    in: the guessed sign where it is kept, 0 elsewhere, every entry in units of its own magnitude. A guess that is right
    with probability p agrees with the truth by c = 2p - 1 in expectation, so with the n surest signs kept

        E[cos(f, t)] = (c_1 + ... + c_n) / sqrt(n N),    c_1 >= c_2 >= ...

    and n is chosen to make it the largest. Near the best n a sign is kept if and only if its c is more than half the
    mean c of those kept. One threshold serves all layers, so a layer that was guessed badly keeps few signs, and each
    layer gets a K of its own.

    Why the cosine: with a magnitude a in place of 0 and the true weight m, E[error^2] falls if and only if
    a < 2 c |m|, which for |m| = a is p > 3/4. That threshold depends on |m|, which the attacker does not know and from
    which `roots` departs on purpose (the row's maximum); it keeps next to nothing where signs are hard to guess. If the
    size is free, the least error is ||t||^2 (1 - cos^2), so the best n is that of the largest cosine.

    Parameters
    ----------
    completed : Completed
        From a completer whose confidence stands for a probability.

    Returns
    -------
    dict of Tensor
        bool, (d, 4d), by weight name; False wherever nothing is missing, everywhere when all p are 1/2.

    Raises
    ------
    UserError
        The completer's confidence tells no probability.
    """
    agreement = {
        name: 2 * sign_probability(confidence, completed.confidence_is) - 1
        for name, confidence in completed.confidence.items()
    }
    threshold = least_agreement(torch.cat([agreement[name][gaps] for name, gaps in completed.missing.items()]))
    return {name: gaps & (agreement[name] >= threshold) for name, gaps in completed.missing.items()}


def least_agreement(agreement: Tensor) -> float:
    """Return the c of the least sure sign to keep, infinity for none; see `surest_signs`.

    Parameters
    ----------
    agreement : Tensor
        c = 2p - 1 of every missing entry, float64, 1-d, in [0, 1].
    """
    falling = agreement.sort(descending=True).values
    cosine = falling.cumsum(0) / torch.arange(1, len(falling) + 1, device=falling.device).sqrt()
    # Equal signs stay together: between them the cosine has no maximum.
    return float(falling[cosine.argmax()]) if cosine.any() else float("inf")
