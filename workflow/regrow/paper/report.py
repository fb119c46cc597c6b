"""Fill the report's template: one HTML file that needs no other file and no network."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined, TemplateError

from regrow import __version__
from regrow.errors import UserError
from regrow.paper import verdict as judging
from regrow.paper.alignment import LayerAlignment
from regrow.paper.both_sides import ALL
from regrow.paper.keep import Kept
from regrow.paper.ladder import Rung
from regrow.paper.metrics import revival_rate
from regrow.paper.provenance import counts, flatten, model_digests, settings
from regrow.paper.published import PRINTED_MEAN, Published
from regrow.paper.recipes import Chain, Roles, completers, heading, oracles, published_order, roles, steps
from regrow.paper.reliability import Reliability, calibration_errors
from regrow.paper.rows import read_rows
from regrow.paper.scores import PROMPT_SETS, Scores
from regrow.paper.signs import SignAccuracy, overall
from regrow.paper.table1 import MEAN, Accuracy, pick
from regrow.paper.verdict import percent, spoken
from regrow.paper.words import GLOSSARY, RUNGS, WORLDS

_FIGURES = ("grid", "bars", "signs", "layers", "alignment", "reliability", "ladder", "spectrum")


@dataclass(frozen=True)
class Audit:
    """Everything the report tells of."""

    title: str
    scores: Scores
    labels: Mapping[str, str]
    n: int
    confidence: float
    tables: Path
    figures: Path
    world: Mapping[str, Any]
    params: Mapping[str, Any]
    published: Published


def render(audit: Audit, template: Path) -> str:
    """Return the report as HTML.

    Raises
    ------
    UserError
        When a table, a figure or the template is missing or does not fit.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "heading": heading, "spoken": spoken}
    try:
        return environment.from_string(template.read_text(encoding="utf-8")).render(_context(audit))
    except FileNotFoundError as error:
        raise UserError(
            f"{error.filename} does not exist: point at the report's template, workflow/report/report.html.j2"
        ) from error
    except TemplateError as error:
        raise UserError(f"the template {template} does not fit: {error}") from error


def _context(audit: Audit) -> dict[str, Any]:
    lines = read_rows(audit.tables / "table1.csv", Accuracy)
    recipes = published_order(audit.scores.recipes)
    parts = roles(audit.scores.recipes)
    concepts = list(audit.labels)
    judged = [judging.verdicts(lines, concepts, parts, chain, audit.confidence) for chain in parts.chains]
    cells = {
        (concept, recipe, prompt_set): audit.scores.cell(concept, recipe, prompt_set, label, audit.n)
        for concept, label in audit.labels.items()
        for recipe in recipes
        for prompt_set in PROMPT_SETS
    }
    name = str(audit.world.get("world", "not named"))
    return {
        "title": audit.title,
        "version": __version__,
        "world": name,
        "world_words": WORLDS.get(name, "a world of your own"),
        "world_lines": flatten({key: value for key, value in audit.world.items() if key != "concepts"}),
        "n": audit.n,
        "confidence": audit.confidence,
        "concepts": concepts,
        "recipes": recipes,
        "steps": {recipe: steps(chain, options=False) for recipe, chain in audit.scores.recipes.items()},
        "steps_with_options": {recipe: steps(chain, options=True) for recipe, chain in audit.scores.recipes.items()},
        "chains": [_chain(lines, parts, chain, found) for chain, found in zip(parts.chains, judged, strict=True)],
        "cards": [_card(audit.figures, number, concept, judged) for number, concept in enumerate(concepts)],
        "rule": judging.RULE,
        "means": _means(lines, recipes, parts, audit.published),
        "cell": {(line.concept, line.recipe, line.prompt_set): line for line in lines},
        "prompt_sets": PROMPT_SETS,
        "mean": MEAN,
        **_published(audit.published),
        **_sign_tables(audit.tables),
        "keeps": _keeps(audit.tables, lines),
        "figures": {
            name: _data_uri(audit.figures / f"{name}.png")
            for name in (*_FIGURES, *(["oracles"] if oracles(audit.scores.recipes) else []))
        },
        "settings": {key: settings(audit.scores, key) for key in ("protocol", "sampler", "versions")},
        "digests": model_digests(audit.scores, recipes),
        "counts": counts(cells, recipes),
        "params": yaml.safe_dump(dict(audit.params), sort_keys=False, allow_unicode=True),
        "glossary": GLOSSARY,
    }


def _chain(lines: Sequence[Accuracy], parts: Roles, chain: Chain, found: Sequence[judging.Verdict]) -> dict[str, Any]:
    tally = [(kind, [verdict.concept for verdict in found if verdict.kind is kind]) for kind in judging.Kind]
    return {
        "erased": chain.erased,
        "headline": judging.headline(found),
        "summary": judging.summary(lines, parts, chain),
        "tally": [(kind, concepts) for kind, concepts in tally if concepts],
    }


def _card(figures: Path, number: int, concept: str, judged: Sequence[Sequence[judging.Verdict]]) -> dict[str, Any]:
    found = [verdicts[number] for verdicts in judged]
    accuracies = {found[0].pretrained.recipe: found[0].pretrained}
    for verdict in found:
        accuracies[verdict.erased.recipe] = verdict.erased
        if verdict.revived:
            accuracies[verdict.revived.recipe] = verdict.revived
    return {
        "concept": concept,
        "verdicts": [(verdict.kind, verdict.kind.name.lower(), judging.sentence(verdict)) for verdict in found],
        "rows": [accuracies[recipe] for recipe in judging.shown_recipes(found)],
        "strip": _data_uri(figures / f"concept_{concept}.png"),
    }


def _means(
    lines: Sequence[Accuracy], recipes: Sequence[str], parts: Roles, published: Published
) -> list[dict[str, Any]]:
    """Our means and, in fields of their own, the paper's printed ones."""
    printed = {
        (line.recipe, line.prompt_set): line.accuracy for line in published.table1 if line.concept == PRINTED_MEAN
    }
    starts = {reviver: chain.erased for chain in parts.chains for reviver in chain.revivers}
    rows = []
    for recipe in recipes:
        rate = None
        if recipe in starts:
            rate = revival_rate(
                *(pick(lines, MEAN, name).accuracy for name in (recipe, starts[recipe], parts.pretrained))
            )
        rows.append(
            {
                "recipe": recipe,
                "ours": {prompt_set: pick(lines, MEAN, recipe, prompt_set) for prompt_set in PROMPT_SETS},
                "rate": rate,
                "printed": {prompt_set: printed.get((recipe, prompt_set)) for prompt_set in PROMPT_SETS},
            }
        )
    return rows


def _published(published: Published) -> dict[str, Any]:
    return {
        "published_models": list(dict.fromkeys(line.model for line in published.table1)),
        "published_classes": list(dict.fromkeys(line.concept for line in published.table1)),
        "published_cell": {(line.concept, line.model, line.prompt_set): line.accuracy for line in published.table1},
        "published_table5": {(line.r, line.p): line.share for line in published.table5},
        "published_table6": {(line.k, line.part): line.accuracy for line in published.table6},
        "published_notes": published.notes,
    }


def _sign_tables(tables: Path) -> dict[str, Any]:
    signs = read_rows(tables / "signs.csv", SignAccuracy)
    pooled = [line for line in signs if line.concept == line.layer == ALL]
    shares = [line for line in read_rows(tables / "alignment.csv", LayerAlignment) if line.concept == line.layer == ALL]
    errors = calibration_errors(read_rows(tables / "reliability.csv", Reliability))
    rungs = [line for line in read_rows(tables / "ladder.csv", Rung) if line.concept == ALL]
    named = completers(signs)
    return {
        "completers": named,
        "table6": {(line.eraser, line.completer, line.k, line.part): line for line in pooled},
        "table6_k": sorted({line.k for line in pooled}),
        "table5": {
            name: {(line.r, line.p): line.share for line in shares if (line.eraser, line.completer) == pair}
            for pair, name in named.items()
        },
        "without_sign": max((line.without_sign for line in overall(pooled)), default=0),
        "signs_by_concept": _by_completer(overall(signs), "concept"),
        "signs_by_layer": _by_completer(
            [line for line in signs if line.concept == ALL != line.layer and line.k == 1], "layer"
        ),
        "calibration_errors": {named[pair]: error for pair, error in errors.items()},
        "rungs": RUNGS,
        "ladder": rungs,
        "completers_of_ladder": completers(rungs),
        "all": ALL,
    }


def _by_completer(lines: Sequence[SignAccuracy], key: str) -> dict[str, dict[tuple[str, str], SignAccuracy]]:
    """Return lines by concept or layer and then by eraser and completer, ``all`` last."""
    found: dict[str, dict[tuple[str, str], SignAccuracy]] = {}
    for line in lines:
        found.setdefault(getattr(line, key), {})[line.eraser, line.completer] = line
    return dict(sorted(found.items(), key=lambda item: item[0] == ALL))


def _keeps(tables: Path, lines: Sequence[Accuracy]) -> list[dict[str, Any]]:
    """Return, for every reviver that keeps a share of the signs, what it was told, what it kept and what came of it."""
    kept = read_rows(tables / "keep.csv", Kept)
    rows = []
    for recipe, keep in dict.fromkeys((line.recipe, line.keep) for line in kept):
        shares = [line.kept for line in kept if line.recipe == recipe]
        rows.append(
            {
                "recipe": recipe,
                "keep": keep,
                "least": min(shares),
                "mean": sum(shares) / len(shares),
                "most": max(shares),
                "accuracy": pick(lines, MEAN, recipe),
            }
        )
    return rows


def _data_uri(path: Path) -> str:
    try:
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: run make_figures") from error
