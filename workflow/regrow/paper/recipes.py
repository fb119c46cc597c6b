"""What each recipe is to the others: the untouched model, the erased one, the attempts to revive it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from regrow.errors import UserError

_PUBLISHER = ("eraser", "defence")
_STEPS = ("eraser", "defence", "completer", "reviver", "oracle")
# Columns of Table 1 of the paper, in its order; a recipe that is not among them comes behind them.
PUBLISHED_ORDER = ("pretrained", "pruned", "quantized", "roots_sample", "roots_average", "roots_max")
_HEADINGS = {
    "pretrained": "Pretrained",
    "pruned": "Pruned",
    "quantized": "Quantized",
    "roots_sample": "Roots, sample",
    "roots_average": "Roots, average",
    "roots_max": "Roots, maximum",
    "roots_soft_impute": "Roots, soft impute",
    "roots_posterior": "Roots, posterior",
    "roots_auto": "Roots, K chosen",
    "true_magnitudes": "True magnitudes, random signs",
    "true_signs_sample": "True signs, sample",
    "true_signs_average": "True signs, average",
    "true_signs_max": "True signs, maximum",
}


@dataclass(frozen=True)
class Chain:
    """One erased model and the recipes that try to revive it."""

    erased: str
    revivers: tuple[str, ...]


@dataclass(frozen=True)
class Roles:
    """The recipe without an eraser, and a chain for every erased model."""

    pretrained: str
    chains: tuple[Chain, ...]


def chain_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the steps of a recipe, each a name or its settings, without what its metadata says besides."""
    return {step: recipe[step] for step in _STEPS if recipe.get(step)}


def heading(recipe: str) -> str:
    """Return a recipe's name as a column heading."""
    return _HEADINGS.get(recipe, recipe.replace("_", " ").capitalize())


def published_order(recipes: Iterable[str]) -> list[str]:
    """Sort recipes as Table 1 does; those that are not in it stay in their order behind."""
    return sorted(
        recipes, key=lambda name: PUBLISHED_ORDER.index(name) if name in PUBLISHED_ORDER else len(PUBLISHED_ORDER)
    )


def steps(recipe: Mapping[str, Any], options: bool) -> str:
    """Return a recipe as a readable chain, ``conceptprune > nuclear > roots_max``, with or without options."""
    return " > ".join(_name(step, options) for step in chain_of(recipe).values()) or "nothing: the base model as it is"


def roles(recipes: Mapping[str, Mapping[str, Any]]) -> Roles:
    """Find for every reviver the erased model that it starts from. An oracle is no reviver and takes no part.

    Parameters
    ----------
    recipes : mapping
        Recipe name to its steps ``eraser``, ``defence``, ``reviver``, ``oracle``; what is absent is not done.

    Returns
    -------
    Roles
        Chains in the published order.

    Raises
    ------
    UserError
        When there is not exactly one pretrained recipe, no eraser, or a reviver's erased model was not judged.
    """
    ordered = [name for name in published_order(recipes) if not recipes[name].get("oracle")]
    pretrained = [name for name in ordered if not chain_of(recipes[name])]
    if len(pretrained) != 1:
        raise UserError(
            f"{len(pretrained)} recipes have no step, one is needed to compare with: keep `pretrained: {{}}` in recipes"
        )
    revivers: dict[str, list[str]] = {}
    bases = {}
    for name in ordered:
        if recipes[name].get("eraser") and not recipes[name].get("reviver"):
            bases[_publisher(recipes[name])] = name
            revivers[name] = []
    for name in ordered:
        if recipes[name].get("eraser") and recipes[name].get("reviver"):
            if _publisher(recipes[name]) not in bases:
                raise UserError(
                    f"recipe '{name}' revives a model that is not judged: add the same recipe without its reviver"
                )
            revivers[bases[_publisher(recipes[name])]].append(name)
    if not bases:
        raise UserError("no recipe erases a concept: add one with an eraser and no reviver")
    return Roles(pretrained[0], tuple(Chain(erased, tuple(names)) for erased, names in revivers.items()))


def oracles(recipes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the recipes that an oracle fills in: no attackers, for they know true signs or magnitudes."""
    return [name for name in published_order(recipes) if recipes[name].get("oracle")]


def completers(rows: Iterable[Any]) -> dict[tuple[str, str], str]:
    """Return a heading for every (eraser, completer) of some rows, in order; one eraser alone is not named."""
    pairs = list(dict.fromkeys((row.eraser, row.completer) for row in rows))
    several = len({eraser for eraser, _ in pairs}) > 1
    return {
        (eraser, completer): f"{completer}{f' after {eraser}' if several else ''}".replace("_", " ")
        for eraser, completer in pairs
    }


def layer_heading(layer: str) -> str:
    """Return a layer's place in the UNet: ``down_blocks.0.attentions.1.transformer...`` is "down 0.1"."""
    block, *rest = layer.partition(".transformer_blocks")[0].split(".")
    numbers = ".".join(part for part in rest if part.isdigit())
    return f"{block.partition('_')[0]} {numbers}".strip()


def _publisher(recipe: Mapping[str, Any]) -> str:
    """Return what the publisher did, comparable whether a step is a name or its settings."""
    return json.dumps({step: made for step, made in chain_of(recipe).items() if step in _PUBLISHER}, sort_keys=True)


def _name(step: Any, options: bool) -> str:
    if not isinstance(step, Mapping):
        return str(step)
    name = step.get("name") or step.get("method")
    told = {key: value for key, value in step.items() if key != "name" and (key, value) != ("method", name)}
    stated = ", ".join(f"{key} {value}" for key, value in told.items())
    return f"{name} ({stated})" if options and stated else str(name)
