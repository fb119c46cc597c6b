"""Stage `apply_oracle`: fill in what was pruned with true signs or true magnitudes.

No attacker: it reads both sides, the published model, the erasing and the base, and shows what better guesses could
reach.
"""

from pathlib import Path
from typing import Any

from regrow.methods import load_method, parse_options
from regrow.model.deltas import write_delta
from regrow.model.records import write_record
from regrow.stages._both_sides import read_both_sides


def run(
    world: Path,
    model: Path,
    erased: Path,
    oracle: str,
    method: str,
    options: dict[str, Any],
    out: Path,
    record_out: Path,
) -> None:
    """Fill in the pruned entries of a published model; write the result as a delta against the same base.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    model : Path
        The published delta.
    erased : Path
        erased.safetensors that it was published from.
    oracle : str
        Name of the entry, for the record.
    method : str
        An oracle, a file of regrow/oracle.
    options : dict
        The oracle's options, all of them.
    out : Path
        Every tensor of `model`, its pruned entries filled in.
    record_out : Path
        record.json.

    Raises
    ------
    UserError
        A broken file, a model of another world, another erasing, or the oracle's own.
    """
    parsed = parse_options("apply_oracle", method, options)
    both = read_both_sides(world, model, erased)
    function = getattr(load_method("apply_oracle", method), method)
    told = function(both.pretrained, both.published, both.mask, parsed)
    digest = write_delta(out, {**both.published.tensors, **told}, both.published.base)
    write_record(
        record_out,
        {
            "model": digest,
            "base": both.published.base,
            "published_model": both.published.digest,
            "oracle": {"name": oracle, "method": method, **parsed.model_dump(mode="json")},
        },
    )
