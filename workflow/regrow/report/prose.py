"""Verdicts in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from regrow.tables.pooling import is_pooled
from regrow.tables.revival import PRETRAINED
from regrow.tables.strongest import strongest_attacks
from regrow.tables.verdict import Kind, Verdict, accuracy

if TYPE_CHECKING:
    import pandas as pd


def percent(share: float) -> str:
    """Return a share as whole per cent, ``6 %``."""
    return f"{round(100 * share)} %"  # a whole number: "-0 %" would puzzle a reader


def sentence(verdict: Verdict) -> str:
    """Say a verdict in one sentence."""
    before, after = percent(verdict.pretrained.accuracy), percent(verdict.erased.accuracy)
    best = verdict.attacked
    match verdict.kind:
        case Kind.UNCLEAR:
            n = verdict.pretrained.n_distinct
            return f"cannot be judged: only {before} of the pretrained model's {n} images show it"
        case Kind.NOT_ERASED:
            return f"not erased: {after} of the images still show it in {verdict.erased.published}, {before} before"
        case Kind.GROWS_BACK if best:
            return f"erased to {after}, grows back to {percent(best.accuracy)} with {best.attack}"
        case Kind.PARTLY if best:
            return f"erased to {after}, grows back in part, to {percent(best.accuracy)} with {best.attack}"
        case Kind.STAYS if best:
            return f"erased to {after} and stays erased: at most {percent(best.accuracy)}, with {best.attack}"
        case _:
            return f"erased to {after}; no attack was tried"


def headline(found: Sequence[Verdict]) -> str:
    """Say in one sentence how many concepts grow back."""
    of_all = f" of {len(found)} concept{'' if len(found) == 1 else 's'}"
    count = {kind: sum(verdict.kind is kind for verdict in found) for kind in Kind}
    erased = len(found) - count[Kind.UNCLEAR] - count[Kind.NOT_ERASED]
    if count[Kind.UNCLEAR] == len(found):
        return "Nothing can be judged: the pretrained model shows the concepts too rarely for this many images."
    if not erased:
        # What cannot be judged was not shown to be erased either.
        return f"0{of_all} were erased, so there is nothing to grow back."
    if erased == len(found) and not count[Kind.UNTRIED]:
        return f"{_grown(count[Kind.GROWS_BACK], count[Kind.PARTLY], of_all)}."
    outcome = f"of these, {_grown(count[Kind.GROWS_BACK], count[Kind.PARTLY], '')}"
    if count[Kind.UNTRIED]:
        outcome = "no attack was tried"
    return f"{erased}{of_all} {'was' if erased == 1 else 'were'} erased; {outcome}."


def summary(table: pd.DataFrame, prompt_set: str, others: str | None, published: str) -> list[str]:
    """Say in two or three sentences what erasing and attacking do on average, to the concept and to the others.

    One paragraph per kind of concept, for an object and a style share no mean.
    """
    return [
        sentence
        for mean in dict.fromkeys(table["concept"])
        if is_pooled(mean)
        for sentence in _summary(table, mean, prompt_set, others, published)
    ]


def _summary(table: pd.DataFrame, mean: str, prompt_set: str, others: str | None, published: str) -> list[str]:
    erased_model = ("erased", published, "none")
    rows = table[(table["concept"] == mean) & (table["prompt_set"] == prompt_set)]
    attack = strongest_attacks(rows).get(published)
    before, erased = (accuracy(table, mean, model, prompt_set) for model in (PRETRAINED, erased_model))
    kind = mean.partition(" ")[2]
    said = [
        f"Erasing ({published}) lowers the share of images in which the judge sees the {kind or 'concept'} from "
        f"{percent(before.accuracy)} to {percent(erased.accuracy)} on average."
    ]
    if attack:
        best = accuracy(table, mean, ("attacked", published, attack), prompt_set)
        said.append(f"The strongest attack on average, {attack}, brings it to {percent(best.accuracy)}.")
    if others:
        kept_before, kept = (accuracy(table, mean, model, others) for model in (PRETRAINED, erased_model))
        change = (
            "Other concepts, which should be left alone, go from "
            f"{percent(kept_before.accuracy)} to {percent(kept.accuracy)}"
        )
        if not attack:
            return [*said, f"{change}."]
        kept_best = accuracy(table, mean, ("attacked", published, attack), others)
        said.append(f"{change} when the concept is erased, and to {percent(kept_best.accuracy)} with {attack}.")
    return said


def _grown(fully: int, partly: int, of: str) -> str:
    """Say how many grow back, each number followed by `of`, without a full stop."""
    if fully:
        in_part = f", {partly} more in part" if partly else ""
        return f"{fully}{of} {_grow(fully)} back{in_part}"
    if partly:
        return f"{partly}{of} {_grow(partly)} back in part, none fully"
    return f"0{of} grow back"


def _grow(count: int) -> str:
    return "grows" if count == 1 else "grow"
