"""An index names every image once, says what made it, and is refused when it lies."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regrow.errors import UserError
from regrow.images.index import INDEX, METADATA, check_index, prompt_of, read_index, write_index
from regrow.images.prompts import Prompt
from regrow.images.renderer import RENDERER_VERSION, Numerics, Sampler, image_key
from regrow.world import World

WORLD = World("tiny", Path("pipeline"), "b" * 64, "s" * 64, "DDIMScheduler", 32, 24, Path("concepts"))
SAMPLER, NUMERICS = Sampler("DDIMScheduler", 2, 3.0), Numerics("float32", vae_tiling=False, compiled=False)


def row(case: int, **changes: Any) -> dict[str, Any]:
    prompt = Prompt(case, f"a church {case}", case, "church")
    address = {"concept": "church", "role": "pretrained", "published": "none", "attack": "none", "prompt_set": "erased"}
    key = image_key(WORLD.base, WORLD.settings, prompt, SAMPLER, NUMERICS)
    own = {"case": case, "prompt": prompt.prompt, "label": prompt.label, "seed": case}
    return {**address, **own, "key": key, "digest": f"{case:064d}", "model": WORLD.base, **changes}


def metadata(**changes: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(METADATA),
        "base": WORLD.base,
        "settings": WORLD.settings,
        "renderer": RENDERER_VERSION,
        "sampler": {"scheduler": "DDIMScheduler", "steps": 2, "guidance": 3.0},
        "numerics": {"dtype": "float32", "vae_tiling": False, "compiled": False},
        "models": {WORLD.base: None},
        **changes,
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0.parquet"


def test_what_is_written_is_read(path: Path) -> None:
    rows = [row(0), row(1), row(0, role="erased")]
    write_index(path, rows, metadata())
    index = read_index(path)
    assert (index.rows, index.metadata) == (rows, metadata())
    assert {key[1]: len(found) for key, found in index.cells().items()} == {"pretrained": 2, "erased": 1}
    assert prompt_of(index.rows[1]) == Prompt(1, "a church 1", 1, "church")
    check_index(index, WORLD)
    before = path.read_bytes()
    write_index(path, rows, metadata())
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("rows", "told", "sentence"),
    [
        ([row(0), row(0)], {}, "has case 0 of church / pretrained / none / none / erased twice"),
        ([], {}, "names no images"),
        ([row(0, digest=None)], {}, "column 'digest' must be string without nulls"),
        ([row(0)], {"models": {}}, "case 0 is of a model that its metadata does not name"),
    ],
)
def test_an_index_that_cannot_be_right(
    path: Path, rows: list[dict[str, Any]], told: dict[str, Any], sentence: str
) -> None:
    write_index(path, rows, metadata(**told))
    with pytest.raises(UserError, match=sentence):
        read_index(path)


def test_an_index_without_its_settings(path: Path) -> None:
    told = metadata()
    del told["sampler"]
    write_index(path, [row(0)], told)
    with pytest.raises(UserError, match="does not say its sampler: delete it and run generate_images again"):
        read_index(path)


def test_a_file_that_is_no_index(path: Path) -> None:
    with pytest.raises(UserError, match="there is no"):
        read_index(path)
    pq.write_table(pa.table({"case": [1]}), path)
    with pytest.raises(UserError, match="has no column 'concept'"):
        read_index(path)
    write_index(path, [row(0)], metadata())
    table = pq.read_table(path)
    other = table.set_column(table.column_names.index("seed"), "seed", pa.array(["0"])).cast(
        pa.schema([field.with_type(pa.string()) if field.name == "seed" else field for field in INDEX])
    )
    pq.write_table(other.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(UserError, match="column 'seed' must be int64 without nulls"):
        read_index(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match="not a readable Parquet file"):
        read_index(path)


def test_a_flipped_byte(path: Path) -> None:
    write_index(path, [row(case) for case in range(200)], metadata())
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError):
        read_index(path)


@pytest.mark.parametrize(
    ("changes", "told", "sentence"),
    [
        ({"prompt": "a cat"}, {}, "the image of case 0 was drawn for something else"),
        ({"seed": 7}, {}, "the image of case 0 was drawn for something else"),
        ({}, {"sampler": {"scheduler": "DDIMScheduler", "steps": 3, "guidance": 3.0}}, "was drawn for something else"),
        (
            {},
            {"numerics": {"dtype": "float16", "vae_tiling": False, "compiled": False}},
            "was drawn for something else",
        ),
        ({}, {"sampler": {"steps": 2}}, "does not say how its images were drawn"),
        ({}, {"base": "0" * 64}, "was made with base 000000000000, now it is bbbbbbbbbbbb: run generate_images again"),
        ({}, {"settings": "0" * 64}, "was made with settings 000000000000"),
        ({}, {"renderer": "0"}, "was made with renderer 0, now it is"),
    ],
)
def test_an_index_that_lies(path: Path, changes: dict[str, Any], told: dict[str, Any], sentence: str) -> None:
    write_index(path, [row(0, **changes)], metadata(**told))
    with pytest.raises(UserError, match=sentence):
        check_index(read_index(path), WORLD)
