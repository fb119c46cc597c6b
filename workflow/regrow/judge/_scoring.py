"""What the stages that judge have in common: keys of scores, and rows that leave nothing open."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from regrow import __version__
from regrow.errors import UserError, nearest
from regrow.images.index import Index
from regrow.images.prompts import same_text

if TYPE_CHECKING:
    from regrow.judges import JudgeProtocol

ARROW = {
    "string": pa.string(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "list<string>": pa.list_(pa.string()),
}


def columns_of(module: ModuleType) -> pa.Schema:
    """Return the columns that a type of judges declares."""
    return pa.schema([(name, ARROW[kind]) for name, kind in module.COLUMNS.items()])


def score_key(rows: Sequence[Mapping[str, Any]], protocol_digest: str, needs: Sequence[str]) -> str:
    """Return the SHA-256 of all that a score is a function of: images, protocol, and prompts or labels where needed."""
    parts = [protocol_digest, [[row["digest"], *(row[need] for need in needs)] for row in rows]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def check_labels(protocol: JudgeProtocol, index: Index) -> None:
    """Refuse a label that the judge cannot see at all: its images would all count as wrong."""
    known = protocol.labels
    if known is None or index.metadata["prompt_set"].get("labels") == "none":
        return
    keys = {same_text(label) for label in known}
    for label in sorted({row["label"] for row in index.rows}):
        if same_text(label) not in keys:
            raise UserError(f"the judge in {protocol.folder} has no label {ascii(label)}: {nearest(label, known)}")


def checked(rows: list[dict[str, Any]], expected: int, protocol: JudgeProtocol) -> list[dict[str, Any]]:
    """Return what a judge said; a failed judge is an error and never counts as "erased".

    Raises
    ------
    UserError
        Another number of rows, other columns than it declares, a null, or NaN.
    """
    declared = protocol.module.COLUMNS
    if len(rows) != expected:
        raise UserError(f"the judge in {protocol.folder} gave {len(rows)} rows where {expected} are due: mend its type")
    for row in rows:
        if set(row) != set(declared):
            raise UserError(
                f"the judge in {protocol.folder} gave the columns {', '.join(sorted(row))}, but its type declares "
                f"{', '.join(declared)}: make both one"
            )
        for column, value in row.items():
            if any(item is None or isinstance(item, float) and math.isnan(item) for item in _items(value)):
                raise UserError(
                    f"the judge in {protocol.folder} gave NaN or nothing for '{column}': its weights are damaged, or "
                    "an image is"
                )
    return rows


def score_metadata(index: Index, name: str, protocol: JudgeProtocol, protocol_digest: str) -> dict[str, Any]:
    """Return the metadata of a score file: those of the index, and who judged by which protocol."""
    libraries = getattr(protocol.module, "LIBRARIES", ())
    versions = {library: importlib.metadata.version(library) for library in libraries}
    return {
        **index.metadata,
        "judge": name,
        "protocol": protocol.describe(),
        "protocol_digest": protocol_digest,
        "versions": {**index.metadata["versions"], **versions, "regrow": __version__},
    }


def check_per(protocol: JudgeProtocol, per: str, stage: str) -> None:
    """Refuse a judge of sets where single images are judged, and the other way round."""
    if per != protocol.module.PER:
        raise UserError(f"the judge in {protocol.folder} is a judge per {protocol.module.PER}: use the stage {stage}")


def scores_folder(store: Path, name: str) -> Path:
    """Return where the scores of a judge are kept."""
    return store / "scores" / name


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
