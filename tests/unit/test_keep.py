"""The share of signs that a revived model tells it kept, beside what was asked for and what came of it."""

from pathlib import Path

import torch

from regrow.files import digest
from regrow.models import read_header, save_delta
from regrow.paper.keep import Kept, kept_signs
from regrow.paper.rows import read_rows, write_rows
from regrow.paper.scores import read_scores
from regrow.paper.table1 import table1
from tests.unit.paper_inputs import LABELS, N, meta, score, write, write_scores


def test_kept_share_is_found_by_digest(tmp_path: Path) -> None:
    files, _ = write_scores(tmp_path)
    recipe = {"reviver": {"method": "roots", "keep": "auto"}, "kept": {"all": 0.25, "layers": {}}}
    save_delta(tmp_path / "model", {"w": torch.ones(1)}, "0" * 64, recipe)
    save_delta(tmp_path / "silent", {"w": torch.zeros(1)}, "0" * 64, {"reviver": {"method": "quantize"}})
    assert read_header(tmp_path / "model")["recipe"] == recipe
    told = meta("roots_max", "church", model_digest=digest(tmp_path / "model"))
    rows = [score("church", "roots_max", "erased", case, "church", case < 12, b"") for case in range(N)]
    write(tmp_path / "score_images/roots_max/church/erased.parquet", rows, told)
    judged = read_scores(files)
    lines = table1(judged, LABELS, N, 0.95)
    (kept,) = kept_signs([tmp_path / "model", tmp_path / "silent"], judged, lines)
    assert (kept.concept, kept.recipe, kept.keep, kept.kept, kept.accuracy) == (
        "church",
        "roots_max",
        "auto",
        0.25,
        0.6,
    )
    write_rows(tmp_path / "keep.csv", Kept, [kept])
    assert read_rows(tmp_path / "keep.csv", Kept) == [kept]


def test_nothing_revived_nothing_kept(tmp_path: Path) -> None:
    judged = read_scores(write_scores(tmp_path)[0])
    assert kept_signs([], judged, table1(judged, LABELS, N, 0.95)) == []
