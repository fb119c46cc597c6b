"""The few numbers that `dvc metrics diff` compares between two runs."""

from collections.abc import Sequence

from regrow.paper.both_sides import ALL
from regrow.paper.recipes import Roles, published_order
from regrow.paper.scores import ERASED, PRESERVED
from regrow.paper.signs import SignAccuracy
from regrow.paper.table1 import MEAN, Accuracy, pick
from regrow.paper.verdict import Kind, verdicts


def revival_rate(attack: float, erased: float, pretrained: float) -> float | None:
    """Return how much of what was erased comes back (`methods.md` 5.11), (attack - erased) / (pretrained - erased).

    Parameters
    ----------
    attack, erased, pretrained : float
        Accuracies on the erased concept.

    Returns
    -------
    float or None
        0 = nothing came back, 1 = as before the erasing; None when nothing was erased.
    """
    return (attack - erased) / (pretrained - erased) if pretrained > erased else None


def metrics(
    lines: Sequence[Accuracy], signs: Sequence[SignAccuracy], roles: Roles, confidence: float
) -> dict[str, float]:
    """Collect flat numbers: mean accuracies, revival rates of the means, mean sign accuracy, concepts that grow back.

    A rate that does not exist, because nothing was erased or completed, has no key.
    """
    recipes = published_order(dict.fromkeys(line.recipe for line in lines))
    concepts = list(dict.fromkeys(line.concept for line in lines if line.concept != MEAN))
    found: dict[str, float] = {}
    for recipe in recipes:
        found[f"erased_accuracy_{recipe}"] = pick(lines, MEAN, recipe, ERASED).accuracy
        found[f"preserved_accuracy_{recipe}"] = pick(lines, MEAN, recipe, PRESERVED).accuracy
    for chain in roles.chains:
        for recipe in chain.revivers:
            rate = revival_rate(
                *(pick(lines, MEAN, name).accuracy for name in (recipe, chain.erased, roles.pretrained))
            )
            if rate is not None:
                found[f"revival_rate_{recipe}"] = round(rate, 6)
        kinds = [verdict.kind for verdict in verdicts(lines, concepts, roles, chain, confidence)]
        found[f"concepts_erased_{chain.erased}"] = len(kinds) - kinds.count(Kind.NOT_ERASED) - kinds.count(Kind.UNCLEAR)
        found[f"concepts_grown_back_{chain.erased}"] = kinds.count(Kind.GROWS)
    overall = [line.accuracy for line in signs if line.layer == ALL and line.concept != ALL]
    if overall:
        found["sign_accuracy"] = round(sum(overall) / len(overall), 6)
    return found
