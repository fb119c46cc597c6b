"""The control, which never saw some concepts, in a plan: its rows, its cut, and what is not compared with it."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from regrow.errors import UserError
from regrow.plan import jobs, paths
from regrow.plan.audit import Audit
from regrow.plan.checks import check_audit
from regrow.plan.products import products_of
from regrow.plan.wiring import Wiring
from regrow.tables.accuracy import accuracy_table
from tests.unit.planning import AUDIT, PARAMS, WORLD, edit, plan, write_planning_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_planning_world(tmp_path)
    folder = tmp_path / "data/tiny/control"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    edit(WORLD, control={"pipeline": "data/tiny/control", "never_saw": ["church", "rocket"]})
    edit(PARAMS, publish_model__cut_control={"eraser": "conceptprune", "base": "control"})
    edit(AUDIT, published=["pruned", "cut_control"], attacks=["roots_max", "roots_auto"])
    return tmp_path


def roles(audit: Audit, concept: str) -> list[tuple[str, str, str]]:
    return [model.key for model in audit.models(concept)]


def test_the_control_and_its_cut_are_rows_and_oracles_know_nothing_of_it(world: Path) -> None:
    audit = plan()
    check_audit(audit)
    assert roles(audit, "church") == [
        ("pretrained", "none", "none"),
        ("control", "none", "none"),
        ("erased", "pruned", "none"),
        ("attacked", "pruned", "roots_max"),
        ("attacked", "pruned", "roots_auto"),
        ("oracle", "pruned", "true_signs_max"),
        ("erased", "cut_control", "none"),
        ("attacked", "cut_control", "roots_max"),
        ("attacked", "cut_control", "roots_auto"),
    ]
    assert "is told the pretrained weights, and cut_control is of the control, which never had it" in str(
        audit.blanks()["oracle", "cut_control", "true_signs_max"]
    )
    assert audit.handed_out == ["pruned"]
    own = audit.models("church")[1]
    assert audit.publisher_of(own) is None
    assert jobs.records_of(audit, audit.cell(own, "erased")) == [own.record]


def test_everything_on_the_way_to_the_control_is_made(world: Path) -> None:
    audit = plan()
    products = products_of(audit)
    assert paths.control("tiny") in products
    assert paths.cut_control("tiny", "conceptprune", "church") in products
    assert Path("results/tiny/publish_model/cut_control/church/model.safetensors") in products
    wiring = Wiring(audit)
    asked = SimpleNamespace(published="cut_control", concept="church", world="tiny")
    assert wiring.erased(asked) == paths.cut_control("tiny", "conceptprune", "church")
    assert wiring.control_files() == [Path("data/tiny/control/model_index.json")]
    before = wiring.control_params("cut_control")
    (world / "data/tiny/control/model_index.json").write_text("{} ")
    assert Wiring(audit).control_params("cut_control")["digest"] != before["digest"]


def test_nothing_compares_the_cut_control_with_weights_that_it_never_had(world: Path) -> None:
    audit = plan()
    compared = {
        path.parts[3] for path in products_of(audit) if path.parts[2] in ("evaluate_recovery", "measure_spectrum")
    }
    assert compared == {"pruned"}


def test_a_control_tells_of_what_it_never_saw_alone(world: Path) -> None:
    edit(WORLD, control__never_saw=["church"])
    with pytest.raises(UserError, match="'cut_control' is of a control that saw 'rocket': it tells of church alone"):
        check_audit(plan())
    edit(AUDIT, published=["pruned"])
    audit = plan()
    check_audit(audit)
    assert ("control", "none", "none") in roles(audit, "church")
    assert ("control", "none", "none") not in roles(audit, "rocket")


def test_what_concepts_share_of_the_control_counts_once() -> None:
    """It is one model, so its image of a prompt and seed is one image, whichever concept it stands under."""
    cells = [("church", "a"), ("church", "b"), ("rocket", "b"), ("rocket", "c")]
    rows = pd.DataFrame(
        [
            {"concept": concept, "role": role, "published": published, "attack": "none", "prompt_set": "preserved"}
            | {"case": "abc".index(prompt), "prompt": prompt, "seed": 0, "digest": prompt + published, "correct": True}
            for role, published in (("control", "none"), ("erased", "pruned"))
            for concept, prompt in cells
        ]
    )
    models = [("control", "none", "none"), ("erased", "pruned", "none")]
    kinds = {"church": "object", "rocket": "object"}
    table = accuracy_table(rows, kinds, models, [], ["preserved"], 0.95)
    counted = {row.role: (int(row.n), int(row.n_distinct)) for row in table[table["concept"] == "mean"].itertuples()}
    assert counted == {"control": (3, 3), "erased": (4, 4)}


def test_settings_that_make_no_control(world: Path) -> None:
    edit(WORLD, control=None)
    with pytest.raises(UserError, match="'cut_control' cuts a control, and world 'tiny' has none"):
        check_audit(plan())
    edit(WORLD, control={"pipeline": "data/tiny/elsewhere", "never_saw": ["church", "rocket"]})
    with pytest.raises(UserError, match="world 'tiny' has no control in data/tiny/elsewhere: train it"):
        check_audit(plan())
    edit(PARAMS, defend_model__noise={"method": "gaussian", "std": 0.1, "unit": "row", "bound": "none"})
    edit(PARAMS, publish_model__cut_control__defence="noise")
    with pytest.raises(UserError, match="hides a cut of the control, which nobody publishes: take its defence out"):
        plan()
