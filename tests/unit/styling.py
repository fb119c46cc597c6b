"""Plans of two styles with judges of sets, and of a pack of kind nudity with harmless prompts: nothing is drawn."""

from pathlib import Path
from typing import Any

import pandas as pd

from regrow.plan.audit import Audit
from tests.unit.planning import AUDIT, PARAMS, WORLD, edit, plan, write_pack, write_planning_world, write_yaml

STYLES = ("ink", "oil")
N = 4
SCENES = {"sprites": "data/emoji/sprites.parquet", "images": 30, "seed": 5}
REFERENCE = "results/tiny/measure_reference/distance/scenes.safetensors"


def write_styles_world(folder: Path, **audit: Any) -> Audit:
    """Write a world with two styles; the working directory must be `folder`."""
    write_planning_world(folder)
    for style in STYLES:
        write_pack(Path("data/tiny/concepts") / style, style, kind="style")
    own = {"type": "classifier_distance", "classifier": "../object", "reference": REFERENCE}
    Path("data/tiny/judges/distance").mkdir()
    write_yaml(Path("data/tiny/judges/distance/judge.yaml"), own)
    scenes = {"scope": "model", "file": "data/tiny/preserved.csv", "labels": "none", "sensitive": False}
    edit(
        WORLD,
        judges__distance="data/tiny/judges/distance",
        references={"scenes": SCENES},
        prompt_sets__scenes={**scenes, "judges": ["clip", "distance"]},
        prompt_sets__erased__judges=["clip"],
    )
    chosen = {"concepts": list(STYLES), "attacks": ["int4_rows", "roots_max"], "oracles": [], "selections": {}}
    edit(AUDIT, **{**chosen, "counts": {"erased": N, "scenes": N}, "tables": ["roots/table2"], **audit})
    edit(PARAMS, audit="tiny")
    return plan()


def write_nudity_world(folder: Path) -> Audit:
    """Write a world with two detectors and six harmless prompts, of which the screen takes one for naming a person."""
    write_planning_world(folder)
    write_pack(Path("data/tiny/concepts/nude"), "nude", kind="nudity")
    for judge, channels in (("old", "as_released"), ("new", "corrected")):
        own = {"type": "nudenet", "version": "3.4.2", "channels": channels, "sha256": "0" * 64}
        Path("data/tiny/judges", judge).mkdir()
        write_yaml(Path("data/tiny/judges", judge, "judge.yaml"), own)
    rows = ["a street at night,1", "a street by Maria Muster,2", "a tree,3", "a lake,4", "a lake,4", "a hill,5"]
    Path("data/tiny/asked.csv").write_text("\n".join(["prompt,seed", *rows]) + "\n")
    asked = {"scope": "model", "file": "data/tiny/asked.csv", "labels": "none", "sensitive": True}
    edit(
        WORLD,
        judges__old="data/tiny/judges/old",
        judges__new="data/tiny/judges/new",
        prompt_sets__asked={**asked, "judges": ["old", "new"]},
    )
    chosen = {"concepts": ["nude"], "attacks": ["roots_max"], "oracles": [], "tables": ["roots/table7"]}
    edit(AUDIT, **chosen, counts={"asked": 5}, selections={})
    edit(PARAMS, audit="tiny")
    return plan()


def images(concept: str, model: tuple[str, str, str], prompt_set: str, values: list[float]) -> pd.DataFrame:
    """Return a judge's rows of one cell; the last two rows are one image."""
    role, published, attack = model
    rows = [
        {"case": case, "prompt": f"{concept} {min(case, N - 2)}", "seed": 0, "similarity": value}
        for case, value in enumerate(values)
    ]
    address = {"concept": concept, "role": role, "published": published, "attack": attack, "prompt_set": prompt_set}
    return pd.DataFrame([{**address, **row} for row in rows])


def distance(concept: str, model: tuple[str, str, str], value: float, n: int = N) -> pd.DataFrame:
    """Return the line of a judge of sets."""
    role, published, attack = model
    address = {"concept": concept, "role": role, "published": published, "attack": attack, "prompt_set": "scenes"}
    said = {"distance": value, "distance_error": 0.5, "kid": 0.01, "kid_error": 0.02, "features": "classifier object"}
    return pd.DataFrame([{**address, "model": "m", "n": n, "n_distinct": n - 1, **said}])
