"""The training of the attack `guided`: towards what is usual of the model's images, by the gradient of a CLIP."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from regrow.attack._chains import Chains
from regrow.errors import UserError

if TYPE_CHECKING:
    from regrow.attack._looks import Looker, Usual
    from regrow.attack._places import Places
    from regrow.attack.guided import Options

log = logging.getLogger(__name__)
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Look:
    """What is seen at a look.

    Attributes
    ----------
    iteration : int
        From 1.
    similarity, lack : float
        Means over images of the concept: the cosine, and by how much it is below what is usual.
    similarity_others, lack_others : float
        Over images of other things.
    change : float
        Root mean square of the changes, in maxima of a row.
    """

    iteration: int
    similarity: float
    lack: float
    similarity_others: float
    lack_others: float
    change: float

    def told(self) -> dict[str, float]:
        """Return it for a record."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def best_look(looks: Sequence[tuple[Look, Weights]], weight_others: float) -> tuple[Look, Weights]:
    """Return the look with the least lack, that of other things weighted; the first of equal ones."""
    return min(looks, key=lambda one: one[0].lack + weight_others * one[0].lack_others)


def drift(colours: Tensor, usual: Usual, steps: Tensor) -> Tensor:
    """Return how far colours, (n, 6), of images at some steps are from what is usual there, all together: a number.

    The deviation of each image, in standard deviations, averaged over the images, squared, averaged over the six.
    """
    return ((colours - usual.colours[steps]) / usual.spread[steps]).mean(0).square().mean()


def flags_of(look: Look, usual: Usual) -> list[str]:
    """Return what is to be said of a look in words; see `regrow.attack.guided`."""
    found = {
        "clip_not_reached": look.lack > usual.lack,
        "clip_overfitted": look.similarity > float(usual.levels[-1].mean()) + 3 * usual.lack,
        "others_suffer": look.lack_others > 2 * usual.lack,
    }
    return [flag for flag, is_so in found.items() if is_so]


@dataclass
class Average:
    """An exponential average of changes, without the bias of its first members."""

    decay: float
    _sums: dict[str, Tensor] = field(default_factory=dict)
    _weight: float = 0.0

    def add(self, changes: Mapping[str, Tensor]) -> None:
        """Take in the changes of an iteration."""
        for name, change in changes.items():
            old = self._sums.get(name, torch.zeros_like(change.detach()))
            self._sums[name] = self.decay * old + (1 - self.decay) * change.detach()
        self._weight = self.decay * self._weight + 1 - self.decay

    def value(self) -> dict[str, Tensor]:
        """Return the average."""
        return {name: total / self._weight for name, total in self._sums.items()}

    def size(self) -> float:
        """Return its root mean square."""
        return float(torch.cat(list(self.value().values())).square().mean().sqrt())


def steer(
    looker: Looker,
    usual: Usual,
    places: Places,
    own: Sequence[str],
    others: Sequence[str],
    options: Options,
    generator: Generator,
) -> Iterator[tuple[Look, dict[str, Tensor]]]:
    """Train the changes of some entries; yield what each look sees, with the weights that it sees.

    Parameters
    ----------
    looker : Looker
        Draws with the published model and compares by the CLIP of the attack's own.
    usual : Usual
        What is usual of the images that the model still draws.
    places : Places
        What is trained.
    own, others : sequence of str
        Prompts of the concept and of other things.
    options : Options
        Of `guided`.
    generator : Generator
        On the CPU.

    Raises
    ------
    UserError
        A loss that is not finite.
    """
    drawer = looker.drawer
    # Without a level every image is pushed towards 1, the largest cosine there is.
    levels = torch.ones_like(usual.levels) if options.reach is None else options.reach * usual.levels
    chains = Chains(drawer, [own] * options.batch + [others] * options.batch_others, generator)
    changes, average, began = places.changes(), Average(options.average), time.monotonic()
    optimiser = torch.optim.AdamW(changes.values(), lr=options.learning_rate, weight_decay=options.weight_decay)
    with torch.no_grad():
        chains.spread(places.changed(changes))
    for iteration in range(1, options.iterations + 1):
        original = drawer.original(places.changed(changes), chains.latents, chains.steps, chains.prompts)
        found, colours = looker.see(original, chains.prompts, generator)
        lacks = (levels[chains.steps] - found).clamp_min(0)
        loss = lacks[: options.batch].mean()
        own_steps = chains.steps[: options.batch]
        loss = loss + options.weight_colours * drift(colours[: options.batch], usual, own_steps)
        if options.batch_others:
            loss = loss + options.weight_others * lacks[options.batch :].mean()
        if not torch.isfinite(loss):
            raise UserError(
                f"attack 'guided' has a loss of {loss.item()} at iteration {iteration}: lower its learning rate"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        average.add(changes)
        chains.go_on(original)
        if iteration % options.check_every == 0 or iteration == options.iterations:
            weights = places.changed(average.value())
            seen, lack = _look(looker, usual, weights, own, others, options)
            look = Look(iteration, seen[0], lack[0], seen[1], lack[1], average.size())
            log.info("%s, %.0f s", look.told(), time.monotonic() - began)
            yield look, weights


def _look(
    looker: Looker,
    usual: Usual,
    weights: Weights,
    own: Sequence[str],
    others: Sequence[str],
    options: Options,
) -> tuple[list[float], list[float]]:
    """Return similarity and lack of images of the concept and of others; they have seeds of their own."""
    n = options.held_out
    seen = looker.look(weights, [*cycle(own, n), *cycle(others, n)], options.seed + 1)
    lack = (usual.levels[-1] - seen).clamp_min(0)
    return seen.view(2, n, -1).mean((1, 2)).tolist(), lack.view(2, n, -1).mean((1, 2)).tolist()


def cycle(prompts: Sequence[str], count: int) -> list[str]:
    """Return `count` prompts in turn."""
    return [prompts[i % len(prompts)] for i in range(count)]
