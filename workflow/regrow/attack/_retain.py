"""Which recovered signs to retain: the top K, or as many as their certainty justifies."""

import torch
from torch import Tensor

from regrow.complete._certainty import sign_probability
from regrow.model.completed import Completed


def surest_signs(completed: Completed) -> dict[str, Tensor]:
    """Mark the signs worth retaining, without knowing which are right; this is ``retain: auto`` of `roots`.

    *variant*, ours: the paper fixes K. Let t be the true signs of the N missing entries of a model and f what is filled
    in: the guessed sign where it is retained, 0 elsewhere, every entry in units of its own magnitude. A guess that is
    right with probability p agrees with the truth by c = 2p - 1 in expectation, so with the n surest signs retained

        E[cos(f, t)] = (c_1 + ... + c_n) / sqrt(n N),    c_1 >= c_2 >= ...

    and n is chosen to make it the largest. Near the best n a sign is retained if and only if its c is more than half
    the mean c of those retained. One threshold serves all layers, so a layer that was guessed badly retains few signs,
    and each layer gets a K of its own.

    Why the cosine: with a magnitude a in place of 0 and the true weight m, E[error^2] falls if and only if
    a < 2 c |m|, which for |m| = a is p > 3/4. That threshold depends on |m|, which the attacker does not know and from
    which `roots` departs on purpose (the row's maximum); it retains next to nothing where signs are hard to guess. If
    the size is free, the least error is ||t||^2 (1 - cos^2), so the best n is that of the largest cosine.

    Parameters
    ----------
    completed : Completed
        From a completer whose certainty stands for a probability.

    Returns
    -------
    dict of Tensor
        bool, (d, 4d), by weight name; False wherever nothing is missing, everywhere when all p are 1/2.

    Raises
    ------
    UserError
        The completer's certainty tells no probability.
    """
    agreement = {
        name: 2 * sign_probability(certainty, completed.meaning) - 1 for name, certainty in completed.certainty.items()
    }
    threshold = least_agreement(torch.cat([agreement[name][missing] for name, missing in completed.missing.items()]))
    return {name: missing & (agreement[name] >= threshold) for name, missing in completed.missing.items()}


def least_agreement(agreement: Tensor) -> float:
    """Return the c of the least sure sign to retain, infinity for none; see `surest_signs`.

    Parameters
    ----------
    agreement : Tensor
        c = 2p - 1 of every missing entry, float64, 1-d, in [0, 1].
    """
    falling = agreement.sort(descending=True).values
    cosine = falling.cumsum(0) / torch.arange(1, len(falling) + 1, device=falling.device).sqrt()
    # Equal signs stay together: between them the cosine has no maximum.
    return float(falling[cosine.argmax()]) if cosine.any() else float("inf")


def retained(importance: Tensor, missing: Tensor, share: float) -> Tensor:
    """Mark the missing entries of one layer whose sign is retained.

    *faithful* to methods.md 3.1 C: with N missing entries and k0 = int((1 - share) N), every entry up to and including
    the k0-th smallest importance is dropped, ties too; k0 = 0 drops nothing.

    Parameters
    ----------
    importance : Tensor
        (d, 4d); only missing entries count.
    missing : Tensor
        bool, (d, 4d).
    share : float
        K in (0, 1].

    Returns
    -------
    Tensor
        bool, (d, 4d); False wherever nothing is missing.
    """
    candidates = importance[missing]
    dropped = int((1 - share) * candidates.numel())
    if not dropped:
        return missing.clone()
    return missing & (importance > candidates.kthvalue(dropped).values)
