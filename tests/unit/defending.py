"""An erasing made up of numbers, for the tests of defences."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from regrow.defend._publisher import Publisher
from regrow.model.masks import Erased

NAME = "unet.block.ff.net.2.weight"


def erasing(rows: int = 40, columns: int = 160, share: float = 0.15, dtype: torch.dtype = torch.float32) -> Erased:
    """Prune the same columns in nearly every row, as ConceptPrune does, and leave one row whole."""
    generator = torch.Generator().manual_seed(5)
    weight = 0.03 * torch.randn(rows, columns, generator=generator) * torch.linspace(0.5, 2, rows)[:, None]
    mask = torch.rand(rows, columns, generator=generator) < 0.9
    mask &= (torch.rand(columns, generator=generator) < share)[None, :]
    mask[0] = False
    tensors = {NAME: weight.masked_fill(mask, 0.0).to(dtype), "unet.conv.weight": torch.ones(3)}
    return Erased(tensors, {NAME: mask, "unet.other.ff.net.2.weight": torch.zeros(2, 8, dtype=torch.bool)}, "base", {})


def publisher(seed: int = 0, **fields: Any) -> Any:
    """Return the publisher's side as far as a defence without a model asks for it."""
    return SimpleNamespace(seed=seed, device="cpu", **fields) if fields else Publisher(Path(), None, "cpu", seed)  # type: ignore[arg-type]
