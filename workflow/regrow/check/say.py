"""Say what a check found: lines for a terminal, a snippet for a model card, and a record for a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from regrow import __version__
from regrow.check.answer import Answer, Findings
from regrow.check.counting import Count, Number
from regrow.check.missing import Cut


def as_text(found: Findings, said: Answer) -> str:
    """Return the answer for a terminal."""
    lines = [f"{found.model}: {found.said}", "", *_missing(found), "", *_beside(found), "", found.measure.heading]
    lines += _lines(_rows(found))
    lines += [f"  {tried.name:<24}  does not apply: {tried.refused}" for tried in found.tried if tried.refused]
    for heading, numbers in found.beside.items():
        lines += [heading, *_lines(numbers)]
    lines += [f"prompts: {_screened(found)}"] if _screened(found) else []
    lines += ["", f"verdict: {said.kind.value}", said.sentence, f"({found.measure.rule})"]
    lines += ["", "advice", *(f"  - {line}" for line in said.advice)]
    return "\n".join(lines) + f"\n\nexit code {said.exit_code}\n"


def as_card(found: Findings, said: Answer, settings: Mapping[str, Any]) -> str:
    """Return a snippet for a model card, in Markdown."""
    cut = sum(cut.count for cut in found.cuts)
    entries = f"{cut:,} entries of {len(found.cuts)} weights" if cut else "nothing that shows"
    drawn = ", ".join(f"{key} {value}" for key, value in settings.items())
    rows = [f"| {name} | {_cell(one)} | {one.low:.2f} to {one.high:.2f} |" for name, one in _rows(found).items()]
    tried = ", ".join(found.attacks) or "none"
    limits = [f"- {reason[0].upper()}{reason[1:]}." for reason in said.reasons]
    return "\n".join(
        [
            f"### Concept '{found.concept}': {said.kind.value}",
            "",
            said.sentence,
            "",
            f"| {found.measure.heading} | number | {found.level:.0%} interval |",
            "|---|---|---|",
            *rows,
            "",
            *(f"{heading[0].upper()}{heading[1:]}: {_joined(numbers)}.\n" for heading, numbers in found.beside.items()),
            *([f"Prompts: {_screened(found)}.\n"] if _screened(found) else []),
            f"Missing from the weights: {entries}. Checked with `regrow check` {__version__} in the world "
            f"`{found.world}` ({drawn}). Attacks tried: {tried}; others, such as training or searching "
            "for prompts, were not.",
            *(["", "What this does not settle:", "", *limits] if limits else []),
            "",
        ]
    )


def as_record(found: Findings, said: Answer, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as an object for JSON."""
    return {
        "regrow": __version__,
        "model": found.model,
        "is": found.said,
        "concept": found.concept,
        "world": found.world,
        "verdict": said.kind.value,
        "exit_code": said.exit_code,
        "sentence": said.sentence,
        "reasons": said.reasons,
        "advice": said.advice,
        "settings": dict(settings),
        "level": found.level,
        "counted": found.measure.heading,
        "rule": found.measure.rule,
        "images": {name: asdict(counted) for name, counted in _rows(found).items()},
        "beside": {
            heading: {name: asdict(number) for name, number in numbers.items()}
            for heading, numbers in found.beside.items()
        },
        "prompts": asdict(found.extent) if found.extent else None,
        "refused": {tried.name: tried.refused for tried in found.tried if tried.refused},
        "missing": [
            {
                "weight": cut.name,
                "shape": list(cut.missing.shape),
                "missing": cut.count,
                "how": cut.how.value,
                "zeros": cut.zeros.total,
                "negative_zeros": cut.zeros.negative,
                "rows": cut.rows,
                "columns": cut.columns,
                "completable": cut.completable,
            }
            for cut in found.cuts
        ],
        "copies": [asdict(copy) for copy in found.copies],
        "traces": found.traces,
        "changed_from_base": found.changed,
        "trained_from_base": found.trained,
    }


def _rows(found: Findings) -> dict[str, Number]:
    named = {"base": found.base, "published": found.published, **found.attacks, "other things, right": found.others}
    return {name: counted for name, counted in named.items() if counted}


def _cell(number: Number) -> str:
    return f"{number.correct} of {number.n}" if isinstance(number, Count) else f"{number.share:.2f}"


def _lines(numbers: Mapping[str, Number]) -> list[str]:
    return [f"  {name:<24}  {number}" for name, number in numbers.items()]


def _joined(numbers: Mapping[str, Number]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items())


def _screened(found: Findings) -> str:
    """Return what the screen took out, and nothing where it was not asked."""
    if found.extent is None or not found.extent.dropped:
        return ""
    extent = found.extent
    if extent.images == extent.rows:
        return f"all of the first {extent.rows} drawn, none is on a list of the screen"
    dropped = ", ".join(f"{name} {count}" for name, count in extent.dropped.items())
    return f"{extent.images} of the first {extent.rows} drawn, the screen took out the others ({dropped})"


def _missing(found: Findings) -> list[str]:
    lines = []
    if found.changed is not None:
        lines.append(
            f"against the base: {found.changed} weights differ, {found.trained} of them in most of their entries"
        )
    if not found.cuts:
        return [*lines, "missing: nothing that shows (no zeros, no gap, no sparse difference)"]
    count, size = sum(cut.count for cut in found.cuts), sum(cut.missing.numel() for cut in found.cuts)
    how = ", ".join(dict.fromkeys(cut.how.value for cut in found.cuts))
    lines.append(f"missing: {count:,} of {size:,} entries ({count / size:.1%}) of {len(found.cuts)} weights, by {how}")
    zeros, negative = (sum(getattr(cut.zeros, key) for cut in found.cuts) for key in ("total", "negative"))
    if any(cut.zeros.tell_signs for cut in found.cuts):
        lines.append(
            f"  {negative:,} of the {zeros:,} zeros are -0.0: EVERY ZERO TELLS THE SIGN of the weight it replaced"
        )
    elif zeros:
        lines.append(f"  all {zeros:,} zeros are of one kind: they tell no signs")
    width = max(len(cut.name) for cut in found.cuts)
    return [*lines, *(f"  {_layer(cut, width)}" for cut in found.cuts)]


def _layer(cut: Cut, width: int) -> str:
    line = f"{cut.name:<{width}}  {'x'.join(map(str, cut.missing.shape)):>12}  {cut.count / cut.missing.numel():6.1%}"
    whole = [f"{n} {name}{'s' if n > 1 else ''}" for n, name in ((cut.columns, "column"), (cut.rows, "row")) if n]
    return f"{line}  {' and '.join(whole)} missing as a whole: not completable" if whole else line


def _beside(found: Findings) -> list[str]:
    lines = [
        f"  {copy.where}: {copy.what.value}"
        + (f", {copy.back:,} missing entries among them" if copy.back else "")
        + (f" ({copy.note})" if copy.note else "")
        for copy in found.copies
    ]
    lines += [f"  {trace}" for trace in found.traces]
    return ["copies and traces: none found"] if not lines else ["copies and traces", *lines]
