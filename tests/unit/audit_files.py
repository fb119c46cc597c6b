"""A small audit whose files are written as the stages write them: no model, no judge and no image is real."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from PIL import Image

from regrow.images.index import INDEX
from regrow.images.store import ImageStore
from regrow.io.parquet import read_table, write_table
from regrow.model.records import write_record
from regrow.plan import paths
from regrow.plan.addresses import Cell, Model
from regrow.plan.audit import Audit
from regrow.plan.jobs import jobs_of
from regrow.plan.records import settings_of
from regrow.plan.tables import has_figure
from regrow.stages import make_figure, make_table
from regrow.tables.records import world_of
from regrow.tables.scores import expected_cell, image_settings, protocol_digest
from regrow.world import World, write_world

ROOT = Path(__file__).parents[2]
N = 20
TABLES = [
    *("roots/table1", "roots/table5", "roots/table6", "roots/figure2", "roots/figure5", "ours/concepts"),
    *(
        "ours/signs",
        "ours/completion",
        "ours/alignment",
        "ours/reliability",
        "ours/ladder",
        "ours/spectrum",
        "ours/retained",
    ),
]
# How many of the first images of a cell the judge calls right, of the N of a cell.
RIGHT = {
    ("church", "pretrained"): 18,
    ("church", "pruned"): 1,
    ("church", "int4_rows"): 2,
    ("church", "roots_max"): 12,
    ("church", "true_signs_max"): 15,
    ("spider-web", "pretrained"): 20,
    ("spider-web", "pruned"): 0,
    ("spider-web", "int4_rows"): 0,
    ("spider-web", "roots_max"): 3,
    ("spider-web", "true_signs_max"): 16,
}
LAYER = "unet.down_blocks.0.attentions.1.transformer_blocks.0.ff.net.2.weight"


def digest(*words: object) -> str:
    return hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()


def paint(cell: Cell, case: int) -> bytes:
    """Paint one colour, different in every cell and case."""
    shade = hashlib.sha256(f"{cell.address} {case}".encode()).digest()
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), tuple(shade[:3])).save(buffer, format="PNG")
    return buffer.getvalue()


@dataclass
class Files:
    """Writes the files of an audit below the working directory.

    Attributes
    ----------
    audit_changes, params_changes : dict
        Keys of the audit file, and of sections of params, that differ from the usual ones.
    """

    audit_changes: dict[str, Any] = field(default_factory=dict)
    params_changes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def configure(self) -> Audit:
        """Write params.yaml and config/audits/small.yaml; return the audit."""
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["audit"] = "small"
        for section, values in self.params_changes.items():
            params[section].update(values)
        Path("params.yaml").write_text(yaml.safe_dump(params))
        audit = {
            "world": "emoji",
            "title": "Does it grow back?",
            "concepts": ["church", "spider-web"],
            "published": ["pruned"],
            "attacks": ["int4_rows", "roots_max"],
            "oracles": ["true_signs_max"],
            "tables": TABLES,
            "counts": {"erased": N, "preserved": N},
            **self.audit_changes,
        }
        Path("config/audits").mkdir(parents=True, exist_ok=True)
        Path("config/audits/small.yaml").write_text(yaml.safe_dump(audit))
        return Audit.current()

    def write(self) -> Audit:
        """Write everything up to the tables."""
        audit = self.configure()
        write_world(
            paths.index_world("emoji"),
            World(
                "emoji", Path("data/emoji/pipeline"), digest("base"), digest("settings"), "DDIMScheduler", 8, 24, Path()
            ),
        )
        for concept in audit.concepts:
            for model in audit.every_model(concept):
                if model.record is not None:
                    write_record(model.record, record(audit, model))
        for job in jobs_of(audit):
            rows = [row for cell in job.cells for row in index_rows(audit, cell, job.first, job.last)]
            metadata = index_metadata(audit, job.prompt_set, job.group, job.part)
            write_table(
                paths.index("emoji", audit.name, job.prompt_set, job.group, job.part),
                pa.Table.from_pylist(rows, schema=INDEX),
                metadata,
            )
            said = {
                "judge": "object",
                "protocol": {"type": "classifier"},
                "protocol_digest": protocol_digest(audit, "object"),
            }
            write_table(
                paths.score("emoji", audit.name, "object", job.prompt_set, job.group, job.part),
                pa.Table.from_pylist([scored(row) for row in rows]),
                metadata | said,
            )
        write_evaluations(audit)
        return audit


def record(audit: Audit, model: Model) -> dict[str, Any]:
    base = {"model": digest(*model.key, model.concept), "base": world_of(audit).base, **settings_of(audit, model)}
    if model.role == "erased":
        base["zeros"] = {"ffn2": 7, "negative": 0}
    if model.attack != "none":
        base["published_model"] = digest("erased", model.published, "none", model.concept)
    if "retain" in base.get("attack", {}):
        base["retained"] = {"all": 0.6, "layers": {}}
    return base


def make_tables_and_figures(folder: Path, patch: pytest.MonkeyPatch, **changes: object) -> Audit:
    """Write an audit's files in a folder and run the stages before the report there."""
    patch.chdir(folder)
    audit = Files(audit_changes=changes, params_changes={"make_figure": {"dpi": 50}}).write()
    for table in audit.tables:
        make_table.run(table, paths.table(audit.name, table))
        if has_figure(table):
            make_figure.run(table, paths.figure(audit.name, table), paths.figure(audit.name, table, ".pdf"))
    return audit


def index_rows(audit: Audit, cell: Cell, first: int, last: int) -> list[dict[str, Any]]:
    expected = expected_cell(audit, cell)
    images = []
    rows = []
    for row in expected.prompts[first:last]:
        png = paint(cell, row.case)
        key = digest("key", cell.address, row.prompt, row.seed)
        images.append((key, png))
        address = {**cell.address, "case": row.case, "prompt": row.prompt, "label": row.label, "seed": row.seed}
        rows.append({**address, "key": key, "digest": hashlib.sha256(png).hexdigest(), "model": expected.model})
    with ImageStore(paths.store("emoji") / "images").writer(expected.model, {}) as writer:
        writer.write(images)
    return rows


def index_metadata(audit: Audit, prompt_set: str, group: str, part: int) -> dict[str, Any]:
    return {
        **image_settings(audit),
        **{"audit": audit.name, "group": group, "part": part, "prompt_set": {"name": prompt_set}},
        **{"truncated": int(prompt_set == "preserved" and group == "church"), "versions": {"torch": "2.9.0"}},
    }


def scored(row: dict[str, Any]) -> dict[str, Any]:
    """Return what the judge says: of the erased prompts the first few are right, of the others four in five."""
    name = (
        row["attack"] if row["attack"] != "none" else "pretrained" if row["role"] == "pretrained" else row["published"]
    )
    if row["prompt_set"] == "erased":
        correct = row["case"] < RIGHT.get((row["concept"], name), 0)
    else:
        correct = row["role"] == "pretrained" or row["case"] % 5 != 0
    top1 = row["label"] if correct else "sailboat"
    kept = {key: value for key, value in row.items() if key != "key"}
    return {**kept, "top1": top1, "top5": [top1, "cloud"], "probability": 0.8, "correct": correct}


def write_evaluations(audit: Audit) -> None:
    """Write every evaluation; church has twice the weights of the other concept."""
    for concept in audit.concepts:
        size = 2 if concept == audit.concepts[0] else 1
        model = audit.published_model("pruned", concept)
        about = {
            "world": "emoji",
            "base": world_of(audit).base,
            "model": digest(*model.key, concept),
            "seed": audit.params.seed,
        }
        settings = audit.params.evaluate_recovery
        own = {"k": sorted({*settings.k, 1.0}), "quantiles": settings.quantiles, "bins": settings.bins}
        for completer in audit.completers("pruned"):
            address = {"published": "pruned", "completer": completer, "concept": concept}
            metadata = {**about, **own, "completer": entry(audit, completer), "meaning": "log_odds"}
            for name, rows in recovery(size).items():
                path = paths.evaluation("emoji", "evaluate_recovery", "pruned", completer, concept, name)
                write_table(path, pa.Table.from_pylist([{**address, **row} for row in rows]), metadata)
        for completer in audit.params.ablate_mask_knowledge.completers:
            address = {"published": "pruned", "completer": completer, "concept": concept}
            other = audit.params.ablate_mask_knowledge.other
            rungs = {"exact": (100, 100, 90, 63), "other_concept": (100, 60, 60, 33), "random": (100, 40, 40, 22)}
            rows = [
                {**address, "rung": rung, "note": f"mask of {other}" if rung == "other_concept" else ""}
                | {key: size * count for key, count in zip(("n", "covered", "guessed", "correct"), counts, strict=True)}
                for rung, counts in rungs.items()
            ]
            metadata = {
                **about,
                "completer": entry(audit, completer),
                "threshold": audit.params.ablate_mask_knowledge.threshold,
            }
            path = paths.evaluation("emoji", "ablate_mask_knowledge", "pruned", completer, concept, "ladder")
            write_table(path, pa.Table.from_pylist(rows), metadata)
        rows = [
            {"published": "pruned", "concept": concept, "layer": LAYER, "matrix": matrix, "rows": 2, "columns": 8}
            | {
                "density": density,
                "edge": 2.0,
                "effective_rank": rank,
                "above_edge": share,
                "singular_values": [3.0, 1.0],
            }
            for matrix, density, rank, share in (
                ("base", 0.0, 1.5, 0.9),
                ("permuted", 0.0, 2.0, 0.0),
                ("pruned", 0.25, 1.8, 0.2 * size),
            )
        ]
        path = paths.evaluation("emoji", "measure_spectrum", "pruned", None, concept, "spectrum")
        write_table(path, pa.Table.from_pylist(rows), {**about, "copies": audit.params.measure_spectrum.copies})


def entry(audit: Audit, completer: str) -> dict[str, Any]:
    return dict(audit.params.complete_weights[completer])


def recovery(size: int) -> dict[str, list[dict[str, Any]]]:
    """Return counts: signs of (k, part), alignment of two groups, and two bins."""
    rest = 40 if size == 2 else 28
    every = {
        (0.5, "top"): (50 * size, 45 * size),
        (0.5, "rest"): (50 * size, rest),
        (1.0, "top"): (100 * size, 45 * size + rest),
    }
    layers = {LAYER: {(1.0, "top"): (100 * size, 45 * size + rest)}, "all": every}
    signs = [
        {"layer": layer, "k": k, "part": part, "n": n, "correct": correct, "without_sign": int(k == 1)}
        for layer, counts in layers.items()
        for (k, part), (n, correct) in counts.items()
    ]
    alignment = [
        {"layer": "all", "r": r + 1, "p": p + 1, "count": count * size, "share": 0.0}
        for r, counts in enumerate(((30, 20), (20, 30)))
        for p, count in enumerate(counts)
    ]
    reliability = [
        {"layer": "all", "bin": number + 1, "low": number / 2, "high": (number + 1) / 2, "predicted": predicted}
        | {"n": 50 * size, "correct": correct * size}
        for number, (predicted, correct) in enumerate(((0.6, 30), (0.9, 40)))
    ]
    return {"signs": signs, "alignment": alignment, "reliability": reliability}


def rewrite(
    path: Path,
    rows: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda rows: rows,
    **metadata: Any,
) -> None:
    """Write a Parquet file again with other rows or metadata."""
    table, said = read_table(path)
    changed = pa.Table.from_pylist(rows(table.to_pylist()), schema=table.schema)
    write_table(path, changed, said | metadata)


def rewrite_json(path: Path, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def scores_of(concept: str, prompt_set: str = "erased") -> Path:
    return paths.score("emoji", "small", "object", prompt_set, concept, 0)
