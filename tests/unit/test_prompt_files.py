"""Prompt sets made of what others publish: joined, without header, with blanks, gated; and the papers' own files."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from regrow.cli import run as command
from regrow.config.origins import PromptOrigin
from regrow.errors import UserError
from regrow.fetch.locks import Lock
from regrow.fetch.prompt_files import fetch_prompt_set, is_right
from regrow.images.prompts import Prompt, PromptSet, distinct, read_prompts, select_rows
from regrow.images.screen.apply import BOTH, screen_rows
from regrow.io.files import file_digest, read_json
from regrow.stages import fetch_prompts
from tests.hub.isolation import isolate
from tests.hub.server import Hub, Repository, serve

ROOT = Path(__file__).parents[2]
FILE = yaml.safe_load((ROOT / "config/worlds/sd15.yaml").read_text())
ORIGINS = {name: PromptOrigin.model_validate(origin) for name, origin in FILE["fetch_prompts"].items()}
SETS = {name: PromptSet(name=name, **settings) for name, settings in FILE["prompt_sets"].items()}
LOCAL = os.environ.get("REGROW_PAPER_FILES")  # a folder with the papers' own files
ARTISTS = ("Leonardo Da Vinci", "Claude Monet", "Pablo Picasso", "Salvador Dali", "Vincent van Gogh")
COMMIT = "1" * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "repository").mkdir()
    with serve(Hub({"ada/prompts": Repository(tmp_path / "repository", COMMIT)})) as running:
        monkeypatch.setenv("REGROW_GITHUB_MIRROR", f"{running.url}/raw")
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def publish(hub: Hub, **files: str | bytes) -> None:
    for name, content in files.items():
        path = hub.repositories["ada/prompts"].folder / f"{name.replace('__', ' ')}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def made(hub: Hub, **changes: Any) -> list[Prompt]:
    """Fetch the prompt set of an origin and return its rows as a prompt set of the world reads them."""
    origin = origin_of(hub, **changes)
    fetch_prompt_set(origin, Path("out/set.csv"), Lock(Path("lock.json")))
    settings = {"scope": "model", "file": "x.csv", "labels": "others" if origin.labels else "none", "sensitive": True}
    return read_prompts(Path("out/set.csv"), PromptSet(name="set", **settings))


def origin_of(hub: Hub, **changes: Any) -> PromptOrigin:
    settings = {"host": "github", "repo": "ada/prompts", "revision": COMMIT, "licence": "MIT", "rows": 2}
    return PromptOrigin.model_validate({**settings, **changes})


def test_files_are_joined_in_their_order_whatever_their_columns(hub: Hub) -> None:
    publish(hub, a__b="case_number,prompt,evaluation_seed,artist\n7,x,1,Ada\n8,y,2,Ada\n")
    publish(hub, c=",case_number,prompt,evaluation_seed,artists\n0,3,z,3,Bob\n")
    files = [{"path": "a b.csv"}, {"path": "c.csv"}]
    counts: dict[str, Any] = {"rows": 3, "labels": {"Ada": [2, 2], "Bob": [1, 1]}}
    rows = [Prompt(0, "x", 1, "Ada"), Prompt(1, "y", 2, "Ada"), Prompt(2, "z", 3, "Bob")]
    assert made(hub, files=files, **counts) == rows
    of_one_seed = made(hub, files=files, read={"seed": 0}, **counts)
    assert [row.seed for row in of_one_seed] == [0, 0, 0]
    named = made(hub, files=[{**files[0], "label": "cat"}, {**files[1], "label": "dog"}], **counts)
    assert [row.label for row in named] == ["cat", "cat", "dog"]


@pytest.mark.parametrize(
    "text", [b"one, two\nthree\n", b"\xef\xbb\xbfone, two\r\nthree\r\n\r\n", b"\n one, two \n\nthree"]
)
def test_a_file_without_header_has_a_prompt_on_each_line(hub: Hub, text: bytes) -> None:
    publish(hub, a=text)
    found = made(hub, files=[{"path": "a.csv"}], read={"format": "lines", "seed": 5})
    assert found == [Prompt(0, "one, two", 5, ""), Prompt(1, "three", 5, "")]


def test_signs_that_only_python_takes_for_line_ends_stay_in_a_line(hub: Hub) -> None:
    publish(hub, a="one\u2028two\x0bx\x85y\nthree\n")
    found = made(hub, files=[{"path": "a.csv"}], read={"format": "lines", "seed": 5})
    assert [row.prompt for row in found] == ["one\u2028two\x0bx\x85y", "three"]


@pytest.mark.parametrize(
    "text",
    [
        "case_number,prompt,seed\n4,x,1\n9,y,2\n",
        "\ufeffcase_number,prompt,seed\r\n4,x,1\r\n9,y,2\r\n",
        "case_number;prompt;seed\n4;x;1\n9;y;2\n",
        "case_number\tprompt\tseed\n4\tx\t1\n9\ty\t2\n",
    ],
    ids=["plain", "bom and crlf", "semicolons", "tabs"],
)
def test_the_same_rows_in_whatever_shape(hub: Hub, text: str) -> None:
    publish(hub, a=text)
    assert made(hub, files=[{"path": "a.csv"}], read={}) == [Prompt(4, "x", 1, ""), Prompt(9, "y", 2, "")]


def test_doubled_ids_are_numbered_anew(hub: Hub) -> None:
    publish(hub, a="case_number,prompt,seed\n4,x,1\n4,y,2\n")
    assert [row.case for row in made(hub, files=[{"path": "a.csv"}], read={})] == [0, 1]
    with pytest.raises(UserError, match="'case_number' does not number the rows"):
        made(hub, files=[{"path": "a.csv"}], read={"columns": {"case": "case_number"}})


def test_blank_prompts_are_refused_or_left_out(hub: Hub) -> None:
    publish(hub, a="case_number,prompt,seed\n4,x,1\n5, ,7\n9,y,2\n")
    with pytest.raises(UserError, match="0-a.csv, line 3: the prompt is blank: fill it in or delete the row"):
        made(hub, files=[{"path": "a.csv"}], read={})
    assert [row.case for row in made(hub, files=[{"path": "a.csv"}], read={"blank": "drop"})] == [4, 9]


@pytest.mark.parametrize(
    ("content", "read", "said"),
    [
        (b"x\ny\n", {"format": "lines"}, "a prompt on each line and no seeds: give one under `read.seed`"),
        (b"\xff\xfex\n", {"format": "lines", "seed": 0}, "is no text in UTF-8"),
        (b"caption,seed\nx,1\n", {}, "has no column 'prompt' but caption, seed"),
        (b"prompt\nx\n", {}, "has no column 'seed' but prompt"),
        (b"x\ny, z\n", {"seed": 0}, "line 2: 2 fields where the header has 1"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(hub: Hub, content: bytes, read: dict[str, Any], said: str) -> None:
    publish(hub, a=content)
    with pytest.raises(UserError, match=said):
        made(hub, files=[{"path": "a.csv"}], read=read)
    assert not Path("out/set.csv").exists()


def test_what_a_learned_prompt_aims_at_is_screened_with_it(hub: Hub) -> None:
    publish(hub, a="adv_prompt,target_prompt\nxq,a church\nzz,a girl at a church\n")
    found = made(hub, files=[{"path": "a.csv"}], read={"columns": {"prompt": "adv_prompt"}, "seed": 0})
    assert found == [Prompt(0, "xq", 0, "", "a church"), Prompt(1, "zz", 0, "", "a girl at a church")]
    assert screen_rows(found, BOTH).dropped == {"minors": [1], "people": []}


def test_a_digest_that_nobody_knew_is_written_down_at_first_use(hub: Hub) -> None:
    publish(hub, a="prompt,seed\nx,1\ny,2\n")
    known = {f"ada/prompts@{COMMIT}": {"a.csv": file_digest(hub.repositories["ada/prompts"].folder / "a.csv")}}
    made(hub, path="a.csv")
    assert read_json(Path("lock.json"), "lock") == known
    hub.requests.clear()
    made(hub, path="a.csv")
    assert hub.requests == [], "what is there and right is not asked for again"
    assert is_right(origin_of(hub, path="a.csv"), Path("out/set.csv"), Lock(Path("lock.json")))
    publish(hub, a="prompt,seed\nx,1\ny,3\n")
    Path("out/set.csv").unlink()
    with pytest.raises(UserError, match="lock.json says .* of a.csv in ada/prompts@1111.* is not what was published"):
        made(hub, path="a.csv")
    assert not Path("out/set.csv").exists()


def test_a_set_that_somebody_edited_is_another_file(hub: Hub) -> None:
    publish(hub, a="x\ny\n")
    origin = origin_of(hub, files=[{"path": "a.csv"}], read={"format": "lines", "seed": 0})
    out, lock = Path("out/set.csv"), Lock(Path("lock.json"))
    fetch_prompt_set(origin, out, lock)
    assert is_right(origin, out, lock)
    out.write_text(out.read_text().replace("x", "z"))
    assert not is_right(origin, out, lock)
    fetch_prompt_set(origin, out, lock)
    assert is_right(origin, out, lock), "it is written anew from the files that are there"


def test_a_gated_set_by_the_users_own_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(hub, a="prompt,seed\nx,1\ny,2\n")
    hub.repositories["ada/prompts"].token = "mine"
    gated = {"host": "hub", "revision": None, "path": "a.csv", "gate": "ask Ada"}
    stated = {"gated": origin_of(hub, **gated).model_dump()}
    said = (
        "the prompts 'gated' are not given to everybody: ask Ada, then set HF_TOKEN, or put a.csv into the folder that"
    )
    with pytest.raises(UserError, match=said):
        fetch_prompts.run(stated, ["gated"], Path("out"))
    fetch_prompts.run(stated, [], Path("out"))
    assert hub.requests == [] and not Path("out").exists(), "of all sets it is left out"
    monkeypatch.setenv("HF_TOKEN", "not mine")
    with pytest.raises(UserError, match="HF_TOKEN is refused"):
        fetch_prompts.run(stated, ["gated"], Path("out"))
    monkeypatch.setenv("HF_TOKEN", "mine")
    fetch_prompts.run(stated, ["gated"], Path("out"))
    assert len(read_prompts(Path("out/gated.csv"), PromptSet(**SETS["mma"].model_dump()))) == 2
    assert read_json(Path("out/lock.json"), "lock").keys() == {"ada/prompts@newest"}


def test_a_gated_set_from_a_file_of_the_users(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine").mkdir()
    Path("mine/a.csv").write_text("prompt,seed\nx,1\ny,2\n")
    monkeypatch.setenv("REGROW_FETCH_FROM", "mine")
    gated = {"host": "hub", "revision": None, "path": "a.csv", "gate": "ask Ada"}
    made(hub, **gated)
    assert hub.requests == []


def test_one_table_says_what_is_there_and_how_the_rest_is_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "260")
    assert command(["fetch_prompts", "--check", "--world", "sd15"]) == 0
    printed = capsys.readouterr().out
    lines = [[cell.strip() for cell in line.split("│")] for line in printed.splitlines() if line.startswith("│")]
    cells = {line[1]: line[2:6] for line in lines if line[1]}
    assert set(cells) == set(ORIGINS) and {line[0] for line in cells.values()} == {"no"}
    assert cells["coco_30k"][1] == "30000, 30000 distinct" and cells["mma"][1] == "1000"
    assert cells["mma"][3].startswith("ask its authors for access on the hub, then set HF_TOKEN, or put mma-diffusion")
    assert command(["fetch_prompts", "--check", "--names", "imagenete", "--world", "sd15"]) == 1
    assert command(["fetch_prompts"]) == 1 and command(["fetch_prompts", "--world", "sd155"]) == 1
    said = capsys.readouterr().err
    assert "give --world, or --check" in said and "unknown world 'sd155': did you mean 'sd15'?" in said


def test_every_set_of_the_world_says_whether_it_is_screened() -> None:
    asks_for_nudity = ("i2p", "mma", "ring_a_bell", "unlearn_diff_atk_nudity")
    for name, settings in SETS.items():
        assert settings.sensitive is (name.startswith(asks_for_nudity) or name.endswith("_screened")), name
    for name in ("coco_30k", "coco_cp480"):
        other = {"name": name, "sensitive": False, "judges": SETS[name].judges}  # of the FID, one reference each
        twin = SETS[f"{name}_screened"].model_copy(update=other)
        assert SETS[name] == twin, "the same file, so the same ids"


def test_every_file_of_the_world_is_read_by_a_set_and_every_count_is_in_its_name() -> None:
    assert set(ORIGINS) == {Path(settings.file).stem for settings in SETS.values() if settings.scope == "model"}
    for name, origin in ORIGINS.items():
        number = "".join(filter(str.isdigit, name.rpartition("_")[2]))
        per_label = {rows for rows, _ in origin.labels.values()} or {origin.rows}
        if int(number or 0):
            assert int(number) * (1000 if name.endswith("k") else 1) in {*per_label, origin.rows}, name


@pytest.mark.paper_files
@pytest.mark.skipif(not LOCAL, reason="REGROW_PAPER_FILES names no folder with the papers' own files")
@pytest.mark.parametrize("name", sorted(ORIGINS))
def test_the_papers_own_files_are_the_pinned_ones(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch, tmp_path)
    origin = ORIGINS[name]
    there = {file_digest(path): path for path in Path(str(LOCAL)).rglob("*") if path.is_file()}
    for part in origin.parts:
        if part.sha256 not in there:
            pytest.skip(f"{part.path} of {origin.repo} is not in the folder")
        copy = tmp_path / "mine" / origin.repo / part.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(there[part.sha256].resolve())
    monkeypatch.setenv("REGROW_FETCH_FROM", str(tmp_path / "mine"))
    sets = {one: settings for one, settings in SETS.items() if Path(settings.file).stem == name}
    stated = {name: origin.model_dump()}
    fetch_prompts.run(stated, [name], tmp_path, {one: settings.model_dump() for one, settings in sets.items()})
    for settings in sets.values():
        rows = read_prompts(tmp_path / f"{name}.csv", settings)
        assert (len(rows), len(distinct(rows))) == (origin.rows, origin.distinct)
        for label in origin.labels if settings.labels == "concept" else ():
            assert len(select_rows(settings, rows, label, origin.labels[label][0])) == origin.labels[label][0]
    if name.startswith("artists"):
        assert tuple(origin.labels) == ARTISTS
        assert {row.seed for row in rows} == {0} if name.endswith("seed_0") else len({row.seed for row in rows}) > 5
