"""A fetched world: exactly the files that are loaded, checked, once; the same digests whatever lies beside them."""

import copy
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
import yaml
from huggingface_hub import snapshot_download
from PIL import Image

from regrow.errors import UserError
from regrow.images.prompts import Prompt
from regrow.images.renderer import Numerics, Sampler, image_key
from regrow.io.files import file_digest
from regrow.judges import load_judge, read_protocol
from regrow.model.pipelines import base_digest, settings_digest
from regrow.stages.fetch_world import run
from tests.hub.isolation import isolate
from tests.hub.server import Hub, Repository, serve
from tests.standin.layout import write_standin

ROOT = Path(__file__).parents[2]
WORLD = yaml.safe_load((ROOT / "config/worlds/sd15.yaml").read_text())["fetch"]
REPOSITORY, COMMIT = WORLD["pipeline"]["repo"], WORLD["pipeline"]["revision"]
UNET = "unet/diffusion_pytorch_model.safetensors"
WEIGHTS = [file for file, digest in WORLD["pipeline"]["files"].items() if digest is not None]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_standin(tmp_path_factory.mktemp("standin"))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a small classifier of ImageNet, named as torchvision names its files."""
    folder = tmp_path_factory.mktemp("judge")
    torch.manual_seed(0)
    torch.save(torchvision.models.squeezenet1_1().state_dict(), folder / "new.pth")
    return (folder / "new.pth").rename(folder / f"squeezenet1_1-{file_digest(folder / 'new.pth')[:8]}.pth").parent


@pytest.fixture
def hub(standin: Path, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    with serve(Hub({REPOSITORY: Repository(standin, COMMIT), "torch/models": Repository(judge, COMMIT)})) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def section(hub: Hub, standin: Path, judge: Path) -> dict[str, Any]:
    """The world file's own section, with the stand-in's digests in place of the model's, and a smaller judge."""
    found = copy.deepcopy({"pipeline": WORLD["pipeline"], "object": WORLD["object"]})
    for file in WEIGHTS:
        found["pipeline"]["files"][file] = file_digest(standin / file)
    (path,) = judge.iterdir()
    found["object"]["url"] = f"{hub.url}/raw/torch/models"
    found["object"]["files"] = {path.name: path.stem.rpartition("-")[2]}
    found["object"]["judge"] |= {"architecture": "squeezenet1_1", "weights": "IMAGENET1K_V1", "file": path.name}
    return found


OUT, LOCK = Path("results/sd15/fetch_world/fetched.json"), Path("config/locks/sd15.json")
PIPELINE = OUT.parent / "pipeline"


def fetch(section: dict[str, Any]) -> dict[str, Any]:
    run(section, "sd15", LOCK, OUT)
    found: dict[str, Any] = json.loads(OUT.read_text())
    return found


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_exactly_the_files_that_are_loaded(hub: Hub, section: dict[str, Any], standin: Path) -> None:
    fetch(section)
    assert files_of(PIPELINE) == set(section["pipeline"]["files"])
    assert all((PIPELINE / file).read_bytes() == (standin / file).read_bytes() for file in files_of(PIPELINE))
    asked = {request.partition("/resolve/")[2].partition("/")[2] for request in hub.requests if "/resolve/" in request}
    assert asked == set(section["pipeline"]["files"])
    assert files_of(OUT.parent) == {
        *(f"pipeline/{file}" for file in section["pipeline"]["files"]),
        *(f"object/{file}" for file in section["object"]["files"]),
        "object/judge.yaml",
        "fetched.json",
    }


def test_a_second_run_asks_nothing(hub: Hub, section: dict[str, Any]) -> None:
    first = fetch(section)
    bytes_, lock = OUT.read_bytes(), LOCK.read_bytes()
    hub.requests.clear()
    OUT.unlink()  # as Snakemake does before it runs a job
    assert fetch(section) == first
    assert hub.requests == []
    assert (OUT.read_bytes(), LOCK.read_bytes()) == (bytes_, lock)


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.safetensors", "squeezenet1_1"])
def test_a_flipped_byte_leaves_no_folder(hub: Hub, section: dict[str, Any], name: str) -> None:
    (file,) = [file for part in section.values() for file in part["files"] if name in file and "vae" not in file]
    hub.flip.add(Path(file).name)
    with pytest.raises(UserError, match=r"where the world file pins [0-9a-f]{8,12}: it is damaged or another file"):
        fetch(section)
    part = OUT.parent / ("pipeline" if "unet" in file else "object")
    assert not part.exists() and not OUT.exists()
    hub.flip.clear()
    hub.requests.clear()
    fetch(section)
    assert (part / file).is_file()
    assert not [request for request in hub.requests if "vocab.json" in request]  # what was right is not fetched again


def test_a_killed_run_is_gone_on_from(
    hub: Hub, section: dict[str, Any], standin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", killed)
        hub.cut["model.safetensors"] = 1_000_000
        with pytest.raises(KeyboardInterrupt):
            fetch(section)
    assert not PIPELINE.exists()
    fetch(section)
    assert hub.ranges == [1_000_000]
    assert files_of(PIPELINE) == set(section["pipeline"]["files"])


def test_what_nobody_knew_is_locked_and_refused_when_it_changes(
    hub: Hub, section: dict[str, Any], standin: Path, tmp_path: Path
) -> None:
    record = fetch(section)["parts"]
    known = {file: entry["known_from"] for part in record.values() for file, entry in part["files"].items()}
    assert {file for file, source in known.items() if source == "the world file"} == set(WEIGHTS)
    locked = json.loads(LOCK.read_text())
    files = section["pipeline"]["files"]
    assert set(locked[f"{REPOSITORY}@{COMMIT}"]) == {file for file, digest in files.items() if digest is None}
    assert all(len(digest) == 64 for origin in locked.values() for digest in origin.values())

    other = shutil.copytree(standin, tmp_path / "other")
    (other / "scheduler/scheduler_config.json").write_text("{}")
    hub.repositories[REPOSITORY].folder = other
    shutil.rmtree(OUT.parent)
    with pytest.raises(UserError, match=r"config/locks/sd15.json says .* of scheduler/scheduler_config.json in"):
        fetch(section)
    assert not PIPELINE.exists()


def test_three_downloads_have_one_image_key(
    hub: Hub, section: dict[str, Any], standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(section)
    everything = Path(
        snapshot_download(REPOSITORY, revision=COMMIT, endpoint=hub.url, local_dir=tmp_path / "all", token=False)
    )
    assert (everything / "unet/diffusion_pytorch_model.fp16.safetensors").is_file() and (everything / ".cache").is_dir()
    plain = shutil.copytree(PIPELINE, tmp_path / "plain")
    for junk in ("README.md", "tokenizer/README.md", "tokenizer/.DS_Store", "unet/notes.txt", "scheduler/old.json"):
        (plain / junk).write_text("beside")
    sampler = Sampler(steps=50, guidance=7.5, scheduler="PNDMScheduler")
    numerics = Numerics(dtype="float16", vae_tiling=False, compiled=False)
    keys = {
        image_key(base_digest(folder), settings_digest(folder), Prompt(0, "a church", 0, ""), sampler, numerics)
        for folder in (PIPELINE, everything, plain, standin)
    }
    assert len(keys) == 1
    (plain / "unet/config.json").write_text((plain / "unet/config.json").read_text().replace("8", "16", 1))
    assert settings_digest(plain) != settings_digest(PIPELINE)


def test_a_local_folder_asks_no_server(
    hub: Hub, section: dict[str, Any], standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / REPOSITORY.split("/")[1]).symlink_to(standin)
    monkeypatch.setenv("REGROW_FETCH_FROM", str(tmp_path / "models"))
    fetch({"pipeline": section["pipeline"]})
    assert hub.requests == []
    assert files_of(PIPELINE) == set(section["pipeline"]["files"])
    assert not any(path.is_symlink() for path in PIPELINE.rglob("*"))


def test_other_weights_in_a_local_folder_are_refused(
    hub: Hub, section: dict[str, Any], standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = shutil.copytree(standin, tmp_path / "models" / REPOSITORY)
    (wrong / UNET).unlink()
    (wrong / "unet/diffusion_pytorch_model.non_ema.safetensors").rename(wrong / UNET)
    monkeypatch.setenv("REGROW_FETCH_FROM", str(tmp_path / "models"))
    with pytest.raises(UserError, match=f"{UNET} of .* where the world file pins"):
        fetch(section)
    assert (wrong / UNET).is_file()  # the user's own file stays


def test_a_file_that_was_damaged_is_fetched_again_and_no_other(hub: Hub, section: dict[str, Any]) -> None:
    fetch(section)
    (PIPELINE / "unet/config.json").write_text("{}")
    hub.requests.clear()
    fetch(section)
    assert {request.rpartition("/resolve/")[2].partition("/")[2] for request in hub.requests} == {"unet/config.json"}
    assert json.loads((PIPELINE / "unet/config.json").read_text())["sample_size"] == 8


def test_a_link_in_place_of_the_folder_is_used_and_never_emptied(
    hub: Hub, section: dict[str, Any], standin: Path, tmp_path: Path
) -> None:
    fetch(section)
    mine = shutil.copytree(standin, tmp_path / "mine")
    shutil.rmtree(PIPELINE)
    PIPELINE.symlink_to(mine)
    hub.requests.clear()
    fetch(section)
    assert hub.requests == [] and PIPELINE.is_symlink()
    (mine / "unet/config.json").unlink()
    fetch(section)
    assert not PIPELINE.is_symlink()
    assert (mine / UNET).is_file()


def test_files_of_another_world_file_do_not_stay(hub: Hub, section: dict[str, Any]) -> None:
    section["pipeline"]["files"]["feature_extractor/preprocessor_config.json"] = None
    fetch({"pipeline": section["pipeline"]})
    del section["pipeline"]["files"]["feature_extractor/preprocessor_config.json"]
    (PIPELINE / "vae/config.json").unlink()
    fetch({"pipeline": section["pipeline"]})
    assert files_of(PIPELINE) == set(section["pipeline"]["files"])


def test_a_judge_says_which_file_it_is_and_who_knew(hub: Hub, section: dict[str, Any]) -> None:
    fetch(section)
    folder = OUT.parent / "object"
    (file,) = section["object"]["files"]
    protocol = read_protocol(folder)
    assert protocol.settings == {
        **section["object"]["judge"],
        "sha256": file_digest(folder / file),
        "sha256_known_from": "the lock",
    }
    assert protocol.digests() == {"weights": file_digest(folder / file)}
    found = load_judge(folder)
    found.update([Image.new("RGB", (64, 64), "green")], [Prompt(0, "a church", 0, "church")])
    assert found.compute()[0]["top1"] in protocol.labels
    torch.save({}, folder / file)
    with pytest.raises(UserError, match="but judge.yaml pins"):
        read_protocol(folder).digests()


def test_no_address_is_logged_or_recorded(hub: Hub, section: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fetch(section)
    assert "unet/config.json of stable-diffusion-v1-5/stable-diffusion-v1-5 from 127.0.0.1" in caplog.text
    assert "signature" not in caplog.text and "http" not in json.dumps(json.loads(OUT.read_text())["parts"]["pipeline"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"revision": "main"}, "fetch.pipeline: revision is 'main'"),
        ({"files": {"../outside": None}}, "fetch.pipeline: files"),
        ({"files": {"unet/.hidden": None}}, "fetch.pipeline: files"),
        ({"files": {}}, "fetch.pipeline: files"),
        ({"files": {"a": "12"}}, "fetch.pipeline: files.a is '12'"),
        ({"url": "https://example.org/a"}, "either repo and revision, or url"),
        ({"repo": "one/two/three"}, "fetch.pipeline: repo is 'one/two/three'"),
        ({"licences": "MIT"}, "unknown key 'licences' .* 'licence'"),
    ],
)
def test_a_wrong_origin_is_told_before_any_request(
    hub: Hub, section: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    section["pipeline"] |= change
    for wrong, message in ((section, said), ({}, "world 'sd15' has no section `fetch`")):
        with pytest.raises(UserError, match=message):
            fetch(wrong)
    assert hub.requests == []


def test_a_header_is_bounded_before_it_is_read(
    hub: Hub, section: dict[str, Any], standin: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(standin, tmp_path / "other")
    (other / UNET).write_bytes((10**9).to_bytes(8, "little"))
    hub.repositories[REPOSITORY].folder = other
    section["pipeline"]["files"][UNET] = None  # of a world whose digests nobody knows
    with pytest.raises(UserError, match="begins with a header of 1000000000 bytes"):
        fetch(section)
    assert not PIPELINE.exists()
