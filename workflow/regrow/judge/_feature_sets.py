"""What is kept of a set of feature vectors: sums for mean and covariance, and a random sample; its size is fixed.

Two parts of a set merge into what the whole would have given, so memory does not grow with the number of images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

SAMPLE = 4096  # images whose vectors are kept: 34 MB at Inception's 2,048 dimensions, as much as the sums


@dataclass(frozen=True)
class Sample:
    """Vectors of at most `SAMPLE` distinct images.

    Attributes
    ----------
    vectors : ndarray
        float64, one line per image.
    counts : ndarray
        How often each image stands in the set.
    """

    vectors: np.ndarray
    counts: np.ndarray


class FeatureSet:
    """A set of images, as their feature vectors tell it.

    Attributes
    ----------
    n : int
        Images, equal ones counted each time.
    """

    def __init__(self) -> None:
        self.n = 0
        self._total: np.ndarray | None = None
        self._outer: np.ndarray | None = None
        self._kept: dict[str, tuple[int, np.ndarray]] = {}

    def add(self, digests: Sequence[str], vectors: np.ndarray) -> None:
        """Add a batch: what is on each image by digest, and its vector."""
        import numpy as np

        vectors = np.asarray(vectors, dtype=np.float64)
        self._add_sums(len(vectors), vectors.sum(axis=0), vectors.T @ vectors)
        for digest, vector in zip(digests, vectors, strict=True):
            self._keep(digest, 1, vector)
        self._trim()

    def merge(self, other: FeatureSet) -> None:
        """Add what another set holds."""
        if other._total is not None and other._outer is not None:
            self._add_sums(other.n, other._total, other._outer)
        for digest, (count, vector) in other._kept.items():
            self._keep(digest, count, vector)
        self._trim()

    @property
    def mean(self) -> np.ndarray:
        """The mean vector."""
        return self._sums()[0] / self.n

    @property
    def covariance(self) -> np.ndarray:
        """The covariance with n - 1 in the denominator; of two images or more."""
        import numpy as np

        total, outer = self._sums()
        return (outer - np.outer(total, total) / self.n) / (self.n - 1)

    @property
    def sample(self) -> Sample:
        """The images whose digests are the smallest, which is a random choice that no order and no batch changes."""
        import numpy as np

        kept = [self._kept[digest] for digest in sorted(self._kept)[:SAMPLE]]
        return Sample(np.array([vector for _, vector in kept]), np.array([count for count, _ in kept]))

    @property
    def n_distinct(self) -> float:
        """Distinct images: counted where all are in the sample, else estimated from how often those in it occur."""
        counts = self.sample.counts
        return float(self.n * len(counts) / counts.sum())

    def _add_sums(self, n: int, total: np.ndarray, outer: np.ndarray) -> None:
        first = self._total is None
        self.n += n
        self._total = total.copy() if first else self._total + total
        self._outer = outer.copy() if first else self._outer + outer

    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        assert self._total is not None and self._outer is not None, "an empty set has no mean"
        return self._total, self._outer

    def _keep(self, digest: str, count: int, vector: np.ndarray) -> None:
        known = self._kept.get(digest, (0, vector))
        self._kept[digest] = known[0] + count, known[1]

    def _trim(self) -> None:
        # What went out comes back only to go out again, for those before it stay: the counts of the rest are right.
        if len(self._kept) > 2 * SAMPLE:
            self._kept = {digest: self._kept[digest] for digest in sorted(self._kept)[:SAMPLE]}


def pixels_digest(image: Image.Image) -> str:
    """Return a digest of what is on an image, whatever file it came from."""
    return hashlib.sha256(f"{image.mode} {image.size} ".encode() + image.tobytes()).hexdigest()
