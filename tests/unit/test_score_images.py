"""Scores: one row per image, equal images judged once, known scores reused, and failures that are errors."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regrow.errors import UserError
from regrow.images.index import read_index, write_index
from regrow.images.shards import SUFFIX
from regrow.io.parquet import read_table
from regrow.judge import classifier
from regrow.judges import read_protocol
from regrow.stages import score_images
from tests.unit.drawing import cell, draw, erased_set, job, preserved_set, write_csv, write_drawn_world, write_model
from tests.unit.judging import BRIGHTNESS, SPREAD, add_type, write_judge


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with an index of two models and nothing judged."""
    folder = tmp_path_factory.mktemp("world")
    world = write_drawn_world(folder)
    cells = [cell(), cell(**write_model(world, folder / "model"))]
    draw(world, folder / "0.parquet", job(*cells, prompt_set=preserved_set(world)))
    return folder


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    """A copy that a test may change; world.json still names the first pipeline."""
    return shutil.copytree(drawn, tmp_path / "world", ignore=shutil.ignore_patterns("pipeline"))


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that a classifier sees."""
    sizes: list[int] = []
    update = classifier.Judge.update

    def watch(self: Any, images: Any, rows: Any) -> None:
        sizes.append(len(images))
        update(self, images, rows)

    monkeypatch.setattr(classifier.Judge, "update", watch)
    return sizes


def score(folder: Path, name: str = "object", out: str = "out.parquet", **changes: Any) -> list[dict[str, Any]]:
    settings = {"index": folder / "0.parquet", "judge": folder / "judges" / name, "store": folder / "store", "batch": 5}
    score_images.run(folder / "world.json", **{**settings, **changes}, name=name, device="cpu", out=folder / out)
    return read_table(folder / out)[0].to_pylist()


def test_one_row_per_image_with_its_protocol(folder: Path) -> None:
    rows, index = score(folder), read_index(folder / "0.parquet")
    assert len(rows) == 12
    assert list(rows[0]) == [
        *"concept role published attack prompt_set case prompt label seed digest model".split(),
        *"top1 top5 probability correct".split(),
    ]
    for row, told in zip(rows, index.rows, strict=True):
        assert row["label"] in ("rocket", "cat")
        assert row["correct"] == (row["top1"] == row["label"])
        assert {key: row[key] for key in told if key != "key"} == {k: v for k, v in told.items() if k != "key"}
    metadata = read_table(folder / "out.parquet")[1]
    assert {key: metadata[key] for key in index.metadata if key != "versions"} == {
        key: value for key, value in index.metadata.items() if key != "versions"
    }
    protocol = read_protocol(folder / "judges/object")
    assert (metadata["judge"], metadata["protocol"]) == ("object", protocol.describe())
    assert metadata["protocol_digest"] == protocol.digest()
    assert {"torch", "diffusers", "torchvision", "regrow"} <= set(metadata["versions"])


def test_every_judge_writes_its_own_columns(folder: Path) -> None:
    rows = score(folder, "clip")
    assert "correct" not in rows[0]
    assert all(-1 <= row["similarity"] <= 1 for row in rows)


def test_batch_size_changes_no_score(folder: Path) -> None:
    one, five = score(folder, batch=1), score(folder, store=other_store(folder))
    for a, b in zip(one, five, strict=True):
        assert a["top5"] == b["top5"]
        assert a["probability"] == pytest.approx(b["probability"], abs=1e-5)


def other_store(folder: Path) -> Path:
    """A store with the same images and no scores."""
    shutil.copytree(folder / "store/images", folder / "other/images")
    return folder / "other"


def test_known_scores_are_reused(folder: Path, judged: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = score(folder)
    assert judged == [5, 1, 5, 1]
    monkeypatch.setattr(classifier.Judge, "__init__", lambda *_: pytest.fail("loaded"))
    again = score(folder, out="again.parquet")
    assert again == rows
    assert (folder / "again.parquet").read_bytes() == (folder / "out.parquet").read_bytes()


def test_another_protocol_judges_anew(folder: Path, judged: list[int]) -> None:
    score(folder)
    protocol = folder / "judges/object/judge.yaml"
    protocol.write_text(protocol.read_text().replace("resize: 32", "resize: 33"))
    score(folder)
    assert sum(judged) == 24
    assert len(list((folder / "store/scores/object").rglob(f"*{SUFFIX}"))) == 4


def test_equal_rows_are_judged_once(folder: Path, drawn: Path, judged: list[int]) -> None:
    rows = [("prompt", "seed", "label"), *[("an emoji of a church", i % 2, "church") for i in range(6)]]
    file = write_csv(folder / "doubles.csv", rows)
    twice = erased_set(scope="model", file=str(file))
    draw(folder / "world.json", folder / "0.parquet", job(prompt_set=twice))
    assert len(score(folder)) == 6
    assert judged == [2]


def test_a_killed_judge_keeps_its_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update, seen = classifier.Judge.update, []

    def killed(self: Any, images: Any, rows: Any) -> None:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(len(images))
        update(self, images, rows)

    monkeypatch.setattr(classifier.Judge, "update", killed)
    with pytest.raises(KeyboardInterrupt):
        score(folder, batch=2)
    assert not (folder / "out.parquet").exists()
    sizes: list[int] = []
    monkeypatch.setattr(
        classifier.Judge,
        "update",
        lambda self, images, rows: (sizes.append(len(images)), update(self, images, rows))[1],
    )
    assert len(score(folder, batch=2)) == 12
    assert sum(sizes) == 8


def test_labels_are_compared_without_case_and_composition(folder: Path) -> None:
    file = folder / "judges/object/judge.yaml"
    file.write_text(file.read_text().replace("- cat", "- CAT").replace("- rocket", "- Rocket"))
    rows = score(folder)
    assert {row["correct"] for row in rows} == {row["top1"].lower() == row["label"] for row in rows}
    assert {row["top1"] for row in rows} <= {"CAT", "Rocket", "church"}


def test_a_prompt_set_without_labels_is_not_correct_or_wrong(folder: Path) -> None:
    unlabelled = preserved_set(folder / "world.json", labels="none")
    draw(folder / "world.json", folder / "0.parquet", job(prompt_set=unlabelled))
    assert "correct" not in score(folder)[0]


def relabel(folder: Path, label: str) -> None:
    index = read_index(folder / "0.parquet")
    write_index(folder / "0.parquet", [{**row, "label": label} for row in index.rows], index.metadata)


@pytest.mark.parametrize(
    ("label", "sentence"),
    [("rockte", "no label 'rockte': did you mean 'rocket'"), ("r\u200bocket", r"'r\\u200bocket'")],
)
def test_a_label_that_the_judge_does_not_know(folder: Path, judged: list[int], label: str, sentence: str) -> None:
    relabel(folder, label)
    with pytest.raises(UserError, match=sentence):
        score(folder)
    assert judged == []


def test_a_label_that_a_published_judge_does_not_know(folder: Path) -> None:
    write_judge(folder / "judges/imagenet", type="classifier", architecture="resnet50", weights="IMAGENET1K_V2")
    relabel(folder, "french hron")
    with pytest.raises(UserError, match="has no label 'french hron': did you mean 'French horn'"):
        score(folder, "imagenet")


def test_a_damaged_image_is_an_error(folder: Path) -> None:
    for shard in (folder / "store/images").rglob(f"*{SUFFIX}"):
        content = bytearray(shard.read_bytes())
        content[content.index(b"IDAT") + 20] ^= 1
        shard.write_bytes(content)
    with pytest.raises(UserError, match="holds a damaged image"):
        score(folder)
    assert not (folder / "out.parquet").exists()


def test_a_store_with_a_hole(folder: Path) -> None:
    shutil.rmtree(folder / "store")
    with pytest.raises(UserError, match="lacks 6 images that an index names"):
        score(folder)


def test_an_index_that_lies(folder: Path) -> None:
    index = read_index(folder / "0.parquet")
    write_index(folder / "0.parquet", [{**row, "prompt": "a cat"} for row in index.rows], index.metadata)
    with pytest.raises(UserError, match="the image of case .* was drawn for something else"):
        score(folder)


def test_an_index_of_other_settings(folder: Path) -> None:
    told = json.loads((folder / "world.json").read_text())
    (folder / "world.json").write_text(json.dumps({**told, "settings": "0" * 64}))
    with pytest.raises(UserError, match="was made with settings .* now it is 000000000000: run generate_images again"):
        score(folder)


def test_an_index_whose_digest_is_another_images(folder: Path) -> None:
    index = read_index(folder / "0.parquet")
    rows = [{**row, "digest": index.rows[0]["digest"]} for row in index.rows]
    write_index(folder / "0.parquet", rows, index.metadata)
    with pytest.raises(UserError, match="lacks .* images that an index names"):
        score(folder)


@pytest.mark.parametrize(
    ("compute", "sentence"),
    [
        ('[{"brightness": float("nan")} for _ in self.values]', "gave NaN or nothing for 'brightness'"),
        ('[{"brightness": None} for _ in self.values]', "gave NaN or nothing for 'brightness'"),
        ("[]", "gave 0 rows where 5 are due"),
        ('[{"brightnes": 1.0} for _ in self.values]', "gave the columns brightnes, but its type declares brightness"),
    ],
)
def test_a_judge_that_fails(folder: Path, monkeypatch: pytest.MonkeyPatch, compute: str, sentence: str) -> None:
    source = BRIGHTNESS.replace('[{"brightness": value} for value in self.values]', compute)
    assert source != BRIGHTNESS
    add_type(monkeypatch, "brightness", source)
    write_judge(folder / "judges/brightness", type="brightness", factor=1.0)
    with pytest.raises(UserError, match=sentence):
        score(folder, "brightness")
    assert not (folder / "out.parquet").exists()


def test_a_judge_of_another_author(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_type(monkeypatch, "brightness", BRIGHTNESS)
    write_judge(folder / "judges/brightness", type="brightness", factor=1.0)
    rows = score(folder, "brightness")
    assert pq.read_schema(folder / "out.parquet").field("brightness").type == pa.float64()
    assert len({row["brightness"] for row in rows}) > 1


def test_a_judge_of_sets_is_no_judge_of_images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_type(monkeypatch, "spread", SPREAD)
    write_judge(folder / "judges/spread", type="spread")
    with pytest.raises(UserError, match="is a judge per set: use the stage score_sets"):
        score(folder, "spread")
