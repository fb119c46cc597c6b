"""Results that are not what they look like stop the plan."""

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from regrow.errors import UserError
from regrow.io.files import write_json
from regrow.plan import refusals, renderer_lock
from tests.unit.planning import plan, write_planning_world

RESULT = Path("results/tiny/publish_model/pruned/church/model.safetensors")
LONG = Path("results/tiny/evaluate_recovery/pruned", "x" * 200, "church/signs.parquet")


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A working directory with a world to plan in."""
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)


def make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def record(path: Path, kind: str = "metadata") -> None:
    """Write a record as Snakemake names it."""
    name = urlsafe_b64encode(str(path).encode()).decode()
    pieces = [name[i : i + 254] for i in range(0, len(name), 254)]
    make(Path(".snakemake", kind, *("@" + piece for piece in pieces[:-1]), pieces[-1]))


def test_a_fresh_folder_is_fine():
    refusals.refuse_first_edition(plan())
    refusals.refuse_unknown_results(plan())


@pytest.mark.parametrize("name", ["get_world", "paper", "report.html", "generate_images"])
def test_a_results_folder_of_the_first_edition(name):
    make(Path("results", name, "x") if "." not in name else Path("results", name))
    with pytest.raises(UserError, match=f"results/{name} is of the first edition.*move results away or delete it"):
        refusals.refuse_first_edition(plan())


def test_results_without_a_record():
    make(RESULT)
    with pytest.raises(UserError, match="no record of results/tiny/publish_model.*`regrow adopt`.*`regrow discard`"):
        refusals.refuse_unknown_results(plan())


@pytest.mark.parametrize("kind", ["metadata", "incomplete"])
def test_results_with_a_record_or_of_a_job_that_was_cut_short(kind):
    make(RESULT)
    record(RESULT, kind)
    refusals.refuse_unknown_results(plan())


def test_a_name_that_is_too_long_for_one_file():
    record(LONG)
    assert refusals._known(LONG)


def test_tables_come_with_git_and_need_none():
    make(Path("results/audits/tiny/tables/roots/table1.csv"))
    refusals.refuse_unknown_results(plan())


def test_discard_deletes_what_is_unknown_and_no_image():
    for path in (RESULT, RESULT.with_name("record.json"), LONG, Path("results/tiny/store/images/a/1.arrow")):
        make(path)
    make(Path("results/audits/tiny/tables/roots/table1.csv"))
    record(LONG)
    assert refusals.discard_unknown_results(plan()) == 2
    left = sorted(path.as_posix() for path in Path("results").rglob("*") if path.is_file())
    assert left == [
        *("results/audits/tiny/tables/roots/table1.csv", LONG.as_posix(), "results/tiny/store/images/a/1.arrow")
    ]


class TestRendererLock:
    @pytest.fixture(autouse=True)
    def lock(self, tmp_path, monkeypatch):
        """A lock of its own, and a renderer that a test edits."""
        self.now = {"version": "1", "code": "abc"}
        monkeypatch.setattr(renderer_lock, "lock_path", lambda: tmp_path / "renderer.lock.json")
        monkeypatch.setattr(renderer_lock, "lock_of_now", lambda: self.now)
        write_json(tmp_path / "renderer.lock.json", self.now)

    def test_the_code_that_the_version_stands_for(self):
        renderer_lock.check_lock()

    def test_edited_code_needs_a_new_version_and_a_new_lock(self):
        self.now = {"version": "1", "code": "def"}
        with pytest.raises(UserError, match="raise RENDERER_VERSION .* then run `regrow lock-renderer`"):
            renderer_lock.check_lock()
        with pytest.raises(UserError, match="the code that draws images changed under version 1"):
            renderer_lock.write_lock(same_images=False)
        self.now = {"version": "2", "code": "def"}
        with pytest.raises(UserError):
            renderer_lock.check_lock()
        renderer_lock.write_lock(same_images=False)
        renderer_lock.check_lock()

    def test_an_author_may_vouch_that_no_image_changes(self):
        self.now = {"version": "1", "code": "def"}
        renderer_lock.write_lock(same_images=True)
        renderer_lock.check_lock()


def test_the_lock_of_the_repository_fits_its_code():
    renderer_lock.check_lock()


def test_all_that_draws_is_locked():
    """What the drawing stage imports is locked, or is named here with what else it does."""
    from regrow.dependencies import closure

    bookkeeping = {
        *("regrow.images.index", "regrow.images.job", "regrow.images.prompts", "regrow.images.store"),
        *("regrow.stages._batches", "regrow.preemption", "regrow.model.records", "regrow.concepts", "regrow.world"),
        *("regrow.images.screen.packs", "regrow.model.known_base"),  # refuse, and change no image
    }
    known = {*closure(*renderer_lock.DRAWS), *closure(*bookkeeping)}
    stages = {"regrow.stages", "regrow.stages.generate_images", "regrow.stages._drawing"}
    assert set(closure("regrow.stages.generate_images")) - stages <= known
