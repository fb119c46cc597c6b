"""The few numbers that `dvc metrics diff` compares between two runs."""

from collections.abc import Sequence

from regrow.paper.both_sides import ALL
from regrow.paper.ladder import Rung
from regrow.paper.recipes import Roles, published_order
from regrow.paper.reliability import Reliability, calibration_errors
from regrow.paper.scores import ERASED, PRESERVED
from regrow.paper.signs import SignAccuracy, overall
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
    lines: Sequence[Accuracy],
    signs: Sequence[SignAccuracy],
    bins: Sequence[Reliability],
    rungs: Sequence[Rung],
    roles: Roles,
    confidence: float,
) -> dict[str, float]:
    """Collect flat numbers: mean accuracies, revival rates of the means, concepts that grow back, and of the signs.

    Mean sign accuracy over concepts and expected calibration error of each completer, and the rungs of the ladder over
    all concepts. ``sign_accuracy`` alone is that of the completer of tables 5 and 6. With several erasers the name of
    one stands before its completer's. A rate that does not exist, because nothing was erased or completed, has no key.
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
    several = len({line.eraser for line in signs} | {rung.eraser for rung in rungs}) > 1
    for number, pair in enumerate(dict.fromkeys((line.eraser, line.completer) for line in signs)):
        shares = [
            line.accuracy for line in overall(signs) if (line.eraser, line.completer) == pair and line.concept != ALL
        ]
        mean = round(sum(shares) / len(shares), 6)
        found |= ({} if number else {"sign_accuracy": mean}) | {f"sign_accuracy_{_named(pair, several)}": mean}
    for pair, error in calibration_errors(bins).items():
        found[f"calibration_error_{_named(pair, several)}"] = round(error, 6)
    for rung in rungs:
        if rung.concept == ALL:
            found[f"ladder_{_named((rung.eraser, rung.completer), several)}_{rung.rung}"] = rung.accuracy
    return found


def _named(pair: tuple[str, str], several: bool) -> str:
    return "_".join(pair) if several else pair[1]
