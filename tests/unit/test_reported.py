"""What papers print: as typed, with the addresses of ours, apart from every number of ours."""

import csv
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from regrow.config.reader import read_yaml
from regrow.plan.audit import Audit
from regrow.plan.tables import reported_file, table_module, table_names
from regrow.report.render import PRINTED_MEAN
from regrow.tables.frames import read_reported
from regrow.tables.reported import UNET, differences

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table1() -> pd.DataFrame:
    table = read_reported("roots/table1")
    assert table is not None
    return table


def test_the_papers_means_as_printed(table1: pd.DataFrame) -> None:
    own = table1[(table1["role"] == "pretrained") & (table1["prompt_set"] == "erased")]
    classes = own[own["concept"] != PRINTED_MEAN]["accuracy"]
    assert len(classes) == 12
    assert classes.mean() == pytest.approx(0.917, abs=5e-4)
    assert own[own["concept"] == PRINTED_MEAN]["accuracy"].tolist() == [0.927]  # kept as printed


def test_nothing_changed_but_the_addresses(table1: pd.DataFrame) -> None:
    assert len(table1) == 156
    assert table1["accuracy"].sum() == pytest.approx(92.075)  # of the 156 as typed
    assert set(table1["model"]) == {
        *("Pretrained SD-v1.5", "ConceptPrune", "Quant Recover", "Neuron Sample", "Neuron Average", "NMS"),
    }
    address = table1[table1["model"] == "NMS"][["role", "published", "attack"]].drop_duplicates().values.tolist()
    assert address == [["attacked", "pruned", "roots_max"]]


def test_addresses_are_entries_of_params() -> None:
    import yaml

    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    sweep = {(entry["retain"], entry["magnitude"]) for entry in params["attack_weights"].values() if "retain" in entry}
    for row in csv.DictReader((ROOT / "data/reported/roots/table3.csv").open()):
        assert row["published"] in params["publish_model"] and (float(row["k"]), row["magnitude"]) in sweep
    for row in csv.DictReader((ROOT / "data/reported/roots/table1.csv").open()):
        assert row["published"] in (*params["publish_model"], "none")
        assert row["attack"] in (*params["attack_weights"], "none")


def test_every_row_of_table6_implies_one_overall_accuracy() -> None:
    """methods.md 5.9: 0.726 to 0.730."""
    table = read_reported("roots/table6")
    assert table is not None
    for k, rows in table.groupby("k"):
        top, rest = (float(rows[rows["part"] == part]["accuracy"].iloc[0]) for part in ("top", "rest"))
        assert 0.7255 <= float(k) * top + (1 - float(k)) * rest <= 0.7305  # type: ignore[arg-type]


def test_shares_of_table5_as_printed() -> None:
    table = read_reported("roots/table5")
    assert table is not None
    assert [table[table["r"] == r]["share"].sum() for r in (1, 2)] == pytest.approx([0.97, 0.98])


def test_notes_are_of_tables_that_are_there() -> None:
    names = {row["table"] for row in csv.DictReader((ROOT / "data/reported/roots/notes.csv").open())}
    assert names == {"table1", "table2", "table3", "table4", "table5", "table6", "table7", "table12", "figure2"}
    assert {f"roots/{name}" for name in names} <= set(table_names())


def test_a_table_without_reported_numbers_has_none() -> None:
    for name in table_names():
        assert (table_module(name).REPORTED is None) == (reported_file(name) is None) == (read_reported(name) is None)


def test_the_protocol_is_that_of_the_world_that_copies_the_paper() -> None:
    """What is compared are names that worlds and params use: a key that nothing bears would always differ."""
    protocol = yaml.safe_load((ROOT / "data/reported/roots/protocol.yaml").read_text())
    world = yaml.safe_load((ROOT / "config/worlds/sd15.yaml").read_text())
    assert world["fetch"]["pipeline"]["files"][UNET] == protocol["model"]["unet"]
    assert protocol["judge"].items() <= world["fetch"]["object"]["judge"].items()
    images = world["params"]["generate_images"]
    assert {**protocol["sampler"], "dtype": protocol["dtype"]}.items() <= images.items()
    eraser = world["params"]["erase_concept"][protocol["eraser"].pop("method")]
    assert protocol["eraser"].items() <= eraser.items()


def test_a_base_model_of_the_users_own_is_not_the_papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    assert "the base model" not in differences(Audit.current("sd15"), "roots")
    own = {**read_yaml(ROOT / "config/worlds/sd15.yaml"), "pipeline": "models/mine"}
    Path("config/worlds").mkdir(parents=True)
    Path("config/worlds/sd15.yaml").write_text(yaml.safe_dump(own))
    assert "the base model (Stable Diffusion 1.5, there " in differences(Audit.current("sd15"), "roots")
