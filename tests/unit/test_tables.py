"""What every table's module declares, and that planning imports nothing heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

from regrow.plan.audit import Audit
from regrow.plan.tables import table_module, table_names
from tests.unit.audit_files import Files

# Files that others read: exact columns.
FIXED = {
    "roots/table1": "concept,role,published,attack,prompt_set,n,n_distinct,correct,accuracy,low,high",
    "roots/table6": "concept,published,completer,k,part,n,accuracy,low,high",
    "roots/table5": "concept,published,completer,r,p,share",
}


@pytest.mark.parametrize("name", table_names())
def test_a_module_declares_what_the_report_shows(name: str) -> None:
    module = table_module(name)
    assert module.TITLE and "." not in module.TITLE
    assert module.CAPTION.endswith(".") and "<" not in module.CAPTION and "`" not in module.CAPTION
    paper = "Roots Beneath the Cut, " if name.startswith("roots/") else ""  # ours stand beside several
    assert module.SOURCE is None or (module.SOURCE and module.SOURCE.startswith(paper))
    assert all(said and said[-1] != "." for said in module.COLUMNS.values())
    columns = list(module.COLUMNS)
    assert "n" not in columns or "accuracy" not in columns or "prompt_set" not in columns or "n_distinct" in columns


@pytest.mark.parametrize("name", FIXED)
def test_columns_that_others_read(name: str) -> None:
    assert ",".join(table_module(name).COLUMNS) == FIXED[name]


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from regrow.plan.tables import table_module, table_names\n"
        "for name in table_names(): table_module(name)\n"
        "print(*sorted({'torch', 'pandas', 'pyarrow', 'matplotlib', 'numpy', 'PIL', 'diffusers'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={"PYTHONPATH": "workflow"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    return Files().configure()


def test_needs_are_the_plans_cells(audit: Audit) -> None:
    models = 1 + 1 + 2 + 1  # pretrained, erased, attacks, oracle
    erased, preserved = models * 2, (models - 1) * 2 + 1  # the pretrained model draws the others' prompts once
    assert len(audit.needs("roots/table1")) == erased + preserved
    assert len(audit.needs("roots/figure2")) == erased
    assert len(audit.needs("roots/figure5")) == 2 * erased  # scores and images
    assert len(audit.needs("ours/concepts")) == 2 * (erased - 2)  # no oracle
    assert len(audit.needs("roots/table6")) == 2  # one completer
    assert len(audit.needs("ours/spectrum")) == 2
    assert {need.judge for need in audit.needs("roots/table1")} == {"object"}
