"""What was run, as the records of models and the metadata of scores say it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from regrow.methods import load_method
from regrow.plan import paths
from regrow.plan.addresses import ERASED, Model
from regrow.plan.audit import Audit, EvaluationNeed, RecordNeed, ScoreNeed
from regrow.plan.jobs import judges_sets, parts_of
from regrow.report.words import KNOWLEDGE
from regrow.tables.records import checked_record

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """One set of settings, as (dotted name, value) lines, and what it was used for."""

    used_for: str
    lines: list[tuple[str, str]]


def flatten(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Return nested settings as (dotted name, value) lines; a list is one line."""
    if isinstance(value, Mapping):
        return [line for key, inner in value.items() for line in flatten(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list) and not any(isinstance(inner, Mapping) for inner in value):
        return [(name, ", ".join(str(inner) for inner in value))]
    return [(name, value if isinstance(value, str) else json.dumps(value))]


def image_provenance(audit: Audit) -> dict[str, list[Settings]]:
    """Return the samplers, numerics, libraries and judges of the audit's images, each different one once."""
    metadata: dict[str, dict[str, Any]] = {}
    for judge, path in _score_files(audit):
        metadata[path.as_posix()] = {**_metadata(path), "judge": judge}
    found: dict[str, list[Settings]] = {}
    for title, keys in (("Sampler", ("sampler", "numerics", "renderer")), ("Libraries", ("versions",))):
        found[title] = _different(metadata, keys)
    for judge in dict.fromkeys(said["judge"] for said in metadata.values()):
        of_judge = {path: said for path, said in metadata.items() if said["judge"] == judge}
        found[f"Judge {judge}"] = _different(of_judge, ("protocol", "protocol_digest"))
    return found


def prompt_lines(audit: Audit) -> list[tuple[str, int, int]]:
    """Return, for each prompt set, the rows of all models, and those whose prompt is longer than the model reads."""
    from regrow.io.parquet import read_table

    counted: dict[str, tuple[int, int]] = {}
    jobs = set()
    for judge, path in _score_files(audit):
        if judges_sets(audit, judge):
            continue  # of the same images
        rows, said = read_table(path, ("case",))
        name = str(said["prompt_set"]["name"])
        if (job := (name, said["group"], said["part"])) not in jobs:
            jobs.add(job)
            n, long = counted.get(name, (0, 0))
            counted[name] = n + rows.num_rows, long + int(said["truncated"])
    return [(name, *numbers) for name, numbers in counted.items()]


def model_lines(audit: Audit) -> list[tuple[str, str, str]]:
    """Return, once for every model, its name, its chain with options, and what its attack knows."""
    first = {model.key: (model, record) for model, record in reversed(asked_models(audit).items())}
    return [
        (_name(model), _chain(audit, model, record), _knowledge(audit, model))
        for model, record in reversed(first.values())
    ]


def method_lines(audit: Audit) -> list[tuple[str, str, str]]:
    """Return every method with the entries that use it and the first sentence of its own file."""
    params = audit.params
    published = [params.publish_model[name] for view in audit.views for name in view.published]
    used = [("erase_concept", one.eraser) for one in published]
    used += [("defend_model", one.defence) for one in published if one.defence]
    for view in audit.views:
        used += [("complete_weights", completer) for name in view.published for completer in view.completers(name)]
        used += [(audit.section_of(attack), attack) for attack in (*view.attacks, *view.oracles)]
    entries: dict[tuple[str, str], list[str]] = {}
    for section, entry in dict.fromkeys(used):
        entries.setdefault((section, getattr(params, section)[entry]["method"]), []).append(entry)
    return [
        (method, ", ".join(names), (load_method(section, method).__doc__ or "").partition("\n\n")[0].replace("``", ""))
        for (section, method), names in entries.items()
    ]


def model_digests(audit: Audit) -> list[tuple[str, str, str]]:
    """Return name, concept and digest of every model that has a record."""
    return [
        (_name(model), model.concept, str(checked_record(audit, model, record)["model"]))
        for model, record in asked_models(audit).items()
        if record is not None
    ]


def telling_zeros(audit: Audit) -> dict[str, tuple[int, int]]:
    """Return, of published models whose zeros tell signs, how many of their FFN2's zeros are -0.0, and of how many."""
    found: dict[str, tuple[int, int]] = {}
    for model, record in asked_models(audit).items():
        if model.role == ERASED and record is not None:
            zeros = checked_record(audit, model, record)["zeros"]
            negative, total = found.get(model.published, (0, 0))
            found[model.published] = negative + zeros["negative"], total + zeros["ffn2"]
    return {name: zeros for name, zeros in found.items() if 0 < zeros[0] < zeros[1]}


def asked_models(audit: Audit) -> dict[Model, Path | None]:
    """Return the models that some table of the audit asks for, with their records, in the audit's order."""
    found: dict[Model, Path | None] = {}
    for table in audit.tables:
        for need in audit.needs(table):
            if isinstance(need, EvaluationNeed):
                model = audit.published_model(need.published, need.concept)
                found[model] = model.record
            elif isinstance(need, RecordNeed):
                found[need.model] = need.model.record
            else:
                found.setdefault(need.cell.model, need.cell.record)
    for model in list(found):
        if model.published != "none":
            published = audit.published_model(model.published, model.concept)
            found[published] = published.record
    concepts = {name: place for place, name in enumerate([*audit.concepts, "any"])}
    models = {model.key: None for concept in audit.concepts for model in audit.every_model(concept)}
    keys = {key: place for place, key in enumerate(models)}
    return dict(sorted(found.items(), key=lambda item: (keys[item[0].key], concepts[item[0].concept])))


def _name(model: Model) -> str:
    """Return a model's name: what was published, and what was done to it."""
    return {"pretrained": model.role, "control": model.role, "erased": model.published}.get(
        model.role, f"{model.published} > {model.attack}"
    )


def _chain(audit: Audit, model: Model, record: Path | None) -> str:
    published = audit.publisher_of(model)
    if published is None:
        return f"nothing: the {'base' if record is None else 'control'} model as it is"
    pairs = {published: published.record, model: record}
    records = [checked_record(audit, one, path) for one, path in pairs.items() if path is not None]
    keys = ("eraser", "defence", "completer", "attack", "oracle")
    return " > ".join(_step(said[key]) for said in records for key in keys if said.get(key))


def _step(step: Mapping[str, Any]) -> str:
    """Return an entry with its options, ``nuclear (solver fast)``."""
    name = step.get("name") or step.get("method")
    said = {key: value for key, value in step.items() if key != "name" and (key, value) != ("method", name)}
    options = ", ".join(f"{key} {value}" for key, value in said.items())
    return f"{name} ({options})" if options else str(name)


def _knowledge(audit: Audit, model: Model) -> str:
    if model.role not in ("attacked", "oracle"):
        return ""
    return ", ".join(KNOWLEDGE.get(level, level) for level in audit.knowledge(model.attack))


def _score_files(audit: Audit) -> list[tuple[str, Path]]:
    needs = {
        (need.judge, need.cell) for table in audit.tables for need in audit.needs(table) if isinstance(need, ScoreNeed)
    }
    files = []
    for judge, cell in sorted(needs, key=lambda need: (need[0], need[1].prompt_set, need[1].group)):
        if judges_sets(audit, judge):
            files.append((judge, paths.set_score(audit.world_name, audit.name, judge, cell.prompt_set, cell.group)))
            continue
        files += [
            (judge, paths.score(audit.world_name, audit.name, judge, cell.prompt_set, cell.group, part))
            for part in parts_of(audit, cell.prompt_set, cell.group)
        ]
    return list(dict.fromkeys(files))


def _metadata(path: Path) -> dict[str, Any]:
    from regrow.io.parquet import read_table

    return read_table(path)[1]


def _different(metadata: Mapping[str, Mapping[str, Any]], keys: tuple[str, ...]) -> list[Settings]:
    used: dict[str, list[str]] = {}
    for said in metadata.values():
        text = json.dumps({key: said[key] for key in keys if key in said})
        used.setdefault(text, []).append(str(said.get("prompt_set", {}).get("name", "")))
    return [
        Settings(", ".join(dict.fromkeys(filter(None, groups))), flatten(json.loads(text)))
        for text, groups in used.items()
    ]
