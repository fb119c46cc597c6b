"""Write the emoji world's concept packs and its preserved prompts: data, made from the vocabulary once."""

import csv
import io
from pathlib import Path

import yaml

from regrow.emoji.vocabulary import COLOURS, NAMES, STYLES, spoken, with_article
from regrow.io.files import write_text

ROWS = 200  # prompts per concept
PRESERVED_ROWS = 610  # ten rounds over all objects
STYLE_NAMES = NAMES[::3][:20]  # as many things as ConceptPrune shows in a style
STRIDE = 17  # objects follow one another in steps of this many names, so that few rows already span the alphabet


def object_pack(name: str) -> dict:
    """Return a concept pack: the twelve backgrounds without and with the object, after ConceptPrune's twelve scenes."""
    thing = with_article(spoken(name))
    scenes = [f"{with_article(colour)} background" for colour in COLOURS]
    return {
        "name": name,
        "kind": "object",
        "label": spoken(name),
        "find": {"base": scenes, "target": [f"{thing} on {scene}" for scene in scenes]},
    }


def style_pack(style: str) -> dict:
    """Return a concept pack: twenty things without and with the icon set's style, after ConceptPrune's twenty nouns."""
    things = [f"an emoji of {with_article(spoken(name))}" for name in STYLE_NAMES]
    target = [f"{thing} in the {style} style" for thing in things]
    return {"name": style, "kind": "style", "label": style, "find": {"base": things, "target": target}}


def write_packs(concepts: Path, preserved: Path) -> None:
    """Write one pack per object and per style to `concepts`, and prompts about all objects, in turn, to `preserved`.

    Seeds of erased prompts start at 0, those of preserved prompts at 100,000, so that no image serves twice.
    """
    for name in NAMES:
        prompt, label = f"an emoji of {with_article(spoken(name))}", spoken(name)
        write_text(concepts / name / "concept.yaml", yaml.safe_dump(object_pack(name), sort_keys=False))
        write_text(concepts / name / "erased.csv", _csv([(prompt, seed, label) for seed in range(ROWS)]))
    things = [spoken(NAMES[i * STRIDE % len(NAMES)]) for i in range(PRESERVED_ROWS)]
    for style in STYLES:
        prompts = [f"an emoji of {with_article(thing)} in the {style} style" for thing in things[:ROWS]]
        write_text(concepts / style / "concept.yaml", yaml.safe_dump(style_pack(style), sort_keys=False))
        write_text(concepts / style / "erased.csv", _csv([(prompt, i, style) for i, prompt in enumerate(prompts)]))
    write_text(preserved, _csv([(f"an emoji of {with_article(t)}", 100_000 + i, t) for i, t in enumerate(things)]))


def _csv(rows: list[tuple[str, int, str]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["prompt", "seed", "label"])
    writer.writerows(rows)
    return buffer.getvalue()
