"""Stage `measure_spectrum`: tell how much structure each layer has, before and after the cut.

An analysis, not an attack: it reads the base model's weights and the publisher's mask beside the published weights.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from regrow.compare.spectrum import layer_spectra
from regrow.errors import UserError
from regrow.files import write_then_rename
from regrow.models import FFN2, read_mask, read_weights
from regrow.worlds import read_world

SPECTRUM = pa.schema(
    [
        *((name, pa.string()) for name in ("eraser", "concept", "layer", "matrix")),
        *((name, pa.int64()) for name in ("rows", "columns")),
        *((name, pa.float64()) for name in ("density", "edge", "effective_rank", "above_edge")),
        ("singular_values", pa.list_(pa.float64())),
    ]
)


def run(world: Path, model: Path, mask: Path, concept: str, eraser: str, copies: int, seed: int, out: Path) -> None:
    """Write singular values of every FFN2 layer: of the base, of the published model and of noise of the same entries.

    Parameters
    ----------
    world : Path
        world.json of get_world.
    model : Path
        The published delta.
    mask : Path
        The eraser's mask of this concept.
    concept, eraser : str
        Written into every row.
    copies : int
        Permuted copies behind the noise edge, at least 1.
    seed : int
        Of the permutations; the same for every layer.
    out : Path
        Parquet with the columns of `SPECTRUM`; see `regrow.compare.spectrum.layer_spectra`.

    Raises
    ------
    UserError
        A broken file, files of different models, a mask that prunes nothing, no copy.
    """
    if copies < 1:
        raise UserError(f"measure_spectrum needs at least 1 permuted copy, got {copies}: correct params.yaml")
    place = read_world(world)
    delta = place.read_model(model)
    published = {name: tensor for name, tensor in sorted(delta.tensors.items()) if name.endswith(FFN2)}
    pruned = read_mask(mask, delta)
    true = read_weights(place.pipeline, published)
    rows = [
        {"eraser": eraser, "concept": concept, "layer": name, **row}
        for name, weight in published.items()
        for row in layer_spectra(true[name], weight, pruned[name], copies, seed)
    ]
    about = {
        "world": place.name,
        "base_digest": delta.base_digest,
        "model_digest": delta.digest,
        "recipe": delta.recipe,
        "copies": copies,
        "seed": seed,
    }
    schema = SPECTRUM.with_metadata({"regrow": json.dumps(about, sort_keys=True)})
    table = pa.Table.from_pylist(rows, schema=schema)
    write_then_rename(out, lambda temporary: pq.write_table(table, temporary))
