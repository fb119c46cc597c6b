"""The store's sweep keeps what an index names, once, and removes the rest."""

from pathlib import Path

import pytest

from regrow import cli
from regrow.images.index import write_index
from regrow.images.store import ImageStore
from regrow.images.sweep import sweep, usage
from tests.unit.planning import write_planning_world
from tests.unit.test_index import metadata, row

MODEL = "m" * 64


def fill(store: ImageStore, *keys: str) -> dict[str, str]:
    with store.writer(MODEL, {"device": "cpu"}) as writer:
        return writer.write([(key, f"png of {key}".encode()) for key in keys])


def test_named_rows_stay_once_and_the_rest_goes(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    digests = fill(store, "a", "b", "c")
    fill(store, "b", "d")
    named = {"b", "c"}
    (before,) = usage(tmp_path, {MODEL: named})
    assert (before.rows, before.named) == (5, 2)
    assert sweep(before.folder, named) == 3
    (after,) = usage(tmp_path, {MODEL: named})
    assert (after.rows, after.named) == (2, 2)
    assert after.bytes < before.bytes
    assert [image.png for image in store.read(MODEL, [(key, digests[key]) for key in ("c", "b")])] == [
        b"png of c",
        b"png of b",
    ]
    assert sweep(after.folder, named) == 0


def test_a_model_that_no_index_names_goes(tmp_path: Path) -> None:
    fill(ImageStore(tmp_path), "a")
    (found,) = usage(tmp_path, {})
    assert sweep(found.folder, set()) == 1
    assert usage(tmp_path, {}) == []


def test_the_verb_lists_and_sweeps_what_no_index_of_the_world_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    named = row(0, model=MODEL)
    write_index(
        Path("results/tiny/generate_images/tiny/erased/church/0.parquet"), [named], metadata(models={MODEL: None})
    )
    fill(ImageStore(Path("results/tiny/store/images")), named["key"], "of an older audit")
    for flags, said in (([], "2 images, 1 named, 0.0 MB, 0"), (["--sweep"], "2 images, 1 named, 0.0 MB, 1")):
        assert cli.run(["store", *flags]) == 0
        assert capsys.readouterr().out == f"{MODEL[:12]}  {said} removed\n"
    cli.run(["store"])
    assert "1 images, 1 named" in capsys.readouterr().out
