"""Stage make_report: the tables and figures of an audit on one self-contained HTML page."""

from pathlib import Path

from regrow.io.files import write_text
from regrow.plan.audit import Audit
from regrow.report.render import render


def run(out: Path, audit: str | None = None) -> None:
    """Write the report.

    Parameters
    ----------
    out : Path
        HTML file.
    audit : str or None
        A file of config/audits, without .yaml; without it the audit of this run, or of params.yaml.

    Raises
    ------
    UserError
        When a table or a figure is missing, or a record is of other settings.
    """
    write_text(out, render(Audit.current(audit)))
