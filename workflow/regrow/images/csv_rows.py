"""Read a CSV file row by row, whatever program wrote it, and refuse rows that do not have the header's shape."""

import csv
import io
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from regrow.errors import UserError, nearest

DELIMITERS = ",;\t"


@dataclass(frozen=True)
class CsvRows:
    """A CSV file.

    Attributes
    ----------
    path : Path
        Named in errors.
    header : list of str
        Names of the columns as `same_text` compares them.
    rows : list of (int, list of str)
        The line on which each row begins, counted from 1, and as many fields as the header has.
    """

    path: Path
    header: list[str]
    rows: list[tuple[int, list[str]]]

    def column(self, name: str) -> int:
        """Return the position of a column; one that is absent or stands twice is a UserError."""
        positions = [i for i, found in enumerate(self.header) if found == same_text(name)]
        if len(positions) > 1:
            raise UserError(f"{self.path} has the column '{name}' {len(positions)} times: leave one of them")
        if not positions:
            raise UserError(f"{self.path} has no column '{name}': {nearest(name, filter(None, self.header))}")
        return positions[0]


def read_csv(path: Path, kind: str) -> CsvRows:
    """Read a CSV file in UTF-8 whose fields are separated by commas, semicolons or tabs; `kind` names it in an error.

    Blank lines, and rows of blank fields at the end, as spreadsheets leave them, are no rows.

    Raises
    ------
    UserError
        No such file, no CSV in UTF-8, a row with more or fewer fields than the header, or no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:  # a spreadsheet writes a byte-order mark
            text = stream.read()
        # Strict: a quote that is never closed would swallow the rest of the file as one field.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        records, begin = [], 1
        for fields in reader:
            if fields:
                records.append((begin, fields))
            begin = reader.line_num + 1
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"there is no {kind} {path}: make it or correct the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV file in UTF-8 ({error}): save it as one") from error
    while len(records) > 1 and not any(field.strip() for field in records[-1][1]):
        records.pop()
    if len(records) < 2:
        raise UserError(f"{path} holds no rows below a header, so it is no {kind}: add some")
    header = [same_text(name) for name in records[0][1]]
    for line, fields in records[1:]:
        if len(fields) != len(header):
            raise UserError(
                f"{path}, line {line}: {len(fields)} fields where the header has {len(header)}: put a field that holds "
                "the separator into double quotes"
            )
    return CsvRows(path, header, records[1:])


@lru_cache(maxsize=4096)
def same_text(text: str) -> str:
    """Return what two words are compared by: blanks around them, case and composition of accents do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).casefold())


def _delimiter(text: str) -> str:
    """Return the separator that gives the header the most columns, a comma when none does."""
    counts = {
        delimiter: len(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), []))
        for delimiter in DELIMITERS
    }
    return max(DELIMITERS, key=lambda delimiter: counts[delimiter])
