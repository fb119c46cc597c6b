"""What documents and wiring claim: files, targets, verbs and names exist, and a stage has one name everywhere."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from regrow import __version__
from regrow.config.schema import Params
from regrow.dependencies import PACKAGE, stages
from regrow.plan.tables import table_names
from tests.snippets import snippets

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "data/README.md", "data/emoji/MODEL_CARD.md", "data/reported/README.md"]
DOCUMENTS += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
RULES = {path.name: path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")}
BLOCK = re.compile(r"^rule (\w+):\n((?:(?: +.*)?\n)+)", re.M)
WIRED = {rule: block for text in RULES.values() for rule, block in BLOCK.findall(text)}
RUN = {rule: block for rule, block in WIRED.items() if "    shell:" in block}
MAKEFILE = (ROOT / "Makefile").read_text()
# How the emoji world was made: its settings are the world's, and the trainings have one test file.
TRAINING = {rule for rule, _ in BLOCK.findall(RULES["emoji.smk"])}
# Written by a run or by make, so not in a clone; a copy of what CONTRIBUTING.md makes is made by its own test.
MADE = ("results/", "logs/", ".venv/", ".snakemake/", "config/schema/", "config/locks/", "data/reported/FAMILY")
GROWN = {snippet.path for snippet in snippets((ROOT / "CONTRIBUTING.md").read_text())}


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def code_words(name: str) -> set[str]:
    text = without_blocks((ROOT / name).read_text())
    return set(re.findall(r"`([^`\n]+)`", text)) | set(re.findall(r"^ {4}(\S.*)$", text, re.M))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_that_is_named_exists(name: str) -> None:
    for word in code_words(name) - GROWN - {*table_names()}:
        if re.fullmatch(r"[\w.-]*[a-z][\w.-]*/[\w./-]*", word) and not re.search(r"[A-Z]{4}|^@", word):
            if not word.startswith(MADE):
                assert (ROOT / word).exists() or ((ROOT / name).parent / word).exists(), word
        elif re.fullmatch(r"[\w-]+\.(yaml|toml|md|csv|smk|cff)", word):
            assert (ROOT / word).exists() or [*(ROOT / "data").rglob(word), *(ROOT / "docs").rglob(word)], word


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_module_that_is_named_exists(name: str) -> None:
    for word in code_words(name):
        if not re.fullmatch(r"regrow(\.\w+)+", word):
            continue
        *parents, last = word.split(".")
        base = PACKAGE.parent.joinpath(*parents)
        if not (base / last).is_dir() and not (base / f"{last}.py").is_file():
            tree = ast.parse(base.with_suffix(".py").read_text())
            assert last in {node.name for node in tree.body if hasattr(node, "name")}, word


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_that_is_named_exists(name: str) -> None:
    targets = re.findall(r"^([\w-]+):", MAKEFILE, re.M)
    helped = subprocess.run([sys.executable, "-m", "regrow", "--help"], cwd=ROOT, capture_output=True, text=True)
    verbs = {*stages(), *re.findall(r"[a-z][a-z_-]+", helped.stdout)}
    goals = set(re.findall(r"^rule (\w+):", (ROOT / "workflow/Snakefile").read_text(), re.M)) | {"train_emoji"}
    for word in (word.partition("  #")[0].strip() for word in code_words(name)):
        if found := re.match(r"make ([a-z][\w-]*)$", word):
            assert found[1] in targets, word
        if found := re.match(r"(?:python -m )?regrow ([a-z][\w-]*)", word):
            assert found[1] in verbs, word
        if found := re.match(r"snakemake (?:.* )?([a-z_]+)$", word):
            assert found[1] in goals, word
        if found := re.match(r"snakemake .*--config ([^-]*)", word):  # it takes all words up to the next flag
            assert all("=" in one for one in found[1].split()), word


def test_make_help_names_every_target() -> None:
    # `--no-print-directory`: under `make test` this is a make within a make, which says where it is.
    command = ["make", "--no-print-directory", "help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split()
    assert [line.split()[0] for line in done.stdout.splitlines()] == phony


def test_a_stage_has_one_name_everywhere() -> None:
    assert set(RUN) == set(stages())
    for rule, block in RUN.items():
        assert f"python -m regrow {rule} " in block
        assert f'"logs/{rule}/' in block
        outputs = re.findall(r"results/[\w{}]+/(\w+)/", block.split("    log:")[0].split("    output:")[1])
        made = {"judge_in_memory": "generate_images"}.get(rule, rule)  # the same index, of images that are not kept
        assert set(outputs) <= {made, "tables", "figures"}, rule
    sections = set(Params.model_fields) - {"audit", "seed", "device", "infer_mask"}  # complete_weights runs the last
    assert sections <= set(stages())


def test_a_stage_has_a_test_file_of_its_name() -> None:
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").rglob("test_*.py")}
    of_what_it_makes = {"make_table": "tables", "make_figure": "figures"}
    assert {of_what_it_makes.get(stage, stage) for stage in set(stages()) - TRAINING} <= tests


def test_every_rule_lists_its_code_log_and_environment() -> None:
    for rule, block in RUN.items():
        for needed in ("    log:", "    conda:", "    params:"):
            assert needed in block, f"{rule}: {needed.strip()}"
        params = block.split("    params:")[1].split("    shell:")[0]
        assert re.search(r"\bcode=|_params\(|\.params\(", params), f"{rule} does not rerun with its code"


def test_the_snakefile_is_short_and_common_holds_no_rules() -> None:
    assert len((ROOT / "workflow/Snakefile").read_text().splitlines()) < 70
    assert not BLOCK.search(RULES["common.smk"])


def test_the_snippets_are_formatted_as_the_house_is(tmp_path: Path) -> None:
    files = [snippet for snippet in snippets((ROOT / "CONTRIBUTING.md").read_text()) if snippet.path.endswith(".py")]
    assert len(files) > 15
    for snippet in files:
        path = tmp_path / snippet.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(snippet.text)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for tool in (["check"], ["format", "--diff"]):
        command = [sys.executable, "-m", "ruff", *tool, "--no-cache"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_the_example_of_the_library_runs() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/completion.md").read_text(), re.M | re.S)
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "workflow")}, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert re.search(rf"^## {re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_every_entry_of_the_changelog_has_a_date() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings
    assert [heading for heading in headings if not re.search(r", \d{4}-\d{2}-\d{2}$", heading)] == []


def test_the_hosted_run_is_pinned_and_runs_the_two_commands() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert "make demo" in commands and "bash .ci/run" in commands
    assert "make test" in (ROOT / ".ci/run").read_text()
    used = re.findall(r"uses: (\S+)", text)
    assert used and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)
    assert yaml.safe_load(text)["permissions"] == {}
