"""Read what only the publisher and an analyst have together: the published model, its erasing and the base."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from regrow.errors import UserError
from regrow.model.deltas import delta_digest
from regrow.model.masks import Erased, mask_of, read_erased
from regrow.model.pipelines import read_base
from regrow.model.published import PublishedWeights, read_published, require_ffn2
from regrow.model.publishing import changed_tensors
from regrow.world import World, read_world


@dataclass(frozen=True)
class BothSides:
    """A published model with the truth about it.

    Attributes
    ----------
    world : World
        Its world.
    published : PublishedWeights
        The published model.
    erased : Erased
        The erasing that it was published from.
    mask : dict of Tensor
        bool, True = pruned, for every FFN2 weight of the published model.
    pretrained : dict of Tensor
        The base's FFN2 weights of the same names, float32.
    """

    world: World
    published: PublishedWeights
    erased: Erased
    mask: dict[str, Tensor]
    pretrained: dict[str, Tensor]

    @property
    def metadata(self) -> dict[str, str]:
        """Where a number comes from."""
        return origin(self.world, self.published)


def origin(world: World, published: PublishedWeights) -> dict[str, str]:
    """Return the metadata that every measure of a published model carries."""
    return {"world": world.name, "base": world.base, "model": published.digest}


def read_model(world: World, model: Path) -> PublishedWeights:
    """Read a published model of a world for a measure of its FFN2 weights.

    Raises
    ------
    UserError
        A broken file, a model of another world, or one without FFN2 weights.
    """
    published = read_published(model)
    if published.base != world.base:
        raise UserError(
            f"{model} belongs to base {published.base[:12]}, not to world '{world.name}': give a model of this world"
        )
    require_ffn2(published, model)
    return published


def read_pretrained(world: World, published: PublishedWeights) -> dict[str, Tensor]:
    """Return the base's FFN2 weights that a published model changes, float32."""
    return {name: weight.float() for name, weight in read_base(world.pipeline, published.ffn2).items()}


def read_both_sides(world: Path, model: Path, erased: Path) -> BothSides:
    """Read a published model, its erasing and the base.

    Raises
    ------
    UserError
        As `read_model`; an erasing that prunes nothing, or one that this model was not published from.
    """
    index = read_world(world)
    published, made = read_model(index, model), read_erased(erased)
    if made.base != published.base:
        raise UserError(f"{erased} is of base {made.base[:12]}, not of {published.base[:12]}: give another")
    mask = mask_of(made, published.ffn2, erased)
    if delta_digest(changed_tensors(made, index.pipeline), made.base) != published.digest:
        raise UserError(
            f"{erased} is another erasing than that of {model}: give the one from which this model was published"
        )
    return BothSides(index, published, made, mask, read_pretrained(index, published))
