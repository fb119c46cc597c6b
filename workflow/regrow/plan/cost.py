"""What an audit costs before anything is made: images, hours, gigabytes and jobs, by table and in all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from regrow.plan import paths
from regrow.plan.audit import Audit, ScoreNeed
from regrow.plan.downloads import fetched_of, measured_of
from regrow.plan.jobs import counted
from regrow.plan.prices import JUDGE_AT, Prices, Seconds, images_of, jobs_making
from regrow.plan.products import products_of
from regrow.plan.tables import has_figure


@dataclass(frozen=True)
class Cost:
    """What some tables cost from the beginning; what is there already costs nothing.

    Attributes
    ----------
    cells, rows, images : int
        Of every cell once: `rows` counts prompts, `images` distinct (prompt, seed): equal rows are drawn once.
    jobs : int
        Of Snakemake, downloads and tables included.
    seconds : Seconds
        Of jobs on the GPU and of others.
    gigabytes : float or None
        Images, models and downloads; None where nobody knows the size of an image.
    """

    cells: int
    rows: int
    images: int
    jobs: int
    seconds: Seconds
    gigabytes: float | None


def cost(audit: Audit, prices: Prices) -> Cost:
    """Return the cost of all tables of an audit together, with metrics and report."""
    return _cost(audit, prices, audit.tables, pages=2)


def costs(audit: Audit, prices: Prices) -> dict[str, Cost]:
    """Return the cost of each table by itself; tables share cells and models, so the sum is more than the whole."""
    return {table: _cost(audit, prices, [table]) for table in audit.tables}


def cost_of_jobs(audit: Audit, prices: Prices, outputs: Iterable[Path]) -> Cost:
    """Return the cost of a run by one output of each of its jobs; images that are in the store count."""
    files = list(outputs)
    made = [path for path in files if path.parts[1] != "audits"]
    drawn = [images_of(audit, path) for path in made if path.parts[2] == "generate_images"]
    cells, rows, images = (sum(counts) for counts in zip(*drawn, strict=True)) if drawn else (0, 0, 0)
    seconds = prices.images(images) + prices.jobs(made) + prices.pages(len(files) - len(made))
    for path in made:
        if path.parts[2] in JUDGE_AT:
            seconds += prices.judged(path.parts[JUDGE_AT[path.parts[2]]], images_of(audit, path)[2])
    return Cost(cells, rows, images, len(files), seconds, prices.gigabytes(images, made))


def _cost(audit: Audit, prices: Prices, tables: Sequence[str], pages: int = 0) -> Cost:
    cells = audit.cells_of(tuple(tables))
    counts = [counted(audit, cell.prompt_set, cell.group) for cell in cells]
    rows, images = sum(count for count, _ in counts), sum(count for _, count in counts)
    measured = [paths.measured_reference(audit.source, *names) for names in measured_of(audit, tables)]
    made = jobs_making([*products_of(audit, tables), *fetched_of(audit, tables), *measured])
    pages += len(tables) + sum(map(has_figure, tables))
    seconds = prices.images(images) + prices.jobs(made) + prices.pages(pages)
    for need in dict.fromkeys(need for table in tables for need in audit.needs(table)):
        if isinstance(need, ScoreNeed):
            seconds += prices.judged(need.judge, counted(audit, need.cell.prompt_set, need.cell.group)[1])
    return Cost(len(cells), rows, images, len(made) + pages, seconds, prices.gigabytes(images, made))
