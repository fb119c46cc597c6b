"""Every worker runs what shares something, and long runs begin first."""

from tests.conftest import APART, TOGETHER, scope_of
from tests.unit.test_house import ROOT


def test_a_file_stays_together_unless_its_tests_share_nothing() -> None:
    assert scope_of("tests/unit/test_a.py::TestB::test_c[x::y]") == "tests/unit/test_a.py"
    assert scope_of(f"{APART[0]}::test_a") != scope_of(f"{APART[0]}::test_b")
    assert scope_of("tests/unit/test_make_report.py::test_a") == scope_of("tests/unit/test_figures.py::test_b")


def test_the_files_that_are_named_exist() -> None:
    assert all((ROOT / name).is_file() for name in (*APART, *TOGETHER, *TOGETHER.values()))
