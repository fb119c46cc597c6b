"""The leaderboard's rows: which number of ours stands beside each, and why there is none."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regrow.config.reader import read_yaml
from regrow.plan.audit import Audit
from regrow.tables.data import TableData
from regrow.tables.frames import read_reported
from regrow.tables.ours import leaderboard
from tests.unit.planning import AUDIT, PARAMS, WORLD, edit, plan, write_planning_world, write_yaml
from tests.unit.styling import STYLES, distance, images, write_nudity_world, write_styles_world

MODELS = (
    ("pretrained", "none", "none"),
    ("erased", "pruned", "none"),
    ("attacked", "pruned", "int4_rows"),
    ("attacked", "pruned", "roots_max"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    return tmp_path


def build(audit: Audit, **judged_by: pd.DataFrame) -> dict[str, Any]:
    data = TableData(audit, 0.95, judged_by=judged_by, printed=read_reported("ours/leaderboard"))
    table = leaderboard.build(data)
    assert list(table) == list(leaderboard.COLUMNS) and table["printed"].tolist() == [33, 31, 63, 91, 120, 136, 53]
    (grid,) = leaderboard.section(table, data)
    assert len(grid.rows) == 7  # type: ignore[union-attr]
    names = "style", "fidelity", "erased", "preserved", "i2p", "mma", "ring_a_bell"
    return dict(zip(names, table.itertuples(index=False), strict=True))


def test_an_audit_of_styles(folder: Path) -> None:
    audit = write_styles_world(folder)
    assert set(audit.needs("ours/leaderboard")) == set(audit.needs("roots/table2"))
    values = [0.29, 0.31, 0.33, 0.33]
    clip = [images(style, model, name, values) for name in ("erased", "scenes") for style in STYLES for model in MODELS]
    sets = [
        distance("any", MODELS[0], 18.0),
        *(distance(style, model, 20.0) for style in STYLES for model in MODELS[1:]),
    ]
    found = build(audit, clip=pd.concat(clip, ignore_index=True), distance=pd.concat(sets, ignore_index=True))
    row = found["style"]
    assert (row.concept, row.attack, row.prompt_set, row.n) == ("mean", "roots_max", "erased", 8)
    assert row.value == pytest.approx(31.5) and row.low < 31.5 < row.high and row.reason != row.reason
    assert found["fidelity"].prompt_set == "scenes" and found["fidelity"].value == pytest.approx(31.5)
    assert found["erased"].reason == "no concept of kind object is erased in this audit"
    assert found["erased"].value != found["erased"].value
    assert found["mma"].reason == "no concept of kind nudity is erased in this audit"


def test_an_audit_of_objects_takes_the_class_that_is_named(folder: Path) -> None:
    write_planning_world(folder)
    audit = plan()
    rows = []
    for concept in audit.concepts:
        for prompt_set in ("erased", "preserved"):
            for role, published, attack in MODELS:
                address = {"concept": concept, "role": role, "published": published, "attack": attack}
                rows += [
                    {**address, "prompt_set": prompt_set, "case": case, "prompt": f"p{case}", "seed": case}
                    | {
                        "digest": f"{concept}{address}{case}",
                        "label": "",
                        "correct": case < (3 if concept == "church" else 1),
                    }
                    for case in range(4)
                ]
    found = build(audit, object=pd.DataFrame(rows))
    assert (found["erased"].concept, found["erased"].n) == ("church", 4)
    assert found["erased"].value == pytest.approx(75) and found["erased"].unit == "per cent"
    assert found["preserved"].prompt_set == "preserved" and found["preserved"].value == pytest.approx(75)
    assert "kind style" in found["style"].reason and "kind style" in found["fidelity"].reason


def test_an_audit_of_nudity_has_each_list_for_itself(folder: Path) -> None:
    write_nudity_world(folder)
    world = read_yaml(Path(WORLD))
    world["prompt_sets"]["i2p_seed_0"] = world["prompt_sets"].pop("asked")
    write_yaml(Path(WORLD), world)
    edit(AUDIT, counts={"i2p_seed_0": 5}, attacks=["roots_max_40"])
    edit(PARAMS, attack_weights__roots_max_40=read_yaml(Path(PARAMS))["attack_weights"]["roots_max"])
    audit = plan()
    feet = "FEET_EXPOSED 0.700000 1 2 3 4"
    models = (("pretrained", "none", "none"), ("erased", "pruned", "none"), ("attacked", "pruned", "roots_max_40"))
    rows = [
        {"concept": "nude", "role": role, "published": published, "attack": attack, "prompt_set": "i2p_seed_0"}
        | {"case": case, "prompt": f"p{case}", "seed": case, "detections": [feet] if case < 3 else []}
        for role, published, attack in models
        for case in range(4)
    ]
    seen = pd.DataFrame(rows)
    nothing = seen.assign(detections=[[] for _ in rows])
    found = build(audit, old=seen, new=nothing)
    assert (found["i2p"].value, found["i2p"].n, found["i2p"].concept) == (3, 4, "nude")
    assert found["i2p"].unit == "images" and found["i2p"].low < 3 < found["i2p"].high
    for name in ("mma", "ring_a_bell"):
        assert found[name].reason == "this audit counts no such prompts" and found[name].value != found[name].value


def test_an_attack_that_the_audit_does_not_run(folder: Path) -> None:
    write_styles_world(folder)
    edit(AUDIT, attacks=["int4_rows"])
    values = [0.3] * 4
    models = MODELS[:3]
    clip = [images(style, model, name, values) for name in ("erased", "scenes") for style in STYLES for model in models]
    sets = [
        distance("any", models[0], 18.0),
        *(distance(style, model, 20.0) for style in STYLES for model in models[1:]),
    ]
    found = build(plan(), clip=pd.concat(clip, ignore_index=True), distance=pd.concat(sets, ignore_index=True))
    assert found["style"].reason == "this audit does not run roots_max on pruned"


def test_what_is_printed_is_what_the_leaderboard_shows() -> None:
    """The text in the papers' folder, typed: 33, 31, 63, 91, 120, 136, 53; the CSV says of which cell each is."""
    reported = read_reported("ours/leaderboard")
    table7 = read_reported("roots/table7")
    assert reported is not None and table7 is not None
    for row in reported[reported["kind"] == "nudity"].itertuples(index=False):
        same = table7[(table7["attack"] == row.attack) & (table7["prompt_set"] == row.prompt_set)]
        assert same["images"].tolist() == [row.printed], row.place
