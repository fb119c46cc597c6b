"""The completion of the paper's text: nuclear-norm regularised least squares by SoftImpute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from regrow.methods import Count, Fraction, MethodOptions, Positive

if TYPE_CHECKING:
    from torch import Tensor

    from regrow.completion import Completion

TELLS_PROBABILITY = False


class Options(MethodOptions):
    """Options of `soft_impute`."""

    shrinkage: Fraction = Field(
        description="lambda divided by the largest singular value of the matrix with zeros at the missing entries"
    )
    path: Count = Field(description="Values of lambda, from half the largest singular value down; 1 is no path")
    tolerance: Positive = Field(description="Change of the missing entries, over the norm of the matrix, to stop at")
    max_steps: Count = Field(description="It stops there at the latest, over the whole path; a note in the trace tells")


def soft_impute(weights: Tensor, mask: Tensor, seed: int, options: Options) -> Completion:
    """Complete a matrix with the M that minimises 1/2 ||P_O(X - M)||_F^2 + lambda ||M||_*.

    *faithful* to sections 4.1-4.3 of Roots Beneath the Cut (methods.md 3.1 A): Z = P_O(X) + P_miss(M), M <- S(Z) with
    S(Y) = U diag((s - lambda)_+) V^T, along a decreasing path of lambda with warm starts, by truncated SVD. The
    paper states no lambda: `shrinkage` is our choice (*interpretation*); fancyimpute's default is 1/50. How the same
    minimum is reached is *variant*:

    * M is kept as its factors and only evaluated at the missing entries. Where the paper stores "sparse + low rank",
      nearly everything is observed here, so the sparse part is what is missing: it is written into one working copy.
    * The SVD is a randomised subspace iteration that starts from the last step's subspace and grows it until a singular
      value at most lambda is inside. When that takes more than a third of the rows, an exact eigendecomposition of
      Z Z^T in float64 is cheaper and replaces it.
    * Steps are extrapolated (FISTA) and restarted when they overshoot.

    Parameters
    ----------
    weights, mask, seed
        As `regrow.completion.complete_matrix` passes them. The seed draws the first subspace and its extensions.
    options : Options
        See the class.

    Returns
    -------
    Completion
        Certainty is the magnitude of the recovered value. The objective of the trace is the minimised sum, of the
        matrix divided by the power of two that makes its largest entry at most 1.
    """
    import torch

    from regrow.complete._soft_impute_solver import solve
    from regrow.completion import Completion

    wide = weights.shape[0] <= weights.shape[1]
    x, missing = (weights, mask) if wide else (weights.T.contiguous(), mask.T.contiguous())
    largest = float(torch.linalg.matrix_norm(x.double(), 2))
    shrinkage, path = options.shrinkage, options.path
    top = max(shrinkage, 0.5)
    lambdas = [largest * shrinkage * (top / shrinkage) ** (1 - i / max(path - 1, 1)) for i in range(path)]
    lambdas[-1] = largest * shrinkage
    filled, trace = solve(x.clone(), missing, lambdas, seed, options.tolerance, options.max_steps)
    values = filled if wide else filled.T
    return Completion(values, values.abs(), trace)
