"""What judges have in common that compare the features of a set of images with those of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field

from regrow.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from regrow.images.prompts import Prompt
    from regrow.judges import JudgeProtocol

Images = Annotated[int, Field(ge=2, strict=True)]


class Features(Protocol):
    """What a type of such judges offers as its class `Features`, made of a protocol and a device."""

    statement: dict[str, str]  # two sets can be compared only where all of it is equal; `features` stands in tables

    def vectors(self, images: list[Image.Image]) -> np.ndarray:
        """Return a line of numbers per RGB image of any size."""


class SetDistance:
    """A judge of a set by its distance from a reference.

    Parameters
    ----------
    protocol : JudgeProtocol
        ``reference``: a file of measure_reference, seen from the working directory as all paths of a world.
        ``images``, where it is given: how many images a set and the reference must have; any other number is refused.
    device : str
        For example ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        A reference of other features or of another number of images; and what the type's `Features` raises.
    """

    def __init__(self, protocol: JudgeProtocol, device: str = "cpu") -> None:
        from regrow.judge._references import read_reference

        features: Features = protocol.module.Features(protocol, device)
        self.protocol, self.features = protocol, features
        self._images: int | None = protocol.require("images", Images) if "images" in protocol.settings else None
        self._reference = read_reference(reference_file(protocol), features.statement, self._images)
        self.reset()

    def update(self, images: list[Image.Image], rows: Sequence[Prompt]) -> None:
        """Add a batch."""
        from regrow.judge._feature_sets import pixels_digest

        self._set.add([pixels_digest(image) for image in images], self.features.vectors(images))

    def merge(self, other: SetDistance) -> None:
        """Add what another judge has seen."""
        self._set.merge(other._set)

    def compute(self) -> list[dict[str, Any]]:
        """Return one row: the distances with their standard errors, and by which features.

        Raises
        ------
        UserError
            Fewer than two images, or another number than the protocol asks for.
        """
        n = self._set.n
        if n < 2:
            raise UserError(f"{self.protocol.folder}: the distance of a set needs two images or more, there is {n}")
        if self._images not in (None, n):
            raise UserError(
                f"{self.protocol.folder} compares sets of {self._images} images, here are {n}, and distances of sets "
                "of different sizes cannot be compared: count as many in the audit, or take `images` out of judge.yaml"
            )
        distance, kernel = self._reference.frechet(self._set), self._reference.kernel(self._set)
        return [
            {
                "distance": distance.value,
                "distance_error": distance.error,
                "kid": kernel.value,
                "kid_error": kernel.error,
                "features": self.features.statement["features"],
            }
        ]

    def reset(self) -> None:
        """Forget all images; the reference stays."""
        from regrow.judge._feature_sets import FeatureSet

        self._set = FeatureSet()


def reference_file(protocol: JudgeProtocol) -> Path:
    """Return where the judge's reference lies."""
    return Path(protocol.require("reference", str))
