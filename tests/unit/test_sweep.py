"""The store's sweep keeps what an index names, once, and removes the rest."""

from pathlib import Path

from regrow.images.store import ImageStore
from regrow.images.sweep import sweep, usage

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
