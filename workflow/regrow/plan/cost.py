"""What an audit costs before anything is made: images, minutes, gigabytes and jobs, by table and in all."""

from collections.abc import Iterable
from dataclasses import dataclass

from regrow.images.prompts import distinct
from regrow.plan.addresses import Cell
from regrow.plan.audit import Audit, ImageNeed, ScoreNeed
from regrow.plan.jobs import jobs_of, rows_of


@dataclass(frozen=True)
class Cost:
    """The images of some cells, at most: those that are in the store cost nothing.

    Attributes
    ----------
    cells, jobs, rows, images : int
        `rows` counts prompts, `images` distinct (prompt, seed): equal rows are drawn once.
    minutes, gigabytes : float
        By images_per_minute and image_kilobytes.
    """

    cells: int
    jobs: int
    rows: int
    images: int
    minutes: float
    gigabytes: float


def cost(audit: Audit) -> Cost:
    """Return the cost of all tables of an audit together."""
    return _cost(audit, audit.wanted_cells)


def costs(audit: Audit) -> dict[str, Cost]:
    """Return the cost of each table by itself; tables share cells, so the sum is more than the whole."""
    asked = {
        table: {need.cell for need in audit.needs(table) if isinstance(need, ScoreNeed | ImageNeed)}
        for table in audit.tables
    }
    return {
        table: _cost(audit, [cell for cell in audit.wanted_cells if cell in asked[table]]) for table in audit.tables
    }


def said(audit: Audit, rows: int) -> str:
    """Return a sentence on the cost of some rows."""
    settings = audit.params.generate_images
    gigabytes = rows * settings.image_kilobytes / 1e6
    minutes = rows / settings.images_per_minute
    return f"To make: at most {rows:,} images, about {minutes:.0f} minutes and {gigabytes:.2f} GB."


def _cost(audit: Audit, cells: Iterable[Cell]) -> Cost:
    cells = list(cells)
    groups = {(cell.prompt_set, cell.group) for cell in cells}
    rows = sum(len(rows_of(audit, cell.prompt_set, cell.group)) for cell in cells)
    images = sum(len(distinct(rows_of(audit, cell.prompt_set, cell.group))) for cell in cells)
    jobs = [job for job in jobs_of(audit) if (job.prompt_set, job.group) in groups]
    settings = audit.params.generate_images
    return Cost(
        len(cells),
        len(jobs),
        rows,
        images,
        images / settings.images_per_minute,
        images * settings.image_kilobytes / 1e6,
    )
