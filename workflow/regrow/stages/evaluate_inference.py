"""Stage `evaluate_inference`: tell how much of the cut an attacker found by himself, and which signs he recovered.

An analysis, not an attack: it reads the base model, the publisher's mask and what the attacker made.
"""

from pathlib import Path

from regrow.evaluate._parquet import write_rows
from regrow.evaluate.inference import COLUMNS, inference_counts
from regrow.io.safetensors import read_header
from regrow.model.completed import read_completed
from regrow.stages._both_sides import read_both_sides


def run(
    world: Path, model: Path, erased: Path, completed: Path, published: str, completer: str, concept: str, out: Path
) -> None:
    """Compare an attacker's mask and completed weights with the cut, over all truly pruned entries.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    model : Path
        The published delta.
    erased : Path
        erased.safetensors that it was published from.
    completed : Path
        File of complete_weights for this very model.
    published, completer, concept : str
        Written into the row.
    out : Path
        Parquet with one row, the columns of regrow.evaluate.inference after published, completer, concept.

    Raises
    ------
    UserError
        A broken file, files of different models, or a mask that prunes nothing.
    """
    both = read_both_sides(world, model, erased)
    counts = inference_counts(both.pretrained, both.mask, read_completed(completed, both.published))
    header = read_header(completed)
    metadata = {**both.metadata, **{key: header.get(key) for key in ("completer", "mask", "seed")}}
    address = {"published": published, "completer": completer, "concept": concept}
    write_rows(out, address, [counts], COLUMNS, metadata)
