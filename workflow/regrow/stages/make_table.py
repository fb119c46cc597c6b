"""Stage make_table: one table of an audit, from files that are compared with the plan first."""

from pathlib import Path

from regrow.plan.audit import Audit
from regrow.tables.made import build_table, write_csv


def run(table: str, out: Path, audit: str | None = None) -> None:
    """Write a table.

    Parameters
    ----------
    table : str
        Such as roots/table1.
    out : Path
        CSV file with the columns that the table's module declares.
    audit : str or None
        A file of config/audits, without .yaml; without it the audit of this run, or of params.yaml.

    Raises
    ------
    UserError
        A file that is missing, damaged or stale, or a table that does not write what it declares.
    """
    write_csv(out, build_table(Audit.current(audit), table))
