"""Stage `measure_spectrum`: tell how much structure each layer has, before and after the cut.

An analysis, not an attack: it reads the base model's weights and the publisher's mask beside the published weights.
"""

from pathlib import Path

from regrow.errors import UserError
from regrow.evaluate._parquet import write_rows
from regrow.evaluate.spectrum import COLUMNS, layer_spectra
from regrow.stages._both_sides import read_both_sides


def run(
    world: Path, model: Path, erased: Path, concept: str, published: str, copies: int, seed: int, out: Path
) -> None:
    """Write singular values of every FFN2 layer: of the base, of the published model and of noise of the same entries.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    model : Path
        The published delta.
    erased : Path
        erased.safetensors that it was published from.
    concept, published : str
        Written into every row.
    copies : int
        Permuted copies behind the noise edge, at least 1.
    seed : int
        Of the permutations; the same for every layer.
    out : Path
        Parquet with the columns of regrow.evaluate.spectrum after published, concept.

    Raises
    ------
    UserError
        A broken file, files of different models, a mask that prunes nothing, no copy.
    """
    if copies < 1:
        raise UserError(f"measure_spectrum needs at least 1 permuted copy, got {copies}: correct params.yaml")
    both = read_both_sides(world, model, erased)
    rows = [
        {"layer": name, **row}
        for name, weight in both.published.ffn2.items()
        for row in layer_spectra(both.pretrained[name], weight, both.mask[name], copies, seed)
    ]
    metadata = {**both.metadata, "copies": copies, "seed": seed}
    write_rows(out, {"published": published, "concept": concept}, rows, COLUMNS, metadata)
