"""Prompts that nobody may ship: fetched by commit and digest, read as they are, and told in a table."""

import copy
import io
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from regrow.concepts import read_concept
from regrow.config.origins import PromptOrigin
from regrow.errors import UserError
from regrow.fetch.locks import Lock
from regrow.images.prompts import PromptSet, read_prompts, select_rows
from regrow.io.files import file_digest
from regrow.stages.fetch_prompts import run, table
from tests.hub.isolation import isolate
from tests.hub.server import Hub, Repository, serve

ROOT = Path(__file__).parents[2]
FILE = yaml.safe_load((ROOT / "config/worlds/sd15.yaml").read_text())
ORIGINS = {name: FILE["fetch_prompts"][name] for name in ("imagenette", "esd_imagenette")}  # used as they are
TEXT = "case_number,prompt,class,evaluation_seed\n0,an image of a church,church,1\n1,an image of a church,church,1\n"
LOCAL = os.environ.get("REGROW_PAPER_FILES")  # a folder with the papers' own files
needs_files = pytest.mark.skipif(not LOCAL, reason="REGROW_PAPER_FILES names no folder with the papers' own files")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    repository = tmp_path / "repository"
    for name in ("datasets/imagenette.csv", "data/small_imagenet_prompts.csv"):
        (repository / name).parent.mkdir(parents=True)
        (repository / name).write_text(TEXT)
    places = {origin["repo"]: Repository(repository, origin["revision"]) for origin in ORIGINS.values()}
    with serve(Hub(places)) as running:
        monkeypatch.setenv("REGROW_GITHUB_MIRROR", f"{running.url}/raw")
        yield running


@pytest.fixture
def origins(hub: Hub) -> dict[str, Any]:
    """The world file's own section, for files of two rows."""
    found: dict[str, Any] = copy.deepcopy(ORIGINS)
    for origin in found.values():
        folder = hub.repositories[origin["repo"]].folder
        origin |= {
            "sha256": file_digest(folder / origin["path"]),
            "rows": 2,
            "distinct": 1,
            "labels": {"church": [2, 1]},
        }
    return found


def printed(origins: dict[str, Any], folder: Path) -> str:
    stream = io.StringIO()
    parsed = {name: PromptOrigin.model_validate(origin) for name, origin in origins.items()}
    Console(file=stream, width=200).print(table(parsed, folder, Lock(folder / "lock.json"), "here"))
    return stream.getvalue()


def test_what_is_asked_for_is_fetched_once(hub: Hub, origins: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(origins, ["imagenette"], out)
    assert [path.name for path in out.iterdir()] == ["imagenette.csv"]
    assert (out / "imagenette.csv").read_text() == TEXT
    wanted = origins["imagenette"]
    assert f"GET /raw/{wanted['repo']}/{wanted['revision']}/{wanted['path']}" in hub.requests
    hub.requests.clear()
    run(origins, ["imagenette"], out)
    assert hub.requests == []
    run(origins, [], out)
    assert sorted(path.name for path in out.iterdir()) == ["esd_imagenette.csv", "imagenette.csv"]


def test_another_file_is_refused(hub: Hub, origins: dict[str, Any], tmp_path: Path) -> None:
    hub.flip.add("imagenette.csv")
    with pytest.raises(UserError, match=r"datasets/imagenette.csv of .* is .*, where the world file pins .*damaged"):
        run(origins, ["imagenette"], tmp_path / "out")
    assert not any(path.is_file() for path in (tmp_path / "out").rglob("*"))
    hub.flip.clear()
    run(origins, ["imagenette"], tmp_path / "out")
    assert (tmp_path / "out/imagenette.csv").read_text() == TEXT


def test_a_local_folder_asks_no_server(
    hub: Hub, origins: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/imagenette.csv").write_text(TEXT)
    monkeypatch.setenv("REGROW_FETCH_FROM", str(tmp_path / "mine"))
    run(origins, ["imagenette"], tmp_path / "out")
    assert hub.requests == [] and (tmp_path / "out/imagenette.csv").read_text() == TEXT


def test_a_data_set_of_the_hub(
    hub: Hub, origins: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    origins["imagenette"]["host"] = "hub"
    run(origins, ["imagenette"], tmp_path / "out")
    assert all(request.partition(" ")[2].startswith("/datasets/") for request in hub.requests)
    hub.repositories[origins["imagenette"]["repo"]].refusal = (403, "GatedRepo")
    with pytest.raises(UserError, match="only to those who accept its conditions"):
        run(origins, ["imagenette"], tmp_path / "other")


def test_the_table_says_what_is_there(hub: Hub, origins: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    assert [line.split("│")[2].strip() for line in printed(origins, out).splitlines() if "MIT" in line] == ["no", "no"]
    run(origins, ["imagenette"], out)
    line = next(line for line in printed(origins, out).splitlines() if "│ imagenette" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")][1:4] == ["yes", "2, 1 distinct", "MIT"]
    assert "a run fetches it" in line and "Brankozz/Roots-Beneath-the-Cut@680c979, datasets/imagenette.csv" in line
    origins["imagenette"] |= {"distinct": 2, "labels": {}}
    assert "with other counts, 2 and 1" in printed(origins, out).replace("\n", " ")
    (out / "imagenette.csv").write_text("else")
    assert "another file" in printed(origins, out)
    hub.requests.clear()
    run(origins, [], out, check=True)
    assert "another file" in capsys.readouterr().out and hub.requests == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"revision": "main"}, "revision is 'main'"),
        ({"revision": None}, "a repository of GitHub needs the revision that is pinned"),
        ({"path": None}, "give either path or files"),
        ({"files": [{"path": "b.csv"}]}, "give either path or files"),
        ({"read": {"format": "tsv"}}, "unknown format 'tsv'"),
        ({"path": "../a.csv"}, "path is '../a.csv'"),
        ({"host": "gitlab"}, "unknown host 'gitlab'"),
        ({"labels": {"church": [1, 1]}}, "the counts of the labels do not add up to rows and distinct"),
        ({"labels": {"church": [2, 3]}}, "there are more distinct rows than rows"),
        ({"rows": 1, "distinct": 2, "labels": {}}, "there are more distinct rows than rows"),
    ],
)
def test_a_wrong_origin_is_told(
    hub: Hub, origins: dict[str, Any], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    origins["imagenette"] |= change
    with pytest.raises(UserError, match=said):
        run(origins, ["imagenette"], tmp_path / "out")
    assert hub.requests == []


def test_an_unknown_name_is_told(hub: Hub, origins: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no prompts 'imagenete' to fetch: did you mean 'imagenette'"):
        run(origins, ["imagenete"], tmp_path / "out")


OBJECTS = {"name": "erased", "scope": "model", "file": "x.csv", "labels": "concept", "sensitive": False}


@pytest.mark.parametrize(
    ("prompt_set", "origin", "said"),
    [
        ({"columns": {"prompt": "caption"}}, {}, "has no column 'caption'"),
        ({"columns": {"seed": "class"}}, {}, "line 2: the seed 'church' is no whole number"),
        ({}, {"rows": 3, "labels": {}}, "rows is 2 there and 3 in the world file, by which images are planned"),
        ({"seed": 0}, {"distinct": 2, "labels": {}}, "distinct is 1 there and 2 in the world file"),
        ({}, {"labels": {"chapel": [2, 1]}}, "labels.chapel is .0, 0. there and .2, 1. in the world file"),
    ],
)
def test_other_columns_or_counts_are_told_before_any_model_is_made(
    hub: Hub, origins: dict[str, Any], tmp_path: Path, prompt_set: dict[str, Any], origin: dict[str, Any], said: str
) -> None:
    run(origins, ["imagenette"], tmp_path / "out", {"erased": OBJECTS})
    origins["imagenette"] |= origin
    with pytest.raises(UserError, match=said):
        run(origins, ["imagenette"], tmp_path / "out", {"erased": {**OBJECTS, **prompt_set}})


def test_labels_in_another_order_are_told(hub: Hub, origins: dict[str, Any], tmp_path: Path) -> None:
    """Which rows are taken in turn depends on it."""
    path = hub.repositories[origins["imagenette"]["repo"]].folder / origins["imagenette"]["path"]
    path.write_text("prompt,seed,label\na,0,church\nb,0,rocket\n")
    counts = {"rows": 2, "distinct": 2, "sha256": file_digest(path)}
    origins["imagenette"] |= {**counts, "labels": {"rocket": [1, 1], "church": [1, 1]}}
    with pytest.raises(UserError, match="first names its labels in the order church, rocket"):
        run(origins, ["imagenette"], tmp_path / "out", {"erased": OBJECTS})


@pytest.mark.paper_files
@needs_files
def test_every_concept_has_the_papers_500_and_6000() -> None:
    rows = read_prompts(Path(str(LOCAL), "imagenette.csv"))
    sets = {name: PromptSet(name=name, **settings) for name, settings in FILE["prompt_sets"].items()}
    packs = map(read_concept, (ROOT / "data/sd15/concepts").iterdir())
    for label in (pack.label for pack in packs if pack.kind == "object"):
        assert len(select_rows(sets["erased"], rows, label, 500)) == 500
        preserved = select_rows(sets["preserved"], rows, label, 6000)
        assert Counter(Counter(row.label for row in preserved).values()) == {500: 12}
        # The file is sorted by class; the first rows for a smaller count are of all of them.
        assert len({row.label for row in select_rows(sets["preserved"], rows, label, 12)}) == 12
