"""Which files a stage runs, read from the source."""

from pathlib import Path

import pytest

from regrow import code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `regrow` of a few modules in place of the real one."""
    files = {
        "__init__.py": "",
        "errors.py": "import os",
        "science/__init__.py": "from . import shared",
        "science/shared.py": "",
        "science/one.py": "from ..errors import UserError\nfrom .shared import something",
        "science/two.py": "def late():\n    import regrow.errors",
        "science/three.py": "import torch, yaml",
        "cycle_a.py": "import regrow.cycle_b",
        "cycle_b.py": "from regrow import cycle_a",
        "stages/__init__.py": "",
        "stages/first.py": "from regrow.science import one\nclass run: pass",
        "stages/second.py": "from regrow.science.two import late\ndef run(out): ...",
    }
    for name, text in files.items():
        path = tmp_path / "regrow" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "regrow")
    yield lambda *modules: {str(path.relative_to(tmp_path / "regrow")) for path in code.modules_of(*modules)}
    code.stages.cache_clear()
    code.methods_of.cache_clear()


def test_imports_are_followed_through_packages_and_relative_names(package):
    assert package("regrow.stages.first") == {
        "__init__.py",
        "errors.py",
        "science/__init__.py",
        "science/one.py",
        "science/shared.py",
        "stages/__init__.py",
        "stages/first.py",
    }


def test_imports_inside_functions_count(package):
    assert {"science/two.py", "errors.py"} <= package("regrow.stages.second")
    assert "science/one.py" not in package("regrow.stages.second")


def test_other_packages_do_not_count(package):
    assert package("regrow.science.three") == {
        "__init__.py",
        "science/__init__.py",
        "science/shared.py",
        "science/three.py",
    }


def test_circular_imports_end(package):
    assert package("regrow.cycle_a") == {"__init__.py", "cycle_a.py", "cycle_b.py"}


def test_several_modules_are_joined(package):
    assert package("regrow.errors", "regrow.cycle_a") == package("regrow.errors") | package("regrow.cycle_a")


def test_an_unknown_module_is_an_error(package):
    with pytest.raises(ModuleNotFoundError, match="regrow.scienze"):
        package("regrow.scienze")


def test_a_stage_is_a_file_with_a_function_run(package):
    code.stages.cache_clear()
    assert list(code.stages()) == ["second"]


def test_the_real_stages_run_their_science_and_not_the_wiring():
    for stage in code.stages():
        names = {path.relative_to(code.PACKAGE).as_posix() for path in code.modules_of(f"regrow.stages.{stage}")}
        assert {"__init__.py", "errors.py", f"stages/{stage}.py"} <= names
        assert not names & {"cli.py", "params.py", "code.py", "adopt.py"}, stage


def test_helpers_are_no_methods():
    assert "nuclear" in code.methods_of("complete")
    assert "mask" not in code.methods_of("complete")
    assert set(code.methods_of("revive")) >= {"roots", "quantize"}


def test_types_are_read_from_annotations():
    function = code.stages()["revive_concept"]
    types = {argument.arg: code.type_of(argument.annotation) for argument in function.args.args}
    assert types["model"] is Path
    assert types["completed"] == Path | None
