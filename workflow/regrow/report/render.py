"""Fill the report's template: one HTML file that needs no other file and no network."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment, StrictUndefined, TemplateError

from regrow import __version__
from regrow.errors import UserError
from regrow.places import data_path
from regrow.plan import paths
from regrow.plan.audit import Audit
from regrow.plan.tables import has_figure, table_module
from regrow.report import prose
from regrow.report.licences import licence_lines
from regrow.report.provenance import (
    asked_models,
    flatten,
    image_provenance,
    method_lines,
    model_digests,
    model_lines,
    prompt_lines,
    telling_zeros,
)
from regrow.report.screened import screened_lines
from regrow.report.times import PAPER, time_lines
from regrow.report.words import GLOSSARY
from regrow.tables.blocks import Block, Grid, plain_blocks, with_unmade
from regrow.tables.data import TableData
from regrow.tables.frames import read_csv, read_reported
from regrow.tables.lines import each_line
from regrow.tables.made import read_made
from regrow.tables.pooling import is_pooled
from regrow.tables.records import world_of
from regrow.tables.revival import PRETRAINED, revival_rate
from regrow.tables.selection import concept_sets, labelled_sets
from regrow.tables.style import spoken
from regrow.tables.verdict import RULE, Accuracy, Kind, Verdict, verdicts

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE = Path(__file__).with_name("report.html.j2")
TABLE1, CONCEPTS = "roots/table1", "ours/concepts"
PRINTED_MEAN = "printed mean"
_NARROW = 6  # columns


def render(audit: Audit, template: Path = TEMPLATE) -> str:
    """Return the report as HTML.

    Raises
    ------
    UserError
        When a table, a figure or the template is missing or does not fit.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": prose.percent, "spoken": spoken, "share": _share}
    try:
        return environment.from_string(template.read_text(encoding="utf-8")).render(_context(audit))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} does not exist: it is the report's template, restore it") from error
    except TemplateError as error:
        raise UserError(f"the template {template} does not fit: {error}") from error


def _context(audit: Audit) -> dict[str, Any]:
    made = {name: read_made(audit, name) for name in audit.tables}
    world = world_of(audit)
    judged = _judged(audit, made.get(TABLE1))
    return {
        "title": audit.title,
        "version": __version__,
        "audit": audit.name,
        "world": audit.world_name,
        "world_title": audit.world.title,
        "world_description": audit.world.description,
        "base": world.base,
        "world_lines": flatten({**vars(world), "pipeline": str(world.pipeline), "concepts": str(world.concepts)}),
        "level": audit.level,
        "counts": audit.counts,
        "concepts": audit.concepts,
        "published": judged,
        "tokens": world.tokens,
        "prompts": prompt_lines(audit),
        "screened": screened_lines(audit),
        "times": time_lines(audit, list(asked_models(audit))),
        "paper_time": PAPER,
        "device": audit.params.device,
        "licences": licence_lines(audit.world, audit.counts),
        "telling_zeros": telling_zeros(audit),
        "rule": RULE,
        "cards": _cards(audit, made, judged),
        "means": _means(audit, made.get(TABLE1)),
        "labelled_sets": labelled_sets(audit),
        "tables": [_section(audit, name, table) for name, table in made.items()],
        "models": model_lines(audit),
        "methods": method_lines(audit),
        "settings": image_provenance(audit),
        "digests": model_digests(audit),
        "not_made": audit.not_made(),
        "params": yaml.safe_dump(audit.params.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        "glossary": GLOSSARY,
    }


def _judged(audit: Audit, table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return, for every published model, its verdicts and what they sum up to; nothing without Table 1."""
    audit = audit.for_table(TABLE1)
    sets = concept_sets(audit)
    if table is None or not sets:
        return []
    others = next((name for name in labelled_sets(audit) if name not in sets), None)
    found = []
    for published in audit.handed_out:
        judged = verdicts(table, sets[0], published, audit.level)
        tally = [(kind, [verdict.concept for verdict in judged if verdict.kind is kind]) for kind in Kind]
        found.append(
            {
                "name": published,
                "verdicts": judged,
                "headline": prose.headline(judged),
                "summary": prose.summary(table, sets[0], others, published),
                "tally": [(kind, concepts) for kind, concepts in tally if concepts],
            }
        )
    return found


def _cards(audit: Audit, made: dict[str, pd.DataFrame], judged: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a card per concept: its verdicts and, where the audit has them, its pictures."""
    strips = _strips(audit, made[CONCEPTS]) if CONCEPTS in made else {}
    cards = []
    for concept in audit.for_table(TABLE1).concepts if judged else []:
        own = [verdict for one in judged for verdict in one["verdicts"] if verdict.concept == concept]
        cards.append(
            {
                "concept": concept,
                "verdicts": [(verdict.kind, verdict.kind.name.lower(), prose.sentence(verdict)) for verdict in own],
                "rows": [(_name(line), line) for line in _story(own)],
                "strip": strips.get(concept),
            }
        )
    return cards


def _story(own: list[Verdict]) -> list[Accuracy]:
    """Return the models of a concept's strip, in its order; see `regrow.tables.ours.concepts`."""
    lines = [own[0].pretrained]
    for verdict in own:
        lines += [verdict.erased, *([verdict.attacked] if verdict.attacked else [])]
    return lines


def _name(line: Accuracy) -> str:
    return {"pretrained": "pretrained", "erased": line.published}.get(line.role, line.attack)


def _strips(audit: Audit, table: pd.DataFrame) -> dict[str, str]:
    from PIL import Image

    path = paths.figure(audit.name, CONCEPTS)
    strip = table_module(CONCEPTS).strip
    try:
        figure = Image.open(path).convert("RGB")
    except (FileNotFoundError, OSError) as error:
        raise UserError(f"{path} does not exist or is no picture: run make_figure") from error
    found = {}
    for concept in audit.for_table(CONCEPTS).concepts:
        buffer = io.BytesIO()
        strip(figure, table, concept, audit.params.make_figure.columns).save(buffer, format="PNG", optimize=True)
        found[concept] = _data_uri(buffer.getvalue())
    return found


def _means(audit: Audit, table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return our means and, in fields of their own, the paper's printed ones."""
    if table is None:
        return []
    audit = audit.for_table(TABLE1)
    reported = read_reported(TABLE1)
    printed = {}
    if reported is not None:
        own = reported[reported["concept"] == PRINTED_MEAN]
        printed = {((row.role, row.published, row.attack), row.prompt_set): row.accuracy for row in each_line(own)}
    sets = labelled_sets(audit)
    data = TableData(audit, audit.level)
    rows = []
    for mean in [concept for concept in dict.fromkeys(table["concept"]) if is_pooled(concept)]:
        here = table[table["concept"] == mean].dropna(subset="accuracy")
        cells = {((row.role, row.published, row.attack), row.prompt_set): row for row in each_line(here)}
        for model in dict.fromkeys(model for model, _ in cells):
            ends = [cells.get((key, sets[0])) for key in (model, ("erased", model[1], "none"), PRETRAINED)]
            known = [end.accuracy for end in ends if end is not None]
            rate = revival_rate(*known) if model[0] == "attacked" and len(known) == 3 else None
            rows.append(
                {
                    "mean": mean,
                    "name": data.label(*model),
                    "ours": [cells.get((model, prompt_set)) for prompt_set in sets],
                    "rate": rate,
                    "printed": [printed.get((model, prompt_set)) for prompt_set in sets],
                }
            )
    return rows


def _section(audit: Audit, name: str, table: pd.DataFrame) -> dict[str, Any]:
    """Return what the report says of one table."""
    module, audit = table_module(name), audit.for_table(name)
    data = TableData(audit, audit.level, printed=read_reported(name))
    blocks: list[Block] = module.section(table, data) if hasattr(module, "section") else plain_blocks(table)
    blocks = with_unmade(blocks, audit.unmade["concepts"])
    open_grids = [block for block in blocks if isinstance(block, Grid) and not block.fold]
    figure = None
    if has_figure(name) and name != CONCEPTS:  # whose strips stand in the cards
        path = paths.figure(audit.name, name)
        try:
            figure = _data_uri(path.read_bytes())
        except FileNotFoundError as error:
            raise UserError(f"{path} does not exist: run make_figure") from error
    return {
        "name": name,
        "anchor": name.replace("/", "-"),
        "title": module.TITLE,
        "caption": module.CAPTION,
        "source": module.SOURCE,
        "columns": module.COLUMNS,
        "blocks": blocks,
        "figure": figure,
        # Small grids stand beside each other where the page has room.
        "beside": len(open_grids) > 1 and all(len(block.head) <= _NARROW for block in open_grids),
        "notes": _notes(name),
    }


def _notes(table: str) -> list[str]:
    """Return what must be said of a paper's table: what it contradicts in itself, or why it has no numbers."""
    family, _, name = table.partition("/")
    path = data_path(f"data/reported/{family}/notes.csv")
    if not path.is_file():
        return []
    notes = read_csv(path)
    return [str(note) for note in notes.loc[notes["table"] == name, "note"]]


def _share(value: float, digits: int) -> str:
    """Return a share in per cent; a rounded zero has no sign."""
    return f"{round(100 * value, digits) + 0.0:.{digits}f}"


def _data_uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
