"""Rules of the house that a reader should be able to rely on: no machine's paths, small files, short rules, no eval."""

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE, LONGEST_TEST, LONGEST_RULE = 300, 400, 30
# A path that begins at the root of one machine's file system; a URL's path and a dictionary's key are none.
MACHINE = re.compile(rb"(?<![\w.:/{}$-])/(?:tmp|home|root|work|Users|mnt|scratch|var/folders)/[\w.]")
# The one way to say that a file is longer than it should be, with the reason.
LONG: dict[str, str] = {}


def tracked() -> list[Path]:
    """Return the files of the repository, also those that are not committed yet."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    return [path for path in (ROOT / name for name in names.split("\0") if name) if path.is_file()]


FILES = tracked()
PACKAGE = [path for path in FILES if path.suffix == ".py" and path.is_relative_to(ROOT / "workflow/regrow")]
WIRING = [path for path in FILES if path.suffix == ".smk" or path.name == "Snakefile"]


def machine_paths(content: bytes) -> list[str]:
    return [found.group().decode() for found in MACHINE.finditer(content)]


def test_no_file_holds_a_path_of_the_machine_that_made_it() -> None:
    found = {
        str(path.relative_to(ROOT)): machine_paths(content)
        for path in FILES
        if b"\0" not in (content := path.read_bytes())[:8000] and path != Path(__file__)
    }
    assert {name: paths for name, paths in found.items() if paths} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'"_name_or_path": "/tmp/w/v2/vae"', 1),
        (b"see /home/ada/models", 1),
        (b"results/tmp/a, https://example.org/home/a, {root}/work/x, $HOME/work/a", 0),
    ],
)
def test_what_counts_as_a_path_of_a_machine(text: bytes, found: int) -> None:
    assert len(machine_paths(text)) == found


def test_no_file_is_long_without_a_reason() -> None:
    code = [path for path in FILES if path.suffix in (".py", ".smk") or path.name == "Snakefile"]
    lines = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in code}
    long = {str(path) for path, n in lines.items() if n > (LONGEST_TEST if path.parts[0] == "tests" else LONGEST_FILE)}
    assert long == set(LONG)


def rules(text: str) -> dict[str, int]:
    """Return the number of lines of each rule of a Snakefile, blank ones at its end not counted."""
    found, name = {}, ""
    for line in text.splitlines():
        if header := re.match(r"(?:rule|checkpoint) (\w+):", line):
            name = header[1]
            found[name] = [line]
        elif line and not line.startswith(" "):
            name = ""
        elif name:
            found[name].append(line)
    return {name: len("\n".join(lines).rstrip().splitlines()) for name, lines in found.items()}


def test_a_rule_is_counted_to_its_last_line() -> None:
    assert rules("rule a:\n    input:\n        1,\n\n\nrule b:\n    input:\n\n\nx = 1\n    y\n") == {"a": 3, "b": 2}


def test_no_rule_is_long() -> None:
    lengths = {name: length for path in WIRING for name, length in rules(path.read_text()).items()}
    assert lengths, "no rule was found"
    assert {name: length for name, length in lengths.items() if length > LONGEST_RULE} == {}


def test_nothing_is_evaluated_and_no_pickle_is_read() -> None:
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "pickle.load", "pickle.loads"), path
            if called == "torch.load":
                assert any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords)


def test_text_is_utf_8_wherever_it_is_read_or_written() -> None:
    """The locale of the caller (LC_ALL=C, Latin-1) decides nothing: who opens text names its encoding."""
    silent = []
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            binary = any(isinstance(word, ast.Constant) and "b" in str(word.value) for word in node.args)
            owner = ast.unparse(node.func).rpartition(".")[0]
            if called in ("read_text", "open") and owner != "Image" and not binary:
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno}")
            if called == "write_text" and isinstance(node.func, ast.Attribute):
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert silent == []


def test_a_room_has_no_code_of_its_own() -> None:
    for path in PACKAGE:
        if path.name == "__init__.py" and path.parent.name != "regrow":
            body = ast.parse(path.read_text()).body
            assert len(body) == 1 and ast.get_docstring(ast.parse(path.read_text())), path


def test_the_package_tells_its_types() -> None:
    assert (ROOT / "workflow/regrow/py.typed").is_file()


def test_the_shell_that_calls_make_decides_nothing(tmp_path: Path) -> None:
    caller = {"GIT_DIR": "x", "GIT_INDEX_FILE": "x", "PYTHONPATH": "x", "PIP_USER": "1", "MPLBACKEND": "module://x"}
    command = ["make", "--no-print-directory", "-f", str(ROOT / "Makefile"), "--eval=show: ; @env", "show"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **caller}, check=True, capture_output=True, text=True
    )
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert not [name for name in seen if name.startswith("GIT_") or name == "PYTHONPATH"]
    assert (seen["PIP_USER"], seen["MPLBACKEND"]) == ("0", "agg")
