"""A model pruned by multiplication, from the cut to the tables: its zeros tell every sign, and the audit says so."""

import csv
import json

import pytest
from safetensors.torch import load_file


@pytest.fixture
def audited(new):
    new.snakemake("--config", "audit=signed_zeros")
    return new.folder


def rows(folder, table):
    path = folder / f"results/audits/signed_zeros/tables/{table}.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_sign_is_read_and_it_is_said(audited):
    folder = audited / "results/tiny/attack_weights/as_released/signed_zeros/church"
    attacked = load_file(folder / "model.safetensors")
    base = load_file(audited / "data/tiny/pipeline/unet/diffusion_pytorch_model.safetensors")
    assert attacked
    for name, weight in attacked.items():
        assert weight.sign().equal(base[name.removeprefix("unet.")].sign())
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert record["flags"] == ["zeros_carry_signs"] and record["zeros"]["negative"] > 0

    models = [(row["role"], row["published"], row["attack"]) for row in rows(audited, "roots/table1") if row["n"]]
    assert ("attacked", "as_released", "signed_zeros") in models
    rungs = {row["rung"]: row for row in rows(audited, "ours/ladder") if row["concept"] == "church"}
    assert rungs["signed_zeros"]["correct"] == rungs["signed_zeros"]["n"]
    assert float(rungs["exact"]["accuracy"]) < 1
