"""How much structure each layer has that a completer can exploit."""

from collections.abc import Sequence
from dataclasses import dataclass

from regrow.paper.both_sides import ALL, LayerSpectrum


@dataclass(frozen=True)
class Structure:
    """One line of spectrum.csv, of a layer of shape `rows` x `columns` of which a share `density` was pruned.

    ``effective_rank`` is exp(entropy) of the squared singular values, ``above_edge`` the share of the variance above
    the largest singular value of the same entries in random places; of the base, of the pruned matrix and, for the
    rank, of a permuted base (``noise``).
    """

    eraser: str
    concept: str
    layer: str
    rows: int
    columns: int
    density: float
    effective_rank: float
    effective_rank_pruned: float
    effective_rank_noise: float
    above_edge: float
    above_edge_pruned: float


def structure(spectra: Sequence[LayerSpectrum]) -> list[Structure]:
    """Lay the three matrices of every layer side by side.

    Parameters
    ----------
    spectra : sequence of LayerSpectrum
        ``base``, ``pruned`` and ``permuted`` of every eraser, concept and layer.

    Returns
    -------
    list of Structure
        Erasers and concepts in their order, then concept ``all``, the plain mean over the concepts; layers by name.
    """
    found = {(row.eraser, row.concept, row.layer, row.matrix): row for row in spectra}
    lines = []
    for eraser in dict.fromkeys(row.eraser for row in spectra):
        concepts = list(dict.fromkeys(row.concept for row in spectra if row.eraser == eraser))
        layers = sorted({row.layer for row in spectra if row.eraser == eraser})
        for shown in [*concepts, ALL]:
            for layer in layers:
                here = [
                    tuple(found[eraser, concept, layer, matrix] for matrix in ("base", "pruned", "permuted"))
                    for concept in (concepts if shown == ALL else [shown])
                ]
                numbers = [
                    (
                        pruned.density,
                        base.effective_rank,
                        pruned.effective_rank,
                        noise.effective_rank,
                        base.above_edge,
                        pruned.above_edge,
                    )
                    for base, pruned, noise in here
                ]
                means = (round(sum(column) / len(column), 6) for column in zip(*numbers, strict=True))
                lines.append(Structure(eraser, shown, layer, here[0][0].rows, here[0][0].columns, *means))
    return lines
