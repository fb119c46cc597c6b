"""Everything that a table asked for, read and compared with the plan, and the CSV files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from regrow.errors import UserError
from regrow.plan.addresses import Cell
from regrow.plan.audit import Audit, EvaluationNeed, RecordNeed, ScoreNeed
from regrow.plan.tables import reported_file, table_module
from regrow.tables.data import TableData
from regrow.tables.evaluations import read_evaluations
from regrow.tables.records import read_records
from regrow.tables.scores import read_scores

if TYPE_CHECKING:
    import pandas as pd


def read_data(audit: Audit, table: str, scores: bool = True) -> TableData:
    """Return what a table asked for; a figure, drawn from its table, leaves the scores out.

    Raises
    ------
    UserError
        A file is missing, damaged, stale or of something else.
    """
    whole, audit = audit, audit.for_table(table)
    needs = audit.needs(table)
    by_judge: dict[str, list[Cell]] = {}
    for need in needs:
        if scores and isinstance(need, ScoreNeed):
            by_judge.setdefault(need.judge, []).append(need.cell)
    return TableData(
        audit,
        audit.level,
        judged_by={judge: read_scores(audit, judge, cells) for judge, cells in by_judge.items()},
        evaluations=read_evaluations(audit, [need for need in needs if isinstance(need, EvaluationNeed)]),
        records=read_records(audit, [need.model for need in needs if isinstance(need, RecordNeed)]),
        printed=read_reported(table),
        other=lambda name: _built(whole, name),
    )


def _built(audit: Audit, table: str) -> tuple[pd.DataFrame, TableData]:
    data = read_data(audit, table)
    return table_module(table).build(data), data


def read_reported(table: str) -> pd.DataFrame | None:
    """Return what a paper prints beside a table, or None."""
    path = reported_file(table)
    return None if path is None else read_csv(path)


def read_csv(path: Path) -> pd.DataFrame:
    """Return a CSV file of ours; an empty cell is missing, and every word, such as ``none``, is itself."""
    import pandas as pd

    if not path.is_file():
        raise UserError(f"there is no {path}: run make_table, or point at the folder that holds it")
    try:
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no readable CSV file ({error}): make it anew") from error
    whole = [name for name in ("n", "n_distinct", "correct") if name in frame and frame[name].dtype != bool]
    return frame.astype(dict.fromkeys(whole, "Int64"))
