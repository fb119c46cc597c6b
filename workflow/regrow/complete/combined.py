"""Two completers weighed against each other, and their odds put right, by what each guesses of a second cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from regrow.complete.gaussian_posterior import Options as PosteriorOptions
from regrow.complete.nuclear import Options as NuclearOptions
from regrow.methods import Count, MethodOptions, Positive, Share

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.completion import Completion

TELLS_PROBABILITY = True


class Options(MethodOptions):
    """Options of `combined`."""

    posterior: PosteriorOptions = Field(description="Of gaussian_posterior")
    nuclear: NuclearOptions = Field(description="Of nuclear")
    share: Share = Field(description="Of the cut columns, how many are cut again")
    draws: Count = Field(description="Second cuts, each a completion more by both")
    strength: Positive = Field(description="Of the belief that gaussian_posterior alone is right: a ridge, in entries")


def combined(weights: Tensor, mask: Tensor, seed: int, options: Options) -> Completion:
    """Complete a matrix by `gaussian_posterior` and `nuclear`, weighed by a second cut of the same matrix.

    *variant*, ours. Known entries are cut again (`regrow.complete._recut`) and both holes are completed by both. With L
    the signed log odds of the first completer and x the value of the second in units of its root mean square over the
    hole, the log odds of a positive sign become a L + b x. a and b maximise the likelihood of the signs of the second
    cut, which are known, less strength ((a - 1)^2 + b^2) / 2: a logistic regression without intercept, for signs are as
    often positive as negative. a puts odds right that are too cautious (a > 1) or too bold; b lets the second completer
    help where it knows better; with few entries to learn from a stays near 1 and b near 0.

    Parameters
    ----------
    weights, mask
        As `regrow.completion.complete_matrix` passes them.
    seed : int
        Of the second cuts.
    options : Options
        See the class.

    Returns
    -------
    Completion
        Certainty is the log odds of the sign. A value is (2p - 1) times the root mean square that `gaussian_posterior`
        expects of the entry. The trace is that of `gaussian_posterior`; its first note tells a and b.
    """
    from dataclasses import replace

    import torch

    from regrow.complete._odds import fit_odds, signed_evidence, weigh
    from regrow.complete._recut import second_cut
    from regrow.completion import Completion

    generator = torch.Generator("cpu").manual_seed(seed)
    known, evidence = [], []
    for _ in range(options.draws):
        cut = second_cut(weights.cpu(), mask.cpu(), options.share, generator).to(mask.device)
        if cut.any():
            evidence.append(signed_evidence(weights, mask | cut, cut, seed, options)[0])
            known.append(weights[cut].cpu())
    first, posterior = signed_evidence(weights, mask, mask, seed, options)
    coefficients = fit_odds(evidence, known, options.strength)
    values, certainty, deviation = weigh(first, coefficients, posterior, mask.cpu())
    note = f"log odds {coefficients[0]:.2f} of gaussian_posterior and {coefficients[1]:.2f} of nuclear"
    head = posterior.trace[0]
    trace = [{**head, "note": "; ".join(filter(None, [head["note"], note]))}, *posterior.trace[1:]]
    return replace(Completion(values, certainty, trace), meaning="log_odds", deviation=deviation)
