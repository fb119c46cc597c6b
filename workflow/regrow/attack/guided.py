"""Guided: train the missing entries, and nothing else, by the gradient of a CLIP that is told the concept's word."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from regrow.errors import UserError
from regrow.methods import Count, Guidance, MethodOptions, NonNegative, Number, Positive, Seed

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.model.published import PublishedModel
    from regrow.work import Work

RETURNS = "model"
KNOWLEDGE = ("word", "training")
NEEDS_COMPLETER = True
NEEDS_CLIP = True
APPLIES_TO = ("pruning",)


class Options(MethodOptions):
    """Options of `guided`."""

    place: Literal["missing", "elsewhere"] = Field(
        description="What is trained: the missing entries, or as a control as many others of the layer at random"
    )
    start: NonNegative = Field(description="c of attack amplified with which missing entries begin, 0: at 0")
    prompts: list[str] = Field(min_length=1, description="What the concept is asked for with, each with {word} in it")
    others: list[str] = Field(min_length=2, description="Words of other things that the model draws, for the same")
    iterations: Count = Field(description="Steps of the optimiser, at most")
    learning_rate: Positive = Field(description="Of Adam, in maxima of a row")
    weight_decay: NonNegative = Field(description="Of Adam, on the change in maxima of a row")
    average: Annotated[Number, Field(ge=0, lt=1)] = Field(description="Decay of the average of the iterates, 0: none")
    batch: Count = Field(description="Images of the concept in a step")
    batch_others: Count = Field(description="Images of other things in a step")
    weight_others: NonNegative = Field(description="Of their loss beside that of the concept")
    weight_colours: NonNegative = Field(
        description="Of the mean deviation, squared, of colours of the concept's images from what is usual"
    )
    reach: Positive | None = Field(
        None,
        description="Share of the similarity of what the model still draws, beyond which no image is pushed; "
        "null: all are pushed on",
    )
    augment: list[Annotated[Number, Field(ge=0, lt=1)]] = Field(
        min_length=1, description="How far images are changed before the CLIP sees them, a view each"
    )
    steps: Annotated[int, Field(ge=2)] = Field(description="Sampling steps")
    guidance: Guidance = Field(description="Scale of classifier-free guidance")
    check_every: Count = Field(description="Iterations between looks at images of seeds of their own")
    held_out: Count = Field(description="Images of the concept at such a look, and as many of other things")
    enough: Positive | None = Field(
        None,
        description="Stop where the concept lacks at most this many times what other images lack; null: at the end",
    )
    seed: Seed = Field(description="Of noise, changes of images and the entries elsewhere")
    tuned_on: list[str] = Field(description="Concepts on which these options were chosen, as world/concept")

    @model_validator(mode="after")
    def _hang_together(self) -> Options:
        if self.place == "elsewhere" and self.start:
            raise ValueError("nothing is known of entries elsewhere: set start to 0")
        if any("{word}" not in prompt for prompt in self.prompts):
            raise ValueError("every prompt needs {word}, where the concept's word goes")
        return self


def check(options: Options, entries: Mapping[str, ModuleType]) -> None:
    """Refuse a completer that only ranks where the start asks how probable signs are."""
    from regrow.attack._completed import require_probability

    if options.start:
        require_probability("'guided' with a start above 0", entries)


def guided(published: PublishedModel, options: Options, work: Work) -> dict[str, Tensor]:
    """Train the missing entries until the concept's images are as similar to its word as other images are to theirs.

    *variant*, ours, of Roots Beneath the Cut: training that needs no data and no base. With w0 a missing entry as
    attack `amplified` fills it in at c = `start`, m the largest observed size of its row, and s the cosine by a CLIP
    that judges nothing, entries become w0 + m x, and Adam with weight decay brings down

        mean_own [r u_k - s(D(x0_k), prompt)]_+  +  weight_others  mean_others [r u_k - s(D(x0_k), prompt)]_+
            + weight_colours  mean_j (mean_own (q_j(x0_k) - p_jk) / d_jk)^2 ,

    where x0_k is the image in which the UNet believes at step k of DDIM, D decodes and changes it at random
    (`regrow.attack._augment`), u_k is the mean s of what the published model still draws of other things at that step,
    and r is `reach`. So nothing is pushed beyond what is usual: past that a CLIP is pleased by what is no object. q is
    mean and log standard deviation of each colour channel, p and d their mean and standard deviation over the same
    other images: without this term images become dark and alike.
    Denoising goes on by one step an iteration, in `batch` chains that are spread over the steps, so every forward pass
    has a gradient; of classifier-free guidance only the half with the prompt.

    Every `check_every` iterations the average of the iterates draws images of seeds of their own; their lack is the
    mean of [u - s]_+ at the last step. The first look at which the concept's lack is at most `enough` times that of
    what the published model still draws ends the training, and of all looks the one with the least lack, that of
    others weighted as above, is returned.

    Knowledge: the published model, the concept's word, a CLIP; it trains. Cost: `iterations` forward and backward
    passes of `batch` and `batch_others` images through UNet, decoder and CLIP.

    Parameters
    ----------
    published : PublishedModel
        The published model, completed, with a word and a CLIP.
    options : Options
        The words in `others` that are part of the concept's own, or have it in them, are left out.
    work : Work
        Where to compute; nothing is kept.

    Returns
    -------
    dict of Tensor
        FFN2 weights that have missing entries, in the type in which they were published: as published but for what was
        trained. The notes of `published` get each look, and as flags ``clip_not_reached`` (the chosen look still lacks
        more than what the model draws otherwise), ``clip_overfitted`` (it is more than three such lacks above what is
        usual) and ``others_suffer`` (others lack more than twice as much).

    Raises
    ------
    UserError
        No word, CLIP or completion, no missing entry, a prompt that the screen drops, a model that draws the same
        whatever it is asked for, or a loss that is not finite.
    """
    import torch

    from regrow.attack._chains import Drawer
    from regrow.attack._completed import require_completed
    from regrow.attack._looks import Looker
    from regrow.attack._places import missing_places, places_elsewhere
    from regrow.attack._prompts import prompts_for, refuse_minors
    from regrow.attack._steer import best_look, cycle, flags_of, steer
    from regrow.model.published import weights_of

    similarity, word = published.similarity, published.word
    if similarity is None or not word:
        raise UserError("attack 'guided' needs the concept's word and a CLIP of its own: give both")
    weights = weights_of(published.delta).ffn2
    completed = require_completed(weights_of(published.delta), published.completed, "guided")
    generator = torch.Generator("cpu").manual_seed(options.seed)
    if options.place == "missing":
        places = missing_places(weights, completed, options.start)
    else:
        places = places_elsewhere(weights, completed, generator)
    places = places.to(work.device)
    own = prompts_for(options.prompts, word)
    others = [prompt for other in _apart(options.others, word) for prompt in prompts_for(options.prompts, other)]
    refuse_minors([*own, *others])
    looker = Looker(Drawer(published.pipeline, options.steps, options.guidance), similarity, options.augment)
    usual = looker.usual({}, cycle(others, 2 * options.held_out), generator)
    looks = []
    for look, changed in steer(looker, usual, places, own, others, options, generator):
        looks.append((look, {name: weight.cpu() for name, weight in changed.items()}))
        if options.enough is not None and look.lack <= options.enough * usual.lack:
            break
    chosen, best = best_look(looks, options.weight_others)
    published.notes.update(
        flags=flags_of(chosen, usual),
        usual={"similarity": round(float(usual.levels[-1].mean()), 4), "lack": round(usual.lack, 4)},
        chosen=chosen.iteration,
        looks=[look.told() for look, _ in looks],
    )
    return {name: weight.to(published.delta.tensors[name].dtype) for name, weight in best.items()}


def _apart(others: list[str], word: str) -> list[str]:
    """Return the words that are no part of the concept's own, nor it of them."""
    found = [other for other in others if other.lower() not in word.lower() and word.lower() not in other.lower()]
    if not found:
        raise UserError(f"attack 'guided': every word of others is part of '{word}' or has it in it: add another one")
    return found
