"""Stage make_report: tables and figures to one self-contained HTML page."""

import json
from pathlib import Path
from typing import Any

from regrow.errors import UserError
from regrow.files import write_text
from regrow.paper.published import read_published
from regrow.paper.report import Audit, render
from regrow.paper.scores import read_scores


def run(
    tables: Path,
    figures: Path,
    scores: list[Path],
    world: Path,
    published: Path,
    template: Path,
    params: dict[str, Any],
    labels: dict[str, str],
    n: int,
    confidence: float,
    title: str,
    out: Path,
) -> None:
    """Write the report.

    Parameters
    ----------
    tables, figures : Path
        Folders of make_tables and make_figures.
    scores : list of Path
        Files of score_images, every recipe's: their metadata tells what was run.
    world : Path
        world.json of get_world.
    published : Path
        Folder data/published.
    template : Path
        Jinja template of the page.
    params : dict
        All parameters of the run, printed at the end of the page.
    labels : dict
        Concept to the judge's label, in the audit's order.
    n : int
        Images of a cell.
    confidence : float
        Level of the intervals in the tables.
    title : str
        Heading of the page.
    out : Path
        HTML file to write.

    Raises
    ------
    UserError
        When an input is missing or does not fit the others.
    """
    try:
        told = json.loads(world.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{world} is not a readable world.json: run get_world") from error
    audit = Audit(
        title, read_scores(scores), labels, n, confidence, tables, figures, told, params, read_published(published)
    )
    write_text(out, render(audit, template))
