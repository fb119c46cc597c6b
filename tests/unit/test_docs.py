"""What documents and wiring claim: files, targets, verbs and names exist, and a stage has one name everywhere."""

import re
from pathlib import Path

import pytest
import yaml

from regrow import __version__
from regrow.code import PACKAGE, methods_of, stages
from regrow.params import Params

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/completion.md", "docs/methods.md", "data/README.md"]
DOCUMENTS += ["data/emoji/MODEL_CARD.md"]
RULES = {path: path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")}
WIRED = {path.name: re.findall(r"^rule (\w+):", text, re.M) for path, text in RULES.items()}
# How the emoji world was made: one section for all of its rules, and no part of the record.
TRAINING = "train.smk"
# Written by a run or by make, so not in a clone.
MADE = ("results/", "logs/", ".venv/", "dvc.lock", "params.schema.json")


def code_words(name):
    text = (ROOT / name).read_text()
    return set(re.findall(r"`([^`\n]+)`", text)) | set(re.findall(r"^ {4}(\S.*)$", text, re.M))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_that_is_named_exists(name):
    for word in code_words(name):
        if re.fullmatch(r"[\w.-]*[a-z][\w.-]*/[\w./-]*", word) and "NAME" not in word and not word.startswith(MADE):
            assert (ROOT / word).exists() or ((ROOT / name).parent / word).exists(), word
        if re.fullmatch(r"[\w-]+\.(yaml|toml|md|csv|smk|cff)", word):
            assert (ROOT / word).exists() or [*(ROOT / "data").rglob(word), *(ROOT / "docs").rglob(word)], word


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_that_is_named_exists(name):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    verbs = {*stages(), *re.findall(r'@app.command\("([\w-]+)"\)', (PACKAGE / "cli.py").read_text())}
    goals = re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(), re.M)
    for word in code_words(name):
        if found := re.match(r"make ([a-z]\w*)$", word):
            assert found[1] in targets, word
        if found := re.match(r"(?:python -m )?regrow ([a-z][\w-]*)", word):
            assert found[1] in verbs, word
        if found := re.match(r"snakemake .*\b(world|experiments|paper|all)$", word):
            assert found[1] == "all" or found[1] in goals, word


def test_a_stage_has_one_name_everywhere():
    for name, rules in WIRED.items():
        assert set(rules) <= set(stages())
        assert name == TRAINING or set(rules) <= set(Params.model_fields)
    assert {rule for rules in WIRED.values() for rule in rules} == set(stages())
    for text in RULES.values():
        for rule, block in re.findall(r"^rule (\w+):\n((?:(?: +.*)?\n)+)", text, re.M):
            assert f"python -m regrow {rule} " in block
            assert f'"logs/{rule}' in block
            for output in re.findall(r'"(results/\w+)/', block.split("    log:")[0].split("    output:")[1]):
                assert output in (f"results/{rule}", "results/paper")


def test_a_stage_has_a_test_file_of_its_name():
    audit = {rule for name, rules in WIRED.items() if name != TRAINING for rule in rules}
    assert audit <= {path.stem.removeprefix("test_") for path in (ROOT / "tests/unit").glob("test_*.py")}


def test_every_rule_lists_its_code_log_benchmark_environment_and_resources():
    for text in RULES.values():
        for rule, block in re.findall(r"^rule (\w+):\n((?:(?: +.*)?\n)+)", text, re.M):
            for needed in (
                "        code=",
                "    log:",
                "    benchmark:",
                "    conda:",
                "    threads:",
                "mem_mb=",
                "gpu=",
                "runtime=",
            ):
                assert needed in block, f"{rule}: {needed.strip()}"


def test_the_snakefile_is_short_and_common_holds_no_rules():
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 60
    assert not re.search(r"^rule ", (ROOT / "workflow/rules/common.smk").read_text(), re.M)


def test_dvc_depends_on_all_code_and_on_every_param_that_a_rule_uses():
    stages_of_dvc = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for name, stage in stages_of_dvc.items():
        assert {"Snakefile", "workflow", "envs", "data"} <= set(stage["deps"]), name
    experiments = set(stages_of_dvc["experiments"]["params"])
    assert experiments == set(Params.model_fields) - {"train_world", "make_tables", "make_figures", "make_report"}
    assert stages_of_dvc["paper"]["params"] == [{"params.yaml": None}]


def test_dvc_owns_every_result_once():
    stages_of_dvc = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    owned = [
        path for stage in stages_of_dvc.values() for out in [*stage["outs"], *stage.get("metrics", [])] for path in out
    ]
    audit = [text for path, text in RULES.items() if path.name != TRAINING]
    made = {path for text in audit for path in re.findall(r'"(results/[\w./{}]+)"', text)}
    for path in made:
        assert sum(path == out or path.startswith(f"{out}/") for out in owned) == 1, path
    for stage in stages_of_dvc.values():
        for out in [*stage["outs"], *stage.get("metrics", [])]:
            assert all(options["persist"] for options in out.values())


def test_every_option_of_a_method_has_a_type():
    for room in ("erase", "complete", "revive", "compare"):
        for method, function in methods_of(room).items():
            assert all(argument.annotation for argument in function.args.kwonlyargs), method


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
