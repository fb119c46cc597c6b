"""Stage `measure_detectability`: tell how easily the cut of a published model is found from its weights alone.

An analysis, not an attack: the detectors see the published weights only, and the publisher's mask judges them.
"""

from pathlib import Path

from regrow.evaluate._parquet import write_rows
from regrow.evaluate.detectability import DETECTORS, PREMISE, detect, premise
from regrow.stages._both_sides import read_both_sides


def run(
    world: Path, model: Path, erased: Path, concept: str, published: str, out_detectors: Path, out_premise: Path
) -> None:
    """Write how well every detector finds the cut of each pruned FFN2 layer, and how Gaussian the layer is.

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
    out_detectors, out_premise : Path
        Parquet with the columns DETECTORS and PREMISE of regrow.evaluate.detectability after published, concept.

    Raises
    ------
    UserError
        A broken file, files of different models, a mask that prunes nothing.
    """
    both = read_both_sides(world, model, erased)
    layers = {name: weight for name, weight in both.published.ffn2.items() if both.mask[name].any()}
    address = {"published": published, "concept": concept}
    found = [{"layer": name, **row} for name, weight in layers.items() for row in detect(weight, both.mask[name])]
    write_rows(out_detectors, address, found, DETECTORS, both.metadata)
    sizes = [{"layer": name, **premise(weight, both.mask[name])} for name, weight in layers.items()]
    write_rows(out_premise, address, sizes, PREMISE, both.metadata)
