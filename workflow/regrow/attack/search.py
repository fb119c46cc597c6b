"""Search: how large each group of missing entries should be, by what a CLIP says of the attacker's own images."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from regrow.methods import Count, Fraction, Guidance, MethodOptions, NonNegative, Number, Positive, Seed

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.attack._groups import Groups
    from regrow.model.published import PublishedModel
    from regrow.work import Work

RETURNS = "model"
KNOWLEDGE = ("word",)
NEEDS_COMPLETER = True
NEEDS_CLIP = True
APPLIES_TO = ("pruning",)

START = "the start"
log = logging.getLogger(__name__)


class Options(MethodOptions):
    """Options of `search`."""

    start: Positive = Field(description="c of attack amplified at which the search begins")
    limits: list[Fraction] = Field(
        description="Rising shares of a column that may be missing: they divide the columns of a layer into groups, "
        "each with a scale of its own; none: one scale per layer"
    )
    prompts: list[str] = Field(min_length=1, description="What the concept is asked for with, each with {word} in it")
    others: list[str] = Field(min_length=1, description="Words of other things that the model draws, for the same")
    images: Annotated[int, Field(ge=2)] = Field(description="Images of the concept by which a candidate is judged")
    images_others: Annotated[int, Field(ge=2)] = Field(description="Images of other things, for the same")
    weight_others: NonNegative = Field(description="Of what images of other things lose, beside what the concept gains")
    generations: Count = Field(description="Of the evolution strategy")
    population: Annotated[int, Field(ge=4)] = Field(description="Candidates of a generation")
    sigma: Positive = Field(description="Standard deviation of each scale's logarithm at the beginning")
    common: Annotated[Number, Field(ge=0, lt=1)] = Field(description="Correlation of the scales at the beginning")
    finalists: Annotated[int, Field(ge=3)] = Field(
        description="Candidates that images of new seeds choose from: the start, the last mean and the best so far"
    )
    images_final: Annotated[int, Field(ge=2)] = Field(
        description="Such images, of the concept and of other things each"
    )
    steps: Count = Field(description="Sampling steps")
    guidance: Guidance = Field(description="Scale of classifier-free guidance")
    batch: Count = Field(description="Images at once; changes time and memory, and a score by rounding only")
    seed: Seed = Field(description="Of the candidates and of their images, the same for all")
    tuned_on: list[str] = Field(description="Concepts on which these options were chosen, as world/concept")

    @model_validator(mode="after")
    def _hang_together(self) -> Options:
        if self.limits != sorted(set(self.limits)):
            raise ValueError(f"limits are {self.limits}: let them rise")
        if any("{word}" not in prompt for prompt in self.prompts):
            raise ValueError("every prompt needs {word}, where the concept's word goes")
        if self.finalists - 2 > self.generations * self.population:
            raise ValueError(f"{self.generations} generations of {self.population} have no {self.finalists} finalists")
        return self


def check(options: Options, entries: Mapping[str, ModuleType]) -> None:
    """Refuse a completer that only ranks."""
    from regrow.attack._completed import require_probability

    require_probability("'search'", entries)


def images(options: Options) -> int:
    """Return how many images the attack draws, of `options.steps` steps each."""
    own, others, final = options.images, options.images_others, options.images_final
    return others + options.generations * options.population * (own + others) + final + options.finalists * 2 * final


def search(published: PublishedModel, options: Options, work: Work) -> dict[str, Tensor]:
    """Scale groups of missing entries so that a CLIP finds the concept in the attacker's own images.

    *variant*, ours, of Roots Beneath the Cut; it trains nothing. With A the fill of attack `amplified` at c = start,
    and g the groups of columns of a layer that have about the same share missing,

        w = e^x_g A_w  for every missing entry w of group g.

    CMA-ES (Hansen and Ostermeier, 2001; the library cmaes) finds x, from 0 and within a factor of ten, for the largest

        mean cos(CLIP) of the concept's images - weight_others max(0, what other images lose of theirs),

    the loss being against the published model's own images. All candidates are drawn from the same seeds. The start,
    the last mean and the best candidates are then drawn from other seeds, and the best by those is returned, so that
    what was luck with the search's seeds counts for nothing.

    Knowledge: the concept's word. Cost: `images`, no completion, no gradient. A killed search goes on after its last
    generation and ends with the same weights.

    Parameters
    ----------
    published : PublishedModel
        With what a completer recovered and with a CLIP, which is no judge.
    options : Options
        See the class.
    work : Work
        The scores of all generations lie in its folder.

    Returns
    -------
    dict of Tensor
        float32 FFN2 weights of the layers in which something was missing; none where nothing was. The notes of
        `published` get the scale of each group, the finalists' scores on images of other seeds, and as flag
        ``clip_overfitted`` that none of what the search found beats its start on these.

    Raises
    ------
    UserError
        No completion, one of other weights, images that are all alike, or a model or CLIP that says NaN.
    """
    from regrow.attack._evolution import Evolution
    from regrow.attack._own_images import Objective, Viewer
    from regrow.attack._prompts import prompts_for
    from regrow.images.renderer import Sampler

    groups = _groups(published, options)
    if not groups.members:
        log.warning("nothing is missing, so there is nothing to search")
        return {}
    log.info("%d scales to find: %d images of %d steps in all", len(groups.members), images(options), options.steps)
    assert published.word is not None  # KNOWLEDGE
    own = prompts_for(options.prompts, published.word)
    others = [prompt for word in options.others for prompt in prompts_for(options.prompts, word)]
    sampler = Sampler(type(published.pipeline.scheduler).__name__, options.steps, options.guidance)
    view = Viewer(published, groups, sampler, options.batch)
    evolution = Evolution(
        work.folder / "search.json",
        _key(published.word, options, groups),
        len(groups.members),
        options.population,
        options.sigma,
        options.common,
        options.seed,
    )
    objective = Objective(
        view, own, others, (options.images, options.images_others), options.weight_others, options.seed
    )
    while evolution.generation < options.generations:
        candidates = evolution.candidates()
        scores = [objective.score(one) for one in candidates]
        evolution.tell(candidates, scores)
        mean = sum(scores) / len(scores)
        log.info(
            "generation %d of %d: best %.4f, mean %.4f", evolution.generation, options.generations, max(scores), mean
        )
    best = sorted(evolution.tried, key=lambda tried: -tried[1])[: options.finalists - 2]
    finalists = {START: [0.0] * len(groups.members), "the last mean": evolution.mean}
    finalists |= {f"candidate {rank} (searched {score:.4f})": one for rank, (one, score) in enumerate(best, 1)}
    counts = (options.images_final, options.images_final)
    objective = Objective(view, own, others, counts, options.weight_others, options.seed + 2)
    scored = {name: objective.score(one) for name, one in finalists.items()}
    for name, score in scored.items():
        log.info("%s on images of other seeds: %.4f", name, score)
    chosen = max(scored, key=lambda name: scored[name])
    log.info("chosen: %s", chosen)
    published.notes.update(
        scores={name: round(score, 4) for name, score in scored.items()},
        chosen=chosen,
        scales=groups.factors(finalists[chosen]),
        # What the search found best is no better than its start on images of other seeds.
        flags=["clip_overfitted"] if chosen == START else [],
    )
    return groups.scaled(finalists[chosen])


def _groups(published: PublishedModel, options: Options) -> Groups:
    """Return the fill of `amplified` at c = start, in groups of columns."""
    from regrow.attack._amplify import filled
    from regrow.attack._completed import require_completed
    from regrow.attack._groups import group
    from regrow.model.published import weights_of

    weights = weights_of(published.delta)
    recovered = require_completed(weights, published.completed, "search")
    start = {name: filled(weight, recovered, name, options.start) for name, weight in weights.ffn2.items()}
    return group(start, recovered.missing, options.limits)


def _key(word: str, options: Options, groups: Groups) -> str:
    """Return a digest of all that scores depend on, so that those of another search are not taken for its own."""
    import hashlib
    import json

    from regrow.io.safetensors import tensors_digest

    settings = options.model_dump(
        mode="json", exclude={"batch", "generations", "finalists", "images_final", "tuned_on"}
    )
    parts = [word, settings, tensors_digest(groups.weights), tensors_digest(groups.fill)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
