"""What an audit needs: models, cells, jobs, inputs of tables, cost."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from regrow.errors import UserError
from regrow.plan import jobs
from regrow.plan.addresses import ANY, Cell, Model
from regrow.plan.audit import Audit, EvaluationNeed, ImageNeed, RecordNeed, ScoreNeed
from regrow.plan.records import settings_of
from regrow.plan.wiring import Wiring
from tests.unit.planning import AUDIT, PARAMS, ROOT, WORLD, edit, plan, write_pack, write_planning_world

MODELS = [
    ("pretrained", "none", "none"),
    ("erased", "pruned", "none"),
    ("attacked", "pruned", "int4_rows"),
    ("attacked", "pruned", "roots_max"),
    ("attacked", "pruned", "roots_auto"),
    ("oracle", "pruned", "true_signs_max"),
]


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A working directory with a world to plan in."""
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)


class TestModels:
    def test_every_published_model_comes_with_its_attacks_and_oracles(self):
        models = plan().models("church")
        assert [model.key for model in models] == MODELS
        assert {model.concept for model in models} == {"church"}

    def test_a_model_lies_where_its_stage_writes_it_with_its_record(self):
        paths = {model.attack if model.role != "erased" else "erased": model for model in plan().models("church")}
        assert paths["erased"].path == Path("results/tiny/publish_model/pruned/church/model.safetensors")
        assert paths["int4_rows"].path == Path("results/tiny/attack_weights/pruned/int4_rows/church/model.safetensors")
        oracle = Path("results/tiny/apply_oracle/pruned/true_signs_max/church")
        assert (paths["true_signs_max"].path, paths["true_signs_max"].record) == (
            *(oracle / "model.safetensors", oracle / "record.json"),
        )
        assert paths["none"].path is None and paths["none"].record is None

    def test_what_does_not_apply_is_a_blank_with_its_reason(self, monkeypatch):
        audit = plan()
        monkeypatch.setattr(type(audit), "kind_of", lambda self, published: "training")
        assert [model.key for model in audit.models("church")] == MODELS[:2]
        assert set(audit.blanks()) == set(MODELS[2:])
        assert audit.applies("pruned", "true_signs_max") == (
            "true_signs_max needs a model erased by pruning, pruned is by training"
        )

    def test_sign_bits_are_read_where_zeros_were_multiplied(self):
        edit(PARAMS, attack_weights__signs={"method": "signed_zeros", "magnitude": "average", "seed": 0})
        edit(AUDIT, attacks=["int4_rows", "signs"])
        assert plan().applies("pruned", "signs") == "signs needs zeros that were multiplied, those of pruned are filled"
        assert "signs" not in {model.attack for model in plan().models("church")}
        edit(PARAMS, erase_concept__conceptprune__release="multiplied")
        assert plan().applies("pruned", "signs") is None

    def test_completers_are_those_that_attacks_use(self):
        assert plan().completers("pruned") == ["nuclear", "gaussian_posterior"]

    def test_knowledge_is_declared_by_the_method(self):
        assert plan().knowledge("roots_max") == ("nothing",)
        assert plan().knowledge("true_signs_max") == ("everything",)


class TestCells:
    def test_the_pretrained_model_draws_a_shared_prompt_set_once(self):
        cells = plan().cells("preserved")
        assert [cell.model.key for cell in cells] == [MODELS[0], *MODELS[1:], *MODELS[1:]]
        assert [cell.concept for cell in cells if cell.model.role == "pretrained"] == [ANY]
        assert {cell.group for cell in cells} == {"pretrained", "church", "rocket"}

    def test_and_a_concepts_own_prompts_once_per_concept(self):
        cells = plan().cells("erased")
        assert [cell.model.key for cell in cells] == MODELS * 2
        assert [cell.concept for cell in cells] == ["church"] * 6 + ["rocket"] * 6

    def test_one_file_for_all_concepts_may_still_be_asked_by_concept(self):
        edit(WORLD, prompt_sets__erased__scope="model", prompt_sets__erased__file="data/tiny/preserved.csv")
        assert [cell.concept for cell in plan().cells("erased")] == ["church"] * 6 + ["rocket"] * 6

    def test_only_what_a_table_asks_for_is_drawn(self):
        edit(AUDIT, tables=["ours/concepts"], oracles=[])
        cells = plan().wanted_cells
        assert {cell.prompt_set for cell in cells} == {"erased"}
        edit(AUDIT, tables=["roots/table6"])
        assert plan().wanted_cells == []


class TestJobs:
    def test_a_job_is_a_group_with_a_range_of_rows(self):
        found = jobs.jobs_of(plan())
        assert [(job.prompt_set, job.group, job.part) for job in found] == [
            ("erased", "church", 0),
            ("erased", "rocket", 0),
            ("preserved", "pretrained", 0),
            ("preserved", "pretrained", 1),
            ("preserved", "church", 0),
            ("preserved", "rocket", 0),
        ]
        # Rows in turn of three labels: whatever concept of the file is left out, six rows hold four of others.
        assert [(job.first, job.last) for job in found] == [(0, 4), (0, 4), (0, 4), (4, 6), (0, 4), (0, 4)]
        assert len(found[0].cells) == 6 and len(found[2].cells) == 1

    def test_fewer_rows_per_job_give_more_jobs_of_the_same_rows(self):
        edit(PARAMS, generate_images__rows_per_job=3)
        found = [job for job in jobs.jobs_of(plan()) if (job.prompt_set, job.group) == ("erased", "church")]
        assert [(job.part, job.first, job.last) for job in found] == [(0, 0, 3), (1, 3, 4)]

    def test_what_the_stage_is_told(self):
        argument = jobs.job_argument(plan(), jobs.jobs_of(plan())[0])
        assert argument["group"] == "church" and argument["audit"] == "tiny"
        assert argument["prompt_set"]["name"] == "erased" and argument["prompt_set"]["file"] == "erased.csv"
        pretrained, erased, *_ = argument["cells"]
        assert pretrained == {
            **{"concept": "church", "role": "pretrained", "published": "none", "attack": "none"},
            **{"model": None, "record": None, "prompts": None, "label": "church", "n": 4},
        }
        assert erased["model"] == "results/tiny/publish_model/pruned/church/model.safetensors"

    def test_the_rows_of_a_group(self):
        audit = plan()
        assert [row.label for row in jobs.rows_of(audit, "preserved", "church")] == ["rocket", "cat"] * 2
        assert [row.case for row in jobs.rows_of(audit, "preserved", "pretrained")] == [0, 1, 2, 3, 4, 5]
        assert [row.seed for row in jobs.rows_of(audit, "erased", "rocket")] == [100, 101, 102, 103]


class TestNeeds:
    def test_scores_come_with_the_records_of_both_sides(self):
        audit = plan()
        attacked = next(model for model in audit.models("church") if model.attack == "roots_max")
        found = jobs.inputs_of_need(audit, ScoreNeed(audit.cell(attacked, "erased"), "object"))
        assert found == [
            Path("results/tiny/score_images/tiny/object/erased/church/0.parquet"),
            Path("results/tiny/publish_model/pruned/church/record.json"),
            Path("results/tiny/attack_weights/pruned/roots_max/church/record.json"),
        ]

    def test_the_parts_of_a_shared_cell(self):
        audit = plan()
        cell = audit.cell(Model("pretrained", "none", "none", "church"), "preserved")
        assert cell.concept == ANY
        assert jobs.inputs_of_need(audit, ImageNeed(cell)) == [
            Path(f"results/tiny/generate_images/tiny/preserved/pretrained/{part}.parquet") for part in (0, 1)
        ]

    def test_evaluations_and_records(self):
        audit = plan()
        need = EvaluationNeed("evaluate_recovery", "pruned", "nuclear", "church", "signs")
        assert jobs.inputs_of_need(audit, need)[0] == Path(
            "results/tiny/evaluate_recovery/pruned/nuclear/church/signs.parquet"
        )
        model = audit.published_model("pruned", "church")
        assert jobs.inputs_of_need(audit, RecordNeed(model)) == [model.record]

    def test_a_figure_waits_for_its_table_and_a_table_for_no_picture(self):
        audit = plan()
        table, figure = jobs.inputs_of_table(audit, "roots/figure5"), jobs.inputs_of_figure(audit, "roots/figure5")
        assert figure[0] == Path("results/audits/tiny/tables/roots/figure5.csv")
        assert set(table) < set(figure)
        assert not [path for path in table if "generate_images" in path.parts]
        assert [path for path in figure if "generate_images" in path.parts]

    def test_images_that_the_audit_does_not_count(self):
        audit = plan()
        del audit.counts["erased"]
        with pytest.raises(UserError, match="counts no images of 'erased'"):
            jobs.inputs_of_need(audit, ImageNeed(audit.cells("erased")[0]))


class TestRecords:
    def test_what_the_record_of_each_model_must_say(self):
        audit = plan()
        said_of = {model.attack: settings_of(audit, model) for model in audit.models("church")[1:]}
        assert said_of["none"]["eraser"]["name"] == "conceptprune" and said_of["none"]["eraser"]["calls"] == 2
        assert said_of["none"]["defence"] is None and said_of["none"]["concept"] == "church"
        assert said_of["roots_max"]["attack"]["retain"] == 0.6
        assert said_of["roots_max"]["completer"] == {
            **{"name": "nuclear", "method": "nuclear", "tolerance": 1e-3, "max_steps": 20, "solver": "fast"}
        }
        assert said_of["int4_rows"]["attack"] == {
            **{"name": "int4_rows", "method": "quantize", "scheme": "int4_rows", "block": None}
        }
        assert said_of["true_signs_max"]["oracle"]["signs"] == "pretrained"


class TestWiring:
    def of(self, **wildcards: str) -> SimpleNamespace:
        class Wildcards(SimpleNamespace):
            def __getitem__(self, name: str) -> str:
                return getattr(self, name)

        return Wildcards(world="tiny", audit="tiny", **wildcards)

    def test_a_setting_of_an_attack_is_in_the_digest_of_its_tables_only(self):
        before = {table: Wiring(plan()).plan_digest(table) for table in ("roots/table1", "roots/table6")}
        edit(PARAMS, attack_weights__roots_max__retain=0.9)
        after = {table: Wiring(plan()).plan_digest(table) for table in before}
        assert before["roots/table1"] != after["roots/table1"]
        assert before["roots/table6"] == after["roots/table6"]

    def test_batch_and_device_are_in_no_digest(self):
        before = Wiring(plan())
        edit(PARAMS, generate_images__batch=7, score_images__batch=7, device="cuda", generate_images__rows_per_job=4)
        after = Wiring(plan())
        for stage in ("make_metrics", "make_report"):
            assert before.page_params(stage) == after.page_params(stage)
        assert before.plan_digest("roots/table1") == after.plan_digest("roots/table1")
        job = self.of(prompt_set="erased", group="church", part="0")
        assert before.job_params()["job"](job) == after.job_params()["job"](job)

    def test_a_digest_of_files_sees_a_change_under_an_older_time(self):
        wiring = Wiring(plan())
        judge = self.of(judge="object")
        before = wiring.judge_params("score_images")["protocol"](judge)
        path = Path("data/tiny/judges/object/judge.yaml")
        path.write_text(path.read_text() + "resize: 32\n")
        import os

        os.utime(path, (1, 1))
        assert Wiring(plan()).judge_params("score_images")["protocol"](judge) != before

    def test_what_file_browsers_leave_is_no_input(self):
        before = Wiring(plan()).digest(*Wiring(plan()).pipeline_files())
        Path("data/tiny/pipeline/.DS_Store").write_text("x")
        assert Wiring(plan()).digest(*Wiring(plan()).pipeline_files()) == before

    def test_what_lies_behind_a_linked_folder_is_an_input(self, tmp_path):
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared/scheduler_config.json").write_text("{}")
        Path("data/tiny/pipeline/scheduler").symlink_to(tmp_path / "shared")
        wiring = Wiring(plan())
        assert Path("data/tiny/pipeline/scheduler/scheduler_config.json") in wiring.pipeline_files()
        before = wiring.digest(*wiring.pipeline_files())
        (tmp_path / "shared/scheduler_config.json").write_text('{"beta_end": 0.2}')
        assert Wiring(plan()).digest(*wiring.pipeline_files()) != before

    def test_a_page_quotes_all_that_is_reported(self, monkeypatch):
        notes = Path("data/reported/roots/notes.csv")
        notes.parent.mkdir(parents=True)
        notes.write_text("table,note\n")
        before = Wiring(plan()).page_params("make_report")["reported"]
        notes.write_text("table,note\ntable1,another\n")
        assert Wiring(plan()).page_params("make_report")["reported"] != before

    def test_a_method_with_its_options_and_code(self):
        params = Wiring(plan()).method_params("attack_weights", "attack")
        roots, int4 = self.of(attack="roots_max"), self.of(attack="int4_rows")
        assert params["method"](roots) == "roots"
        assert json.loads(params["options"](roots)) == {
            **{"retain": 0.6, "magnitude": "max", "rank": "magnitude", "seed": 2021}
        }
        assert params["code"](roots) != params["code"](int4)

    def test_an_attack_on_weights_waits_for_the_published_model_and_its_completer(self):
        wiring = Wiring(plan())
        job = self.of(published="pruned", attack="roots_max", concept="church")
        assert wiring.completed(job) == [
            Path("results/tiny/complete_weights/pruned/nuclear/church/completed.safetensors")
        ]
        assert wiring.completed(self.of(published="pruned", attack="int4_rows", concept="church")) == []

    def test_no_images_but_those_of_the_plan(self):
        with pytest.raises(UserError, match="asks for no images of erased church 7"):
            Wiring(plan()).job(self.of(prompt_set="erased", group="church", part="7"))


def test_an_address_is_equal_whatever_lies_at_it():
    one = Cell(Model("erased", "pruned", "none", "church", path=Path("a")), "erased")
    assert one == Cell(Model("erased", "pruned", "none", "church", path=Path("b")), "erased")
    assert one.address == {
        **{"concept": "church", "role": "erased", "published": "pruned", "attack": "none", "prompt_set": "erased"}
    }


def test_a_new_concept_changes_no_job_of_another():
    before = [jobs.job_argument(plan(), job) for job in jobs.jobs_of(plan())]
    write_pack(Path("data/tiny/concepts/cathedral"), "church", first_seed=500)
    edit(AUDIT, concepts=["church", "rocket", "cathedral"])
    after = [jobs.job_argument(plan(), job) for job in jobs.jobs_of(plan())]
    assert [argument for argument in after if argument["group"] != "cathedral"] == before


def test_no_input_is_named_by_an_absolute_path(monkeypatch):
    """A copied or moved folder would make everything again."""
    monkeypatch.chdir(ROOT)
    wiring = Wiring(Audit.current("emoji"))
    files = [*wiring.pipeline_files(), *wiring.reported(SimpleNamespace(table="roots/table1"))]
    files += jobs.inputs_of_figure(wiring.audit, "roots/figure5")
    assert len(files) > 10 and not [path for path in files if path.is_absolute()]
