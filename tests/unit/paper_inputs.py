"""Small audits written as the stages before the paper write them."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from regrow.stages import make_figures, make_tables

PUBLISHED = Path(__file__).parents[2] / "data" / "published"

LABELS = {"church": "church", "spider-web": "spider web"}
OTHERS = ("rocket", "key", "bell")  # preserved prompts ask for these too
_CONCEPTPRUNE = {"name": "conceptprune", "method": "conceptprune", "skill_ratio": 0.02}
_NUCLEAR = {"name": "nuclear", "method": "nuclear", "max_steps": 500}
CHAINS: dict[str, dict[str, Any]] = {
    "roots_max": {
        "eraser": _CONCEPTPRUNE,
        "completer": _NUCLEAR,
        "reviver": {"name": "roots_max", "method": "roots", "completer": "nuclear", "magnitude": "max"},
    },
    "pretrained": {},
    "pruned": {"eraser": _CONCEPTPRUNE},
    "quantized": {"eraser": _CONCEPTPRUNE, "reviver": {"name": "int4_rows", "method": "quantize"}},
}
# How many of the first images of a cell the judge calls right; 20 images a cell.
N = 20
RIGHT = {
    ("church", "pretrained"): 18,
    ("church", "pruned"): 1,
    ("church", "quantized"): 2,
    ("church", "roots_max"): 12,
    ("spider-web", "pretrained"): 20,
    ("spider-web", "pruned"): 0,
    ("spider-web", "quantized"): 0,
    ("spider-web", "roots_max"): 3,
}

Paint = Callable[[str, str, int, bool], Image.Image]


def plain(concept: str, recipe: str, case: int, right: bool) -> Image.Image:
    """Paint one colour, different in every cell and case."""
    shade = hashlib.sha256(f"{concept} {recipe} {case}".encode()).digest()
    return Image.new("RGB", (8, 8), (shade[0], shade[1], 250 if right else 5))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def write(path: Path, rows: list[dict[str, Any]], meta: Mapping[str, Any] | None = None) -> Path:
    """Write rows as Parquet with the `regrow` metadata."""
    table = pa.Table.from_pylist(rows)
    if meta is not None:
        table = table.replace_schema_metadata({"regrow": json.dumps(meta)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def meta(recipe: str, concept: str, **changed: Any) -> dict[str, Any]:
    """Return the provenance that score_images writes."""
    chain = CHAINS[recipe]
    told = {
        "model_digest": hashlib.sha256(f"{recipe} {concept if chain else ''}".encode()).hexdigest(),
        "recipe": {"name": recipe, **chain},
        "protocol": {"object": {"judge": "resnet18", "top": 1, "labels": ["church", "rocket", "spider web"]}},
        "sampler": {"scheduler": "DDIM", "steps": 20, "guidance": 5.0},
        "versions": {"regrow": "0.1.0", "torch": "2.9.0"},
    }
    return told | changed


def score(
    concept: str, recipe: str, prompt_set: str, case: int, label: str, right: bool, image: bytes
) -> dict[str, Any]:
    """Return one row of score_images."""
    top1 = label if right else "sailboat"
    return {
        "concept": concept,
        "recipe": recipe,
        "prompt_set": prompt_set,
        "case": case,
        "prompt": f"an emoji of a {label}",
        "label": label,
        "seed": 100 + case,
        "digest": hashlib.sha256(image).hexdigest(),
        "top1": top1,
        "top5": [top1, "cloud"],
        "confidence": 0.8,
        "correct": right,
        "style": "noto",
        "style_confidence": 0.7,
        "clip_similarity": 0.3,
    }


def write_scores(
    folder: Path,
    labels: Mapping[str, str] = LABELS,
    right: Mapping[tuple[str, str], int] = RIGHT,
    kept: Mapping[str, int] | None = None,
    n: int = N,
    paint: Paint = plain,
) -> tuple[list[Path], list[Path]]:
    """Write an audit's scores, and the images of its erased prompts.

    The preserved prompts ask for every label in turn; of each recipe's, the last ``n - kept[recipe]`` that count for a
    concept are wrong (a fifth where ``kept`` says nothing). The pretrained ones are in one file, concept ``any``, all
    right, with those that ask for the concept itself.
    """
    scores, images = [], []
    every = [*labels.values(), *OTHERS]
    for recipe in CHAINS:
        for concept, label in labels.items():
            rows, shard = [], []
            for case in range(n):
                correct = case < right[concept, recipe]
                image = png(paint(concept, recipe, case, correct))
                rows.append(score(concept, recipe, "erased", case, label, correct, image))
                shard.append({"case": case, "image": {"bytes": image, "path": None}, "digest": rows[-1]["digest"]})
            place = Path(recipe) / concept / "erased.parquet"
            scores.append(write(folder / "score_images" / place, rows, meta(recipe, concept)))
            images.append(write(folder / "generate_images" / place, shard, meta(recipe, concept)))
            if recipe == "pretrained":
                continue
            cases = [case for case in range(2 * n) if every[case % len(every)] != label][:n]
            good = (kept or {}).get(recipe, n * 4 // 5)
            rows = [
                score(concept, recipe, "preserved", case, every[case % len(every)], place < good, b"")
                for place, case in enumerate(cases)
            ]
            path = folder / "score_images" / recipe / concept / "preserved.parquet"
            scores.append(write(path, rows, meta(recipe, concept)))
    rows = [score("any", "pretrained", "preserved", case, every[case % len(every)], True, b"") for case in range(2 * n)]
    path = folder / "score_images" / "pretrained" / "any" / "preserved.parquet"
    return [*scores, write(path, rows, meta("pretrained", "any"))], images


PAIR = {"eraser": "conceptprune", "completer": "nuclear"}


def sign_rows(concept: str, layer: str, counts: Mapping[tuple[float, str], tuple[int, int]]) -> list[dict[str, Any]]:
    """Return rows of signs.parquet from (k, part) -> (n, correct)."""
    return [
        {
            **PAIR,
            "concept": concept,
            "layer": layer,
            "k": k,
            "part": part,
            "n": n,
            "correct": correct,
            "without_sign": int(k == 1),
        }
        for (k, part), (n, correct) in counts.items()
    ]


def overlap_rows(concept: str, layer: str, counts: list[list[int]]) -> list[dict[str, Any]]:
    """Return rows of alignment.parquet from a matrix of counts."""
    return [
        {**PAIR, "concept": concept, "layer": layer, "r": r + 1, "p": p + 1, "count": count, "share": 0.0}
        for r, row in enumerate(counts)
        for p, count in enumerate(row)
    ]


def bin_rows(concept: str, layer: str, bins: list[tuple[float | None, int, int]]) -> list[dict[str, Any]]:
    """Return rows of reliability.parquet from (predicted, n, correct), the least sure first."""
    return [
        {**PAIR, "concept": concept, "layer": layer, "bin": number + 1, "low": number / 2, "high": (number + 1) / 2}
        | {"predicted": predicted, "n": n, "correct": correct}
        for number, (predicted, n, correct) in enumerate(bins)
    ]


def rung_rows(concept: str, rungs: Mapping[str, tuple[int, int, int, int]]) -> list[dict[str, Any]]:
    """Return rows of ladder.parquet from rung -> (n, covered, guessed, correct)."""
    return [
        {**PAIR, "concept": concept, "rung": rung, "note": ""}
        | dict(zip(("n", "covered", "guessed", "correct"), counts, strict=True))
        for rung, counts in rungs.items()
    ]


def spectrum_rows(concept: str, above: float) -> list[dict[str, Any]]:
    """Return rows of spectrum.parquet of one layer."""
    told = {"eraser": "conceptprune", "concept": concept, "layer": "down_blocks.0.attentions.1.transformer_blocks.0"}
    return [
        {**told, "matrix": matrix, "rows": 2, "columns": 8, "density": density, "edge": 2.0, "effective_rank": rank}
        | {"above_edge": share, "singular_values": [3.0, 1.0]}
        for matrix, density, rank, share in (
            ("base", 0.0, 1.5, 0.9),
            ("permuted", 0.0, 2.0, 0.0),
            ("pruned", 0.25, 1.8, above),
        )
    ]


def write_both_sides(folder: Path) -> list[Path]:
    """Write every analysis of the two concepts; church has twice the weights of spider web."""
    paths = []
    for concept, size in (("church", 2), ("spider-web", 1)):
        rest = 40 if concept == "church" else 28
        every = {
            (0.5, "top"): (50 * size, 45 * size),
            (0.5, "rest"): (50 * size, rest),
            (1.0, "top"): (100 * size, 45 * size + rest),
        }
        down = {(1.0, "top"): (100 * size, 45 * size + rest)}
        rows = [*sign_rows(concept, "down.ff.net.2.weight", down), *sign_rows(concept, "all", every)]
        paths.append(write(folder / concept / "signs.parquet", rows))
        counts = [[30 * size, 20 * size], [20 * size, 30 * size]]
        paths.append(write(folder / concept / "alignment.parquet", overlap_rows(concept, "all", counts)))
        bins = bin_rows(concept, "all", [(0.6, 50 * size, 30 * size), (0.9, 50 * size, 40 * size)])
        paths.append(write(folder / concept / "reliability.parquet", bins))
        rungs = {
            "exact": (100 * size, 100 * size, 90 * size, 63 * size),
            "random": (100 * size, 40 * size, 40 * size, 22 * size),
        }
        paths.append(write(folder / concept / "ladder.parquet", rung_rows(concept, rungs)))
        paths.append(write(folder / concept / "spectrum.parquet", spectrum_rows(concept, 0.2 * size)))
    return paths


def write_paper(folder: Path, both_sides: bool = True) -> tuple[list[Path], list[Path]]:
    """Write tables and figures of a small audit; return its score files and its analyses."""
    scores, images = write_scores(folder)
    both = write_both_sides(folder / "both") if both_sides else []
    make_tables.run(scores, both, [], LABELS, N, 0.95, folder / "tables", folder / "metrics.json")
    make_figures.run(
        images,
        scores,
        [path for path in both if path.name == "spectrum.parquet"],
        folder / "tables",
        PUBLISHED,
        LABELS,
        2,
        0.95,
        40,
        folder / "figures",
    )
    return scores, both
