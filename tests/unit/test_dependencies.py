"""Which code a stage runs, and a digest of its syntax, read from the source."""

import subprocess
import sys
from pathlib import Path

import pytest

from regrow import dependencies

ROOT = Path(__file__).parents[2]
CACHED = ("path_of", "closure", "code_digest", "_imports", "_syntax", "_remembered")


def forget() -> None:
    for name in CACHED:
        getattr(dependencies, name).cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `regrow` of a few modules in place of the real one; the fixture edits one of them."""
    files = {
        "__init__.py": "",
        "errors.py": "import os",
        "science/__init__.py": "from . import shared",
        "science/shared.py": "",
        "science/one.py": "from ..errors import UserError\nfrom .shared import something",
        "science/two.py": "def late():\n    import regrow.errors",
        "science/three.py": "import torch, yaml",
        "science/typed.py": "if TYPE_CHECKING:\n    from regrow.science import one\nelse:\n    import regrow.errors",
        "cycle_a.py": "import regrow.cycle_b",
        "cycle_b.py": "from regrow import cycle_a",
        "stages/__init__.py": "",
        "stages/first.py": '"""Stage `first`: one.\n\nMore."""\nfrom regrow.science import one',
        "stages/_helper.py": "",
    }

    def write(name: str, text: str) -> None:
        path = tmp_path / "regrow" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        forget()

    for name, text in files.items():
        write(name, text)
    monkeypatch.setattr(dependencies, "PACKAGE", tmp_path / "regrow")
    monkeypatch.chdir(tmp_path)
    forget()
    yield write
    forget()


def closure(*modules: str) -> set[str]:
    return set(dependencies.closure(*modules))


def test_imports_are_followed_through_packages_and_relative_names(package):
    assert closure("regrow.stages.first") == {
        *("regrow", "regrow.errors", "regrow.stages", "regrow.stages.first"),
        *("regrow.science", "regrow.science.one", "regrow.science.shared"),
    }


def test_imports_inside_functions_count_and_those_for_type_checkers_do_not(package):
    assert "regrow.errors" in closure("regrow.science.two")
    assert closure("regrow.science.typed") & {"regrow.errors", "regrow.science.one"} == {"regrow.errors"}


def test_other_packages_do_not_count(package):
    assert closure("regrow.science.three") == {
        *("regrow", "regrow.science", "regrow.science.shared", "regrow.science.three")
    }


def test_circular_imports_end(package):
    assert closure("regrow.cycle_a") == {"regrow", "regrow.cycle_a", "regrow.cycle_b"}


def test_several_modules_are_joined(package):
    assert closure("regrow.errors", "regrow.cycle_a") == closure("regrow.errors") | closure("regrow.cycle_a")


def test_an_unknown_module_is_an_error(package):
    with pytest.raises(ModuleNotFoundError, match="regrow.scienze is no module of regrow"):
        dependencies.code_digest("regrow.scienze")


def test_stages_with_what_they_say_of_themselves(package):
    assert dependencies.stages() == ["first"]
    assert dependencies.summary_of("first") == "Stage `first`: one."


SOURCE = '"""Words."""\n\n\ndef f(x):\n    """More words."""\n    return x + 1\n'


@pytest.mark.parametrize(
    "same",
    [
        SOURCE + "\n# a comment\n",
        SOURCE.replace("Words", "Other words").replace("More words", "None"),
        SOURCE.replace('"""Words."""\n\n\n', ""),
        SOURCE.replace("x + 1", "(x\n            + 1)"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(package, same):
    package("errors.py", SOURCE)
    before = dependencies.code_digest("regrow.science.one")
    package("errors.py", same)
    assert dependencies.code_digest("regrow.science.one") == before


@pytest.mark.parametrize(
    "other", [SOURCE.replace("1", "2"), SOURCE.replace("def f", "def g"), SOURCE.replace("+", "-")]
)
def test_everything_else_does(package, other):
    package("errors.py", SOURCE)
    before = dependencies.code_digest("regrow.science.one")
    package("errors.py", other)
    assert dependencies.code_digest("regrow.science.one") != before


def test_a_string_that_is_no_docstring_counts(package):
    package("errors.py", 'def f():\n    return "a"\n')
    before = dependencies.code_digest("regrow.errors")
    package("errors.py", 'def f():\n    return "b"\n')
    assert dependencies.code_digest("regrow.errors") != before


def test_the_version_of_the_package_decides_no_result(package):
    before = dependencies.code_digest("regrow.science.one")
    package("__init__.py", '__version__ = "9"')
    assert dependencies.code_digest("regrow.science.one") == before


def test_what_was_parsed_is_remembered_and_a_change_is_seen(package, monkeypatch):
    before = dependencies.code_digest("regrow.science.one")
    dependencies.remember()
    assert dependencies.CACHE.is_file()
    forget()
    with monkeypatch.context() as patch:
        patch.setattr(dependencies, "_parse", lambda path: pytest.fail("parsed again"))
        assert dependencies.code_digest("regrow.science.one") == before
    package("errors.py", "import sys")
    assert dependencies.code_digest("regrow.science.one") != before


def test_a_damaged_memory_only_costs_time(package):
    before = dependencies.code_digest("regrow.science.one")
    dependencies.CACHE.parent.mkdir(parents=True)
    dependencies.CACHE.write_text("{")
    forget()
    assert dependencies.code_digest("regrow.science.one") == before


def test_a_constant_is_read_without_importing(package):
    package("science/three.py", "import torch\nPER: str = 'set'\nCOLUMNS = {'a': 'string'}\nLATER = len('x')\n")
    assert dependencies.constant("regrow.science.three", "PER") == "set"
    assert dependencies.constant("regrow.science.three", "COLUMNS") == {"a": "string"}
    with pytest.raises(AttributeError, match="assigns no NEEDS"):
        dependencies.constant("regrow.science.three", "NEEDS")
    with pytest.raises(ValueError):
        dependencies.constant("regrow.science.three", "LATER")


def test_the_real_stages_run_their_science_and_not_the_wiring():
    for stage in dependencies.stages():
        names = closure(f"regrow.stages.{stage}")
        assert f"regrow.stages.{stage}" in names and "regrow.errors" in names
        assert not names & {"regrow.cli", "regrow.adopt", "regrow.plan.wiring", "regrow.plan.checks"}, stage


def test_no_stage_holds_a_method_that_it_finds_by_name():
    rooms = ("attack", "complete", "defend", "erase", "judge", "oracle")
    for stage in (
        "erase_concept",
        "defend_model",
        "complete_weights",
        "attack_weights",
        "apply_oracle",
        "score_images",
    ):
        methods = [name for name in closure(f"regrow.stages.{stage}") if name.split(".")[1:2] and name.count(".") == 2]
        own = [name for name in methods if name.split(".")[1] in rooms and not name.split(".")[2].startswith("_")]
        assert own == [], stage


def test_what_is_imported_to_parse_the_snakefile_is_light():
    program = (
        "import sys\n"
        "import regrow.cli, regrow.config.editors, regrow.plan.preview, regrow.plan.refusals\n"
        "import regrow.plan.renderer_lock, regrow.plan.training, regrow.plan.wiring\n"
        "from regrow.methods import ROOMS, load_method, method_names\n"
        "from regrow.plan.tables import table_module, table_names\n"
        "[load_method(room, name) for room in set(ROOMS.values()) for name in method_names(room)]\n"
        "[table_module(name) for name in table_names()]\n"
        "import pkgutil, importlib, regrow.judge\n"
        "judges = [module.name for module in pkgutil.iter_modules(regrow.judge.__path__)]\n"
        "[importlib.import_module(f'regrow.judge.{name}') for name in judges if not name.startswith('_')]\n"
        "heavy = {'torch', 'torchvision', 'diffusers', 'transformers', 'pandas', 'pyarrow', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "workflow", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
