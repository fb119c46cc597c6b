"""The file of a reference: what measure_reference kept of real images, and of which, by which features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrow.errors import UserError

if TYPE_CHECKING:
    from regrow.judge._distances import Reference
    from regrow.judge._feature_sets import FeatureSet

ARRAYS = ("mean", "covariance", "vectors", "counts")
AGAIN = "make it anew with `snakemake --forcerun measure_reference`"


def write_reference(path: Path, images: FeatureSet, statement: Mapping[str, Any]) -> None:
    """Write what is kept of a set; `statement` says of which images, and by which features."""
    import torch

    from regrow.io.safetensors import write_tensors

    sample = images.sample
    arrays = {
        "mean": torch.from_numpy(images.mean),
        "covariance": torch.from_numpy(images.covariance),
        "vectors": torch.from_numpy(sample.vectors).float(),
        "counts": torch.from_numpy(sample.counts),
    }
    write_tensors(path, arrays, {**statement, "images": images.n})


def read_reference(path: Path, features: Mapping[str, Any], images: int | None) -> Reference:
    """Read a reference that must have been made by the same features.

    Parameters
    ----------
    path : Path
        Of `write_reference`.
    features : mapping
        What the judge says of its own features: each has to be in the reference's statement.
    images : int or None
        How many images it must be of, where the judge says so.

    Raises
    ------
    UserError
        No such file, a damaged one, or one of other features or another number of images.
    """
    from regrow.io.safetensors import read_file
    from regrow.judge._distances import Reference
    from regrow.judge._feature_sets import Sample

    tensors, statement = read_file(path)
    if missing := [name for name in ARRAYS if name not in tensors]:
        raise UserError(f"{path} holds no '{missing[0]}', so it is no reference of measure_reference: {AGAIN}")
    for key, value in features.items():
        if statement.get(key) != value:
            raise UserError(
                f"{path} was measured with {key} {_short(statement.get(key))}, the judge has {_short(value)}, and the "
                f"two cannot be compared: {AGAIN}"
            )
    if images is not None and statement.get("images") != images:
        raise UserError(
            f"{path} is of {statement.get('images')} images, where judge.yaml asks for {images}: {AGAIN}, or correct "
            "`images` there"
        )
    arrays = {name: tensors[name].double().numpy() for name in ARRAYS}
    sample = Sample(arrays["vectors"], arrays["counts"].astype(int))
    return Reference(arrays["mean"], arrays["covariance"], sample)


def _short(value: Any) -> str:
    return str(value)[:40]
