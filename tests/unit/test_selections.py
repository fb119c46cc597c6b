"""What one table selects for itself, and what an audit lists before anything can make it."""

from dataclasses import replace
from pathlib import Path

import pytest

from regrow.config.reader import read_yaml
from regrow.errors import UserError
from regrow.plan import not_yet
from regrow.plan.checks import check_audit
from regrow.plan.jobs import jobs_of
from regrow.plan.preview import preview
from regrow.plan.tables import table_names
from regrow.tables.blocks import Blank, Grid, with_unmade
from regrow.tables.made import build_table
from tests.unit.audit_files import Files
from tests.unit.planning import AUDIT, ROOT, edit, plan, write_planning_world

TABLE = "roots/figure2"
ERASED = ("erased", "sanded", "none")


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with a world to plan in."""
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    edit(AUDIT, tables=["roots/table1", TABLE], oracles=[])


def select(**selection: object) -> None:
    edit(AUDIT, selections={TABLE: selection})


def refused() -> str:
    with pytest.raises(UserError) as caught:
        check_audit(plan())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_table_sees_its_own_lists_and_the_others_the_audits() -> None:
    select(concepts=["rocket"], oracles=["true_signs_max"], attacks=["roots_max"])
    audit = plan()
    view = audit.for_table(TABLE)
    assert (view.concepts, view.oracles, view.attacks) == (["rocket"], ["true_signs_max"], ["roots_max"])
    assert view.published == audit.published and view.counts == audit.counts
    assert view.for_table(TABLE) is view
    assert audit.for_table("roots/table1") is audit
    assert "true_signs_max" not in {model.attack for model in audit.models("rocket")}


def test_what_a_table_selects_is_drawn_with_what_the_audit_does() -> None:
    before = {(cell.concept, cell.model.attack, cell.prompt_set) for cell in plan().wanted_cells}
    select(concepts=["rocket"], oracles=["true_signs_max"])
    audit = plan()
    check_audit(audit)
    cells = {(cell.concept, cell.model.attack, cell.prompt_set) for cell in audit.wanted_cells}
    assert cells - before == {("rocket", "true_signs_max", "erased")}  # not on the other prompts, not of church
    assert before <= cells
    assert [model.attack for model in audit.every_model("rocket")][-1] == "true_signs_max"
    assert "true_signs_max" not in {model.attack for model in audit.every_model("church")}
    (job,) = [job for job in jobs_of(audit) if (job.prompt_set, job.group) == ("erased", "rocket")]
    assert len(job.cells) == len({cell.model for cell in job.cells}) == len(audit.every_model("rocket"))
    assert f"{TABLE} selects, of rocket: " in preview()


@pytest.mark.parametrize(
    ("selections", "sentence"),
    [
        ({"roots/figur2": {}}, "unknown table 'roots/figur2' in selections of audit 'tiny': did you mean 'roots/fig"),
        ({"roots/table6": {}}, "unknown table 'roots/table6' in selections of audit 'tiny'"),  # which it does not list
        ({TABLE: {"concepts": ["cat"]}}, "unknown concept 'cat' in selections.roots/figure2 of audit 'tiny'"),
        ({TABLE: {"attacks": ["int4_row"]}}, "unknown attack 'int4_row' in selections of audit 'tiny': did you mean"),
        ({TABLE: {"published": ["prunned"]}}, "unknown published model 'prunned' in selections of audit 'tiny'"),
    ],
)
def test_a_selection_of_what_is_not_there(selections: dict, sentence: str) -> None:
    edit(AUDIT, selections=selections)
    assert sentence in refused()


@pytest.fixture
def unmade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the list of what nothing makes yet hold something, whatever is made by now."""
    content = {
        "tables": {"roots/table99": "nobody drew it yet"},
        "published": {"sanded": "no eraser sands yet"},
        "concepts": {"celebrity": "real people are never shipped"},
    }
    monkeypatch.setattr(not_yet, "_content", lambda: content)


@pytest.mark.usefixtures("unmade")
def test_a_table_that_nothing_makes_yet_is_a_blank_with_its_reason() -> None:
    edit(AUDIT, tables=["roots/table1", "roots/table99"])
    audit = plan()
    check_audit(audit)
    assert audit.tables == ["roots/table1"]
    assert audit.not_made()["table roots/table99"] == "nobody drew it yet"
    assert "not made: table roots/table99 (nobody drew it yet)" in preview()


@pytest.mark.usefixtures("unmade")
def test_a_concept_that_is_never_shipped_is_a_blank_and_makes_nothing_run() -> None:
    before = plan()
    edit(AUDIT, concepts=[*before.concepts, "celebrity"])
    audit = plan()
    check_audit(audit)
    assert audit.wanted_cells == before.wanted_cells
    assert audit.not_made() == {"concept celebrity": "real people are never shipped"}
    assert "not made: concept celebrity (real people are never shipped)" in preview()
    grids = [Grid("ours", "Concept", ["pruned", "roots max"], []), Grid("paper", "Class", ["pruned"], [])]
    ours, paper = with_unmade(grids, audit.unmade["concepts"])
    assert ours == replace(grids[0], rows=[("celebrity", [Blank("real people are never shipped")] * 2)])
    assert paper == grids[1]
    edit(AUDIT, concepts=["celebrity"], selections={})
    assert "no concept of it can be made (celebrity: real people are never shipped): add one" in refused()


def test_a_table_that_no_paper_has_is_a_typing_error() -> None:
    edit(AUDIT, tables=["roots/table1", "roots/table77"])
    assert "unknown table 'roots/table77' in audit 'tiny': did you mean 'roots/table7'?" in refused()


@pytest.mark.usefixtures("unmade")
def test_an_audit_of_nothing_that_can_be_made() -> None:
    edit(AUDIT, tables=["roots/table99"])
    assert "no table of it can be made yet (roots/table99: nobody drew" in refused()
    edit(AUDIT, tables=["roots/table1"], published=["sanded"])
    assert "no published model of it can be made yet (sanded: " in refused()


def test_what_can_be_made_is_made_whatever_the_list_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regrow.plan.audit.reasons", lambda kind: {"roots/table1": "old", "pruned": "old"})
    audit = plan()
    assert audit.not_made() == {}
    assert audit.published == ["pruned"] and audit.tables == ["roots/table1", TABLE]


def test_the_list_is_up_to_date() -> None:
    params = read_yaml(ROOT / "params.yaml")
    attacks = [name for section in ("weights", "model", "prompts") for name in params[f"attack_{section}"]]
    made = {"tables": table_names(), "published": params["publish_model"], "attacks": attacks}
    made["concepts"] = [path.parent.name for path in ROOT.glob("data/*/concepts/*/concept.yaml")]
    assert set(read_yaml(not_yet.FILE)) == set(made)
    for kind, names in made.items():
        assert not set(not_yet.reasons(kind)) & set(names), f"take what is made out of {not_yet.FILE}"


def test_a_published_model_and_an_attack_that_nothing_makes_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = {"published": {"sanded": "no eraser yet"}, "attacks": {"p4d": "no such attack yet"}}
    monkeypatch.setattr("regrow.plan.audit.reasons", lambda kind: reasons.get(kind, {}))
    changes = {"tables": ["roots/table1"], "published": ["pruned", "sanded"], "attacks": ["roots_max", "p4d"]}
    (tmp_path / "files").mkdir()
    monkeypatch.chdir(tmp_path / "files")
    audit = Files(audit_changes={**changes, "oracles": []}).write()
    assert audit.not_made() == {"sanded": "no eraser yet", "p4d on pruned": "no such attack yet"}
    table = build_table(audit, "roots/table1")
    blank = table[table["n"].isna()]
    church = blank[(blank["concept"] == "church") & (blank["prompt_set"] == "erased")]
    keys = list(zip(church["role"], church["published"], church["attack"], strict=True))
    assert keys == [
        ("attacked", "pruned", "p4d"),
        ERASED,
        ("attacked", "sanded", "roots_max"),
        ("attacked", "sanded", "p4d"),
    ]
    assert audit.blanks()[ERASED] == "no eraser yet"
    assert not {"sanded", "p4d"} & {word for cell in audit.wanted_cells for word in cell.model.key}
