"""Fill the cut with observed weights of the same row or layer, in random places: no marginal gives it away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from regrow.methods import MethodOptions

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.defend._publisher import Publisher
    from regrow.model.masks import Erased


class Options(MethodOptions):
    """Options of `permuted`."""

    scope: Literal["row", "layer"] = Field(description="Where the values are taken from")


def permuted(erased: Erased, publisher: Publisher, options: Options) -> dict[str, Tensor]:
    """Replace pruned entries by observed ones, drawn without replacement as long as there are enough (*variant*, ours).

    Raises
    ------
    UserError
        An erasing that prunes nothing.
    """
    from regrow.defend._cuts import filled
    from regrow.defend._draws import from_layer, from_rows

    return filled(erased, publisher.seed, from_rows if options.scope == "row" else from_layer)
