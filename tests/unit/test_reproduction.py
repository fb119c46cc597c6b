"""The reproduction guide quotes prices that the plan computes, and audits that are what it says."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from regrow.config.files import AuditFile
from regrow.config.reader import read_yaml
from regrow.plan.audit import Audit
from regrow.plan.preview import preview

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/reproduce-the-paper.md").read_text()
PAPER = [f"roots/table{number}" for number in (1, 3, 4, 5, 6, 12)]  # 2 is of styles, 7 of nudity


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without results and logs, where hours are those of config/rates.yaml."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)


@pytest.mark.parametrize("audit", ["sd15", "sd15_erased", "sd21"])
def test_the_prices_are_those_of_the_plan(audit: str) -> None:
    quoted = re.search(rf"^`regrow plan --audit {audit}`.*?^```text\n(.*?)^```$", GUIDE, re.M | re.S)
    assert quoted, f"docs/reproduce-the-paper.md quotes no plan of {audit}"
    assert quoted[1] in preview(audit), f"copy the table that `regrow plan --audit {audit}` prints into the guide"


def test_the_audit_lists_every_object_table_of_the_paper_and_makes_it() -> None:
    audit = Audit.current("sd15")
    assert set(PAPER) <= set(audit.config.audit.tables)
    assert {"roots/table1", "roots/table3", "roots/table5", "roots/table6", "roots/figure2", "roots/figure5"} <= set(
        audit.tables
    )
    assert not [name for name in audit.not_made() if name.startswith("table")]
    masks = audit.for_table("roots/table4")
    assert (masks.published, masks.attacks) == (["salun", "scissorhands"], ["roots_max"])
    assert audit.counts == {"erased": 500, "preserved": 6000} and len(audit.concepts) == 12
    four = {"golf-ball", "parachute", "church", "gas-pump"}
    assert set(audit.for_table("roots/table3").concepts) == four


def test_the_erased_half_shares_everything_with_the_whole() -> None:
    whole, half = Audit.current("sd15"), Audit.current("sd15_erased")
    assert half.counts == {"erased": whole.counts["erased"]}
    assert half.config.audit.selections == whole.config.audit.selections
    assert set(half.wanted_cells) <= set(whole.wanted_cells)


def test_the_audit_of_the_guide_can_be_written_as_it_stands() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.M | re.S)
    AuditFile.model_validate(yaml.safe_load(text))
    Path("config/audits").mkdir(parents=True)
    Path("config/audits/mine.yaml").write_text(text)
    line = next(line for line in preview("mine").splitlines() if line.startswith("all together"))
    assert line.split()[3] == "3,000"


def test_what_is_set_for_a_small_gpu_are_settings() -> None:
    from regrow.config.schema import GenerateImages

    (settings,) = re.findall(r"^    (\{batch.*\})$", GUIDE, re.M)
    values = read_yaml(ROOT / "config/worlds/sd15.yaml")["params"]["generate_images"]
    GenerateImages.model_validate({**values, **yaml.safe_load(settings)})
