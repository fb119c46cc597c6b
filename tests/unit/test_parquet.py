"""Parquet files of ours: metadata travels along, and a flipped byte is seen."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regrow.errors import UserError
from regrow.io.parquet import check_types, read_table, write_table

TABLE = pa.table({"n": list(range(2000)), "word": [f"word {i}" for i in range(2000)]})


def test_round_trip_with_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, TABLE, {"b": 1, "a": 2})
    first = path.read_bytes()
    write_table(path, TABLE, {"a": 2, "b": 1})
    assert path.read_bytes() == first
    table, metadata = read_table(path, ["n"])
    assert table.equals(TABLE)
    assert metadata == {"a": 2, "b": 1}


def test_a_flipped_byte_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, TABLE, {})
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a readable Parquet file: delete it"):
        read_table(path)


@pytest.mark.parametrize("told", ["not JSON", "[1]", "null", "[" * 100_000])
def test_metadata_that_is_no_object_is_refused(tmp_path: Path, told: str) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE.replace_schema_metadata({"regrow": told}), path)
    with pytest.raises(UserError, match="does not say how it was made"):
        read_table(path)


def test_a_column_of_another_type_is_refused() -> None:
    table = pa.table({"n": ["3"], "top5": [["a"]]})
    check_types(Path("x"), table, {"top5": pa.list_(pa.string())}, "again")
    with pytest.raises(UserError, match="x: column 'n' must be of type int64, but is of string: again"):
        check_types(Path("x"), table, {"n": pa.int64()}, "again")
    with pytest.raises(UserError, match="x: column 'k' must be of type int64, but is of no type, for it is absent"):
        check_types(Path("x"), table, {"k": pa.int64()}, "again")


def test_missing_files_and_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no .*absent.parquet: run the stage"):
        read_table(tmp_path / "absent.parquet")
    write_table(tmp_path / "a.parquet", TABLE, {})
    with pytest.raises(UserError, match="has no column 'words': did you mean 'word'"):
        read_table(tmp_path / "a.parquet", ["words"])
    (tmp_path / "a.parquet").write_text("n,word\n")
    with pytest.raises(UserError, match="is not a readable Parquet file"):
        read_table(tmp_path / "a.parquet")
