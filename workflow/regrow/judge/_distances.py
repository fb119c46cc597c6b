"""Distances between two sets of feature vectors: Frechet's (FID), and the kernel distance (KID), with standard errors.

The errors are those of the infinitesimal jackknife, which is the bootstrap's limit: what each image does to the
distance, to first order. Resampling itself gives the same spread around a larger distance, since a set with doubles has
a poorer covariance, and its percentiles leave out the very value that they are of. The reference is taken as given: it
is the same for all models.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from regrow.judge._feature_sets import FeatureSet, Sample

BLOCK = 512  # rows of a kernel matrix at once


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error over the drawn images."""

    value: float
    error: float


class Reference:
    """The set that others are compared with.

    Parameters
    ----------
    mean, covariance : ndarray
        Of all its images.
    sample : Sample
        Vectors of some.
    """

    def __init__(self, mean: np.ndarray, covariance: np.ndarray, sample: Sample) -> None:
        self.mean, self.covariance, self.sample = mean, covariance, sample

    def frechet(self, images: FeatureSet) -> Estimate:
        """Return the Frechet distance of normal distributions: |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)).

        The last trace is that of the root of R S R, R being the symmetric root of S': symmetric and without negative
        eigenvalues, where the root of the product S S' is neither.
        """
        import numpy as np

        mean, covariance, sample = images.mean, images.covariance, images.sample
        apart = mean - self.mean
        values, vectors = np.linalg.eigh(self.root @ covariance @ self.root)
        # Rounding makes tiny numbers of zeros, of which there are many where images are fewer than dimensions.
        values = np.where(values > values[-1] * len(values) * np.finfo(float).eps, values, 0.0)
        traces = np.trace(covariance) + np.trace(self.covariance)
        distance = float(apart @ apart + traces - 2 * np.sqrt(values).sum())
        # d distance / d S = 1 - R (R S R)^(-1/2) R, on the span of the images.
        inverse = np.divide(1, np.sqrt(values), out=np.zeros_like(values), where=values > 0)
        deviations = sample.vectors - mean
        turned = deviations @ self.root @ vectors
        influence = 2 * deviations @ apart + (deviations**2).sum(axis=1) - (turned**2 * inverse).sum(axis=1)
        return Estimate(distance, _error(influence, sample, images.n_distinct))

    def kernel(self, images: FeatureSet) -> Estimate:
        """Return the squared maximum mean discrepancy of the kernel (x.y / d + 1)^3, unbiased, over the two samples.

        What libraries average over random subsets of 1,000 is here computed over all pairs of distinct images. A model
        that draws one image whatever it is asked has no such pair: its pairs are that image with itself.
        """
        sample = images.sample
        others = _kernel_sums(sample, self.sample)
        weights = sample.counts.astype(float)
        total = weights.sum()
        if len(sample.vectors) == 1:
            itself = float((sample.vectors[0] @ sample.vectors[0] / sample.vectors.shape[1] + 1) ** 3)
            return Estimate(itself + self._within - 2 * float(others[0]) / float(self.sample.counts.sum()), 0.0)
        own = _kernel_sums(sample, sample)
        within = (weights @ own) / (total**2 - (weights**2).sum())
        between = (weights @ others) / (total * self.sample.counts.sum())
        influence = 2 * (own / (total - weights) - others / self.sample.counts.sum())
        return Estimate(float(within + self._within - 2 * between), _error(influence, sample, images.n_distinct))

    @cached_property
    def root(self) -> np.ndarray:
        """The symmetric root of the covariance."""
        import numpy as np

        values, vectors = np.linalg.eigh(self.covariance)
        return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T

    @cached_property
    def _within(self) -> float:
        weights = self.sample.counts.astype(float)
        sums = _kernel_sums(self.sample, self.sample)
        return float((weights @ sums) / (weights.sum() ** 2 - (weights**2).sum()))


def _kernel_sums(ours: Sample, theirs: Sample) -> np.ndarray:
    """Return, for each of our images, the sum of the kernel over their images; an image is no pair with itself."""
    import numpy as np

    sums = np.empty(len(ours.vectors))
    for first in range(0, len(sums), BLOCK):
        part = slice(first, first + BLOCK)
        kernel = (ours.vectors[part] @ theirs.vectors.T / ours.vectors.shape[1] + 1) ** 3
        if ours is theirs:
            rows = np.arange(len(kernel))
            kernel[rows, first + rows] = 0
        sums[part] = kernel @ theirs.counts
    return sums


def _error(influence: np.ndarray, sample: Sample, n_distinct: float) -> float:
    """Return the standard error of a weighted mean of influences over `n_distinct` images, of which some are here."""
    import numpy as np

    weights, m = sample.counts / sample.counts.sum(), len(influence)
    spread = ((weights * (influence - weights @ influence)) ** 2).sum() * m / max(m - 1, 1)
    return float(np.sqrt(spread * m / n_distinct))
