"""A world calls its prompt sets what it likes, and an audit may count those that show no erased concept alone."""

from pathlib import Path

import pytest
import yaml

from regrow.config.reader import read_yaml
from regrow.errors import UserError
from regrow.plan.checks import check_audit
from regrow.stages import make_report
from tests.unit.audit_files import ROOT, Files, N, make_tables_and_figures

OTHERS = {"preserved": N}


def rename_prompt_sets(**names: str) -> None:
    """Write the emoji world with other names for its prompt sets into the working directory."""
    world = read_yaml(ROOT / "config/worlds/emoji.yaml")
    world["prompt_sets"] = {names.get(name, name): settings for name, settings in world["prompt_sets"].items()}
    Path("config/worlds").mkdir(parents=True)
    Path("config/worlds/emoji.yaml").write_text(yaml.safe_dump(world))


@pytest.mark.parametrize("table", ["roots/table3", "roots/figure2", "roots/figure5", "ours/concepts", "ours/retained"])
def test_a_table_of_the_erased_concept_needs_prompts_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.chdir(tmp_path)
    audit = Files({"counts": OTHERS, "tables": ["roots/table1", table]}).configure()
    with pytest.raises(UserError, match=f"audit 'small', table {table}: no counted prompt set .*: count one, or"):
        check_audit(audit)


def test_a_report_of_other_concepts_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tables_and_figures(tmp_path, monkeypatch, counts=OTHERS, tables=["roots/table1"])
    make_report.run(Path("report.html"))
    text = Path("report.html").read_text(encoding="utf-8")
    assert "20 images per cell (there 500)" in text and "Verdict per concept" not in text


def test_a_report_of_prompt_sets_with_other_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rename_prompt_sets(erased="objects", preserved="rest")
    tables = ["roots/table1", "ours/concepts"]
    audit = make_tables_and_figures(tmp_path, monkeypatch, counts={"objects": N, "rest": N}, tables=tables)
    check_audit(audit)
    make_report.run(Path("report.html"))
    text = Path("report.html").read_text(encoding="utf-8")
    assert "prompts &#39;objects&#39;" in text and "Verdict per concept" in text
