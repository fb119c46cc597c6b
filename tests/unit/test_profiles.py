"""Profiles: what they say reaches Snakemake, a site is in the environment, and GPU rules are those with a GPU."""

import re
from pathlib import Path

import pytest
from snakemake.profiles import ProfileConfigFileParser

ROOT = Path(__file__).parents[2]
SITE = "ACCOUNT PARTITION GPU_PARTITION CONSTRAINT SCRATCH".split()


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster, and a driver that does not answer."""
    for name in SITE:
        monkeypatch.delenv(f"REGROW_SLURM_{name}", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", "")


def read(name: str) -> dict[str, object]:
    with (ROOT / "profiles" / name / "profile.yaml").open(encoding="utf-8") as stream:
        return dict(ProfileConfigFileParser().parse(stream))


def by_rule(settings: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for setting in settings:
        rule, name, value = re.fullmatch(r"(\w+):(\w+)=(.*)", setting).groups()
        found.setdefault(rule, {})[name] = value
    return found


def rules_on_a_device() -> set[str]:
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    return {rule for rule, block in re.findall(r"^rule (\w+):\n((?:(?: +.*)?\n)+)", text, re.M) if "**DEVICE" in block}


def test_no_key_of_another_profile_stands_in_the_default_one() -> None:
    # Snakemake reads profiles/default last and lets it replace a key as a whole.
    for name in ("slurm", "workstation"):
        assert not set(read("default")) & set(read(name)), name


def test_a_cluster_without_a_word_of_its_site() -> None:
    profile = read("slurm")
    assert profile["executor"] == "slurm" and int(profile["retries"]) >= 1 and profile["slurm-requeue"] == "True"
    defaults = dict(word.split("=", 1) for word in profile["default-resources"])
    assert defaults["tasks"] == defaults["gpu"] == "0" and defaults["tmpdir"] == "system_tmpdir"
    assert "attempt" in defaults["mem_mb"] and "attempt" in defaults["runtime"]
    assert not {"slurm_account", "slurm_partition", "constraint"} & set(defaults)
    rules = by_rule(profile["set-resources"])
    assert set(rules) == rules_on_a_device()
    assert all(set(settings) == {"cpus_per_gpu"} for settings in rules.values())


def test_a_site_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(SITE, ["lab", "long", "gpus", "a100|h100", "$SLURM_TMPDIR"], strict=True):
        monkeypatch.setenv(f"REGROW_SLURM_{name}", value)
    profile = read("slurm")
    defaults = dict(word.split("=", 1) for word in profile["default-resources"])
    # Quoted, for Snakemake takes values for expressions; the folder is looked up on the node.
    assert (defaults["slurm_account"], defaults["slurm_partition"]) == ("'lab'", "'long'")
    assert defaults["tmpdir"] == "$SLURM_TMPDIR"
    drawing = by_rule(profile["set-resources"])["generate_images"]
    assert (drawing["slurm_partition"], drawing["constraint"]) == ("'gpus'", "'a100|h100'")


@pytest.mark.parametrize(("visible", "count"), [(None, 1), ("2,3", 2), ("", 1)])
def test_a_workstation_counts_its_gpus(monkeypatch: pytest.MonkeyPatch, visible: str | None, count: int) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert read("workstation")["resources"] == [f"gpu={count}"]


def test_a_workstation_asks_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'GPU 0: A'; echo '  MIG 1g: B'; echo 'GPU 1: A'; echo 'GPU 2: A'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read("workstation")["resources"] == ["gpu=3"]
