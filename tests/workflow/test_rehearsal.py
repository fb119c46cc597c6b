"""The audit of Stable Diffusion 1.5 on stand-ins in its published layout: from the hub to the report, for two classes.

Every table is made, of some of the attacks and fills; `make rehearse-sd15` does the same for all of them and all
classes.
"""

import csv
import json
import re

import pytest
import yaml

from regrow.config.reader import read_yaml
from tests.standin.rehearsal import COMMAND, ROOT, keep, rehearsal
from tests.workflow.conftest import NOTHING

TABLES = read_yaml(ROOT / "config/audits/sd15.yaml")["tables"]
NOT_YET = read_yaml(ROOT / "config/not_yet.yaml")["tables"]

FEW = {
    "concepts": ["church", "golf-ball"],
    "published": ["pruned", "salun", "noise_1e_3"],
    "attacks": ["int4_rows", "roots_max", "roots_average_20", "roots_max_mixture"],
    "oracles": ["true_signs_max"],
}


@pytest.fixture(scope="module")
def served(preloaded_commands, tmp_path_factory):
    """A copy of the repository whose downloads come from a local hub; nothing is fetched yet."""
    with rehearsal(tmp_path_factory.mktemp("sd15"), None, preloaded_commands) as made:
        keep(made.folder / "config/audits/sd15.yaml", **FEW)
        yield made


@pytest.fixture(scope="module")
def printed(served) -> str:
    """What the whole rehearsal prints; run once."""
    return snakemake(served, *COMMAND)


def snakemake(served, *arguments: str) -> str:
    return served.run("snakemake", "--cores", "2", *arguments)


def table(served, name):
    path = served.folder / f"results/audits/sd15_rehearsal/tables/{name}.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_one_command_from_the_hub_to_the_report(served, printed):
    assert NOTHING in snakemake(served, "--dry-run", *COMMAND)
    page = (served.folder / "results/audits/sd15_rehearsal/report.html").read_text(encoding="utf-8")
    assert "a rehearsal: its numbers mean nothing" in page
    made = [name for name in TABLES if name not in NOT_YET]
    assert len(made) > 8
    for name in made:
        assert (served.folder / f"results/audits/sd15_rehearsal/tables/{name}.csv").stat().st_size > 0, name
    rows = table(served, "roots/table1")
    assert {row["concept"] for row in rows} == {"church", "golf-ball", "mean"}
    assert {row["n"] for row in rows if row["concept"] == "church"} == {"2"}


def test_the_price_was_told_before_the_first_job(served, printed):
    """With nothing fetched; the number of jobs is the one that ran, but for the goal itself."""
    assert printed.index("To do now:") < printed.index("rule fetch_world:")
    (planned,) = re.findall(r"^all together +(?:\S+ +){3}(\S+)", printed, re.M)
    (total,) = re.findall(r"^total +(\d+)$", printed, re.M)
    assert int(total) == int(planned) + 1


def test_only_what_the_world_file_names_was_fetched(served, printed):
    asked = {request.partition("/resolve/")[2].partition("/")[2] for request in served.hub.requests}
    assert not [name for name in asked if "fp16" in name or "non_ema" in name or "safety" in name or ".ckpt" in name]
    files = (served.folder / "results/sd15/fetch_world").glob("*.json")
    parts = {path.stem: json.loads(path.read_text()) for path in files}
    assert {part: set(record["parts"]) for part, record in parts.items()} == {
        "pipeline": {"pipeline"},
        "object": {"object"},
    }
    lock = json.loads((served.folder / "config/locks/sd15.json").read_text())
    assert "scheduler/scheduler_config.json" in next(files for origin, files in lock.items() if "@" in origin)


def test_the_record_of_the_audit_is_untouched(served, printed):
    found = {path.name for path in (served.folder / "results").iterdir()}
    assert found == {"audits", "sd15", "sd15_rehearsal"}
    assert {path.name for path in (served.folder / "results/sd15").iterdir()} == {"fetch_prompts", "fetch_world"}
    assert {path.name for path in (served.folder / "results/audits").iterdir()} == {"sd15_rehearsal"}


def test_the_audit_itself_shares_the_download_and_nothing_else(served, printed):
    requests = len(served.hub.requests)
    edited = served.folder / "config/audits/sd15.yaml"
    audit = yaml.safe_load(edited.read_text())
    audit["counts"] = {"erased": 2, "preserved": 2}
    before = edited.read_text()
    edited.write_text(yaml.safe_dump(audit))
    text = snakemake(served, "--dry-run", "--config", "audit=sd15", "device=cpu")
    edited.write_text(before)
    planned = [name for line in re.findall(r"^    output: (.*)$", text, re.M) for name in line.split(", ")]
    assert len(planned) > 50 and "rule fetch_" not in text
    assert all(name.startswith(("results/sd15/", "results/audits/sd15/")) for name in planned)
    assert len(served.hub.requests) == requests
    assert not (served.folder / "results/sd15/index_world").exists()
