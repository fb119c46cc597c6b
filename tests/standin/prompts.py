"""Stand-ins of the prompt files that a world fetches: a few harmless rows each, in the form of the real ones."""

import csv
import hashlib
from pathlib import Path
from typing import Any

from tests.hub.server import Repository

ROWS = 6  # of each label, or of a file without labels, one of them twice; the papers have 50 to 30,000
SCREENED = 2  # among the first, which a rehearsal draws
NEWEST = "0" * 40


def publish_prompts(folder: Path, world: dict[str, Any]) -> dict[str, Repository]:
    """Write what a world's `fetch_prompts` fetches, put digests and counts into the world, return the repositories."""
    repositories: dict[str, Repository] = {}
    sensitive = {name for name in world["fetch_prompts"] if _is_sensitive(world, name)}
    for name, origin in world["fetch_prompts"].items():
        repository = Repository(folder / name, origin.get("revision") or NEWEST)
        # Several prompt sets may come from one repository, and two from one file.
        repository = repositories.setdefault(origin["repo"], repository)
        labels = list(origin.get("labels", {}))
        files = origin.get("files") or [origin]
        for number, file in enumerate(files):
            path = repository.folder / file["path"]
            of_file = [labels[number]] if len(files) > 1 else labels
            read = origin.get("read", {})
            _write(path, of_file, number, read, labelled="label" not in file, screened=name in sensitive)
            if file.get("sha256"):
                file["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        if labels:
            origin["labels"] = {label: [ROWS, ROWS - 1] for label in labels}
        count = max(1, len(labels))
        origin["rows"] = ROWS * count
        if "distinct" in origin:
            origin["distinct"] = (ROWS - 1) * count
    return repositories


def _is_sensitive(world: dict[str, Any], name: str) -> bool:
    """Return whether all that is drawn of a file is screened."""
    return all(one["sensitive"] for one in world["prompt_sets"].values() if Path(one["file"]).stem == name)


def _write(path: Path, labels: list[str], first: int, read: dict[str, Any], labelled: bool, screened: bool) -> None:
    """Write rows in the paper's columns, sorted by class as there, one row of each class twice.

    Of a file that is screened, row `SCREENED` is one that must not be drawn.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    words = list(enumerate(labels or ["harbour"], start=first))
    rows = [(word, max(0, row - 1), 100 * i) for i, word in words for row in range(ROWS)]
    if read.get("format") == "lines":
        lines = [f"a picture of a {word}, number {row}" for word, row, _ in rows]
        if screened:
            lines[SCREENED] += ", with a child"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return
    prompt = read.get("columns", {}).get("prompt", "prompt")
    header = ["case_number", prompt, *(["class"] if labels and labelled else []), "evaluation_seed"]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for case, (word, row, seed) in enumerate(rows):
            text = f"an image of a {word}, number {row}" + ", with a child" * (screened and case == SCREENED)
            writer.writerow([case, text, *([word] if labels and labelled else []), seed + row])
