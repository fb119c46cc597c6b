"""Stage make_figure: the figure of one table, as PNG and as PDF."""

from pathlib import Path

from regrow.errors import UserError
from regrow.plan.audit import Audit
from regrow.plan.tables import has_figure, table_module
from regrow.tables import style
from regrow.tables.made import read_figure_data, read_made


def run(table: str, out: Path, out_pdf: Path, audit: str | None = None) -> None:
    """Draw a table.

    Parameters
    ----------
    table : str
        Such as roots/table1.
    out : Path
        PNG file.
    out_pdf : Path
        PDF file, its lines and letters as vectors.
    audit : str or None
        A file of config/audits, without .yaml; without it the audit of this run, or of params.yaml.

    Raises
    ------
    UserError
        A table without a figure, or a file that is missing, damaged or stale.
    """
    if not has_figure(table):
        raise UserError(f"table '{table}' draws no figure: give its module a function draw(table, data)")
    plan = Audit.current(audit)
    made, data = read_made(plan, table), read_figure_data(plan, table)
    with style.sheet():
        style.save(table_module(table).draw(made, data), out, out_pdf, data.dpi)
