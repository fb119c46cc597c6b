"""Quant Recover: 4-bit fake quantisation of the published FFN2 weights (methods.md 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from regrow.methods import Count, MethodOptions

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.model.completed import Completed
    from regrow.model.published import PublishedWeights

RETURNS = "weights"
KNOWLEDGE = ("nothing",)
NEEDS_COMPLETER = False
APPLIES_TO = ("pruning",)


class Options(MethodOptions):
    """Options of `quantize`."""

    scheme: Literal["int4_rows", "fp4_blocks", "nf4_blocks"] = Field(
        description="int4_rows: one scale per row (code); fp4_blocks, nf4_blocks: bitsandbytes' codes by blocks"
    )
    block: Count | None = Field(None, description="Weights per scale, for the block schemes only (bitsandbytes: 64)")

    @model_validator(mode="after")
    def _block_where_one_belongs(self) -> Options:
        if self.scheme == "int4_rows" and self.block is not None:
            raise ValueError("scheme int4_rows takes whole rows: remove 'block' from its entry in params.yaml")
        if self.scheme != "int4_rows" and self.block is None:
            raise ValueError(f"scheme {self.scheme} needs 'block', weights per scale: bitsandbytes takes 64")
        return self


def quantize(published: PublishedWeights, completed: Completed | None, options: Options) -> dict[str, Tensor]:
    """Round every FFN2 weight to 4 bits and back; exact zeros stay zeros, so only observed weights move.

    ``int4_rows`` is *faithful* to the published code of Roots Beneath the Cut. ``fp4_blocks`` and ``nf4_blocks`` are
    the protocol that its text cites (*interpretation*: bitsandbytes' defaults, blocks of 64 in row-major order, but of
    the FFN2 weights alone).

    Parameters
    ----------
    published : PublishedWeights
        The published model.
    completed : None
        Not used.
    options : Options
        See the class.

    Returns
    -------
    dict of Tensor
        float32 FFN2 weights that hold quantised values.
    """
    from regrow.attack._fake_quantize import fp4_blocks, int4_rows, nf4_blocks

    if options.block is None:
        return {name: int4_rows(weight) for name, weight in published.ffn2.items()}
    by_blocks = fp4_blocks if options.scheme == "fp4_blocks" else nf4_blocks
    return {name: by_blocks(weight, options.block) for name, weight in published.ffn2.items()}
