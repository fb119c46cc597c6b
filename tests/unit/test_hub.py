"""Downloads: resumed, complete or not there, and every failure in one sentence that holds no secret."""

import hashlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants, snapshot_download

from regrow.errors import UserError
from regrow.fetch.hub import FOLDER, download, github_file, hub_file, local_copy, web_file
from tests.hub.isolation import isolate
from tests.hub.server import Hub, Repository, serve

COMMIT = "451f4fe16113bff5a5d2269ed5ad43b0592e9a14"
NAME = "ada/model"
LARGE = "unet/big.safetensors"
TOKEN = "hf_thisIsASecretThatNobodyMayRead"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet/config.json").write_text('{"sample_size": 8}')
    (folder / LARGE).write_bytes(hashlib.shake_256(b"weights").digest(300_000))
    (folder / "unet/big.non_ema.safetensors").write_bytes(b"not asked for")
    return folder


@pytest.fixture
def hub(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve(Hub({NAME: Repository(files, COMMIT)})) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def fetch(file: str, into: Path, name: str = NAME, commit: str = COMMIT) -> bytes:
    download(hub_file(name, commit, file), into)
    return into.read_bytes()


@pytest.mark.parametrize("file", ["unet/config.json", LARGE])
def test_what_comes_is_what_lies_there(hub: Hub, files: Path, tmp_path: Path, file: str) -> None:
    into = tmp_path / "out" / Path(file).name
    assert fetch(file, into) == (files / file).read_bytes()
    assert [path.name for path in into.parent.iterdir()] == [into.name]


def test_the_server_is_a_hub_to_the_library_itself(hub: Hub, files: Path, tmp_path: Path) -> None:
    folder = Path(snapshot_download(NAME, revision=COMMIT, endpoint=hub.url, local_dir=tmp_path / "all", token=False))
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts}
    assert found == {path.relative_to(files) for path in files.rglob("*") if path.is_file()}
    assert (folder / LARGE).read_bytes() == (files / LARGE).read_bytes()


def test_a_cut_transfer_is_gone_on_from(hub: Hub, files: Path, tmp_path: Path) -> None:
    hub.cut["big.safetensors"] = 100_000
    assert fetch(LARGE, tmp_path / "big") == (files / LARGE).read_bytes()
    assert hub.ranges == [100_000]


def test_so_is_one_that_another_process_began(
    hub: Hub, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", killed)  # between the first transfer and the next
        hub.cut["big.safetensors"] = 120_000
        with pytest.raises(KeyboardInterrupt):
            fetch(LARGE, tmp_path / "big")
    assert not (tmp_path / "big").exists()
    assert fetch(LARGE, tmp_path / "big") == (files / LARGE).read_bytes()
    assert hub.ranges == [120_000]


def test_a_part_of_other_content_is_not_joined(hub: Hub, files: Path, tmp_path: Path) -> None:
    (tmp_path / ".big.0123456789abcdef.part").write_bytes(b"of another version")
    assert fetch(LARGE, tmp_path / "big") == (files / LARGE).read_bytes()
    assert not list(tmp_path.glob(".big*"))


def test_a_flipped_byte_comes_through_and_is_for_the_digest_to_find(hub: Hub, files: Path, tmp_path: Path) -> None:
    hub.flip.add("big.safetensors")
    assert fetch(LARGE, tmp_path / "big") != (files / LARGE).read_bytes()


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (
            (401, "RepoNotFound"),
            r"answers 401, it has no unet/config.json of ada/model: check the name .* set HF_TOKEN",
        ),
        ((404, "RepoNotFound"), r"answers 404, it has no .*which may have moved"),
        ((403, "GatedRepo"), r"only to those who accept its conditions: accept them in a browser, then set HF_TOKEN"),
        ((403, ""), r"answers 403, it does not give .*: set HF_TOKEN to one that may read it"),
        ((451, ""), r"answers 451 for .*: correct the address"),
        ((503, ""), r"answers 503 for .*: run the same command again later"),
    ],
)
def test_a_refusal_is_told(hub: Hub, tmp_path: Path, refusal: tuple[int, str], said: str) -> None:
    hub.repositories[NAME].refusal = refusal
    with pytest.raises(UserError, match=said):
        fetch("unet/config.json", tmp_path / "config.json")
    assert not list(tmp_path.glob("*config.json*"))


def test_what_is_not_there_is_told(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such commit for .*correct `revision`"):
        fetch("unet/config.json", tmp_path / "x", commit="0" * 40)
    with pytest.raises(UserError, match="has no vae/config.json of ada/model at the pinned commit: correct `files`"):
        fetch("vae/config.json", tmp_path / "x")
    with pytest.raises(UserError, match="answers 404, it has no unet/config.json of ada/other"):
        fetch("unet/config.json", tmp_path / "x", name="ada/other")


def test_a_moved_repository_is_followed_and_told(
    hub: Hub, files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.repositories["old/model"] = Repository(files, COMMIT, moved=NAME)
    caplog.set_level(logging.INFO)
    for file in ("unet/config.json", LARGE):
        assert fetch(file, tmp_path / "x", name="old/model") == (files / file).read_bytes()
    assert "old/model has moved to ada/model" in caplog.text


def test_a_moved_repository_with_another_commit_is_refused(hub: Hub, files: Path, tmp_path: Path) -> None:
    hub.repositories["new/model"] = Repository(files, "1" * 40)
    hub.repositories["old/model"] = Repository(files, COMMIT, moved="new/model")
    with pytest.raises(UserError, match="no such commit"):
        fetch("unet/config.json", tmp_path / "x", name="old/model")


def test_a_server_that_is_no_hub_is_told(hub: Hub, tmp_path: Path) -> None:
    hub.commit_header = False
    with pytest.raises(UserError, match="127.0.0.1:.* does not answer as the hub does: correct HF_ENDPOINT"):
        fetch("unet/config.json", tmp_path / "x")


def test_a_server_that_is_gone_is_told(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(Hub({NAME: Repository(files, COMMIT)})) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
    with pytest.raises(
        UserError, match="127.0.0.1 cannot be reached .*a compute node often has none.*REGROW_FETCH_FROM"
    ):
        fetch("unet/config.json", tmp_path / "x")


def test_a_server_that_goes_on_the_way_leaves_what_came(
    hub: Hub, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cut["big.safetensors"] = 50_000
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(hub, "status", 502))
    with pytest.raises(
        UserError, match="answers 502 for unet/big.safetensors of ada/model: run the same command again"
    ):
        fetch(LARGE, tmp_path / "big")
    hub.status = None
    assert fetch(LARGE, tmp_path / "big") == (files / LARGE).read_bytes()
    assert hub.ranges[-1] == 50_000


def test_offline_is_told(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set: fetch it where there is a network"):
        fetch("unet/config.json", tmp_path / "x")
    assert hub.requests == []


def test_a_full_disk_is_told_before_the_transfer(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=r"needs 0.3 MB, but the disk of .* has 0.0 MB: free some"):
        fetch(LARGE, tmp_path / "big")
    assert [request for request in hub.requests if request.startswith("GET")] == []


def test_the_token_is_of_the_environment_and_for_the_hub_alone(
    hub: Hub, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hub.repositories[NAME].token = TOKEN
    saved = tmp_path / "token"
    saved.write_text(TOKEN)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(saved))  # what `hf auth login` leaves is not used
    with pytest.raises(UserError, match="answers 401, it does not give .*: set HF_TOKEN"):
        fetch(LARGE, tmp_path / "big")
    assert hub.tokens == []
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert fetch(LARGE, tmp_path / "big") == (files / LARGE).read_bytes()
    assert {host.partition(":")[0] for host, _ in hub.tokens} == {"127.0.0.1"}
    (files / "data.csv").write_text("a,b\n")
    before = len(hub.tokens)
    download(web_file(f"{hub.url}/raw/{NAME}", "data.csv"), tmp_path / "data.csv")
    assert len(hub.tokens) == before
    assert TOKEN not in caplog.text and "signature" not in caplog.text


def test_no_error_holds_the_token_or_a_password(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("127", "ada:passwort@127"))
    hub.repositories[NAME].token = "another"
    with pytest.raises(UserError, match="HF_TOKEN is refused: renew it or unset it") as caught:
        fetch("unet/config.json", tmp_path / "x")
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    for text in (str(caught.value), caplog.text):
        assert TOKEN not in text and "passwort" not in text


def test_github_and_a_web_address(hub: Hub, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_GITHUB_MIRROR", f"{hub.url}/raw")
    download(github_file(NAME, COMMIT, "unet/config.json"), tmp_path / "a")
    download(web_file(f"{hub.url}/raw/{NAME}/unet", "config.json"), tmp_path / "b")
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == (files / "unet/config.json").read_text()
    assert f"GET /raw/{NAME}/{COMMIT}/unet/config.json" in hub.requests
    with pytest.raises(UserError, match="answers 404, it has no none.csv of ada/model"):
        download(github_file(NAME, COMMIT, "none.csv"), tmp_path / "c")


def test_a_folder_is_looked_into_first(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = hub_file(NAME, COMMIT, "unet/config.json")
    assert local_copy(remote) is None
    (tmp_path / "ada").mkdir()
    for place in ("model", "ada/model"):
        (tmp_path / place).symlink_to(files)
        monkeypatch.setenv(FOLDER, str(tmp_path))
        found = local_copy(remote)
        assert found is not None and found.read_text() == (files / "unet/config.json").read_text()
        (tmp_path / place).unlink()
    monkeypatch.setenv(FOLDER, str(files / "unet"))
    assert local_copy(remote) is None  # any model has a config.json
    assert local_copy(github_file(NAME, COMMIT, "datasets/config.json")) == files / "unet/config.json"
    monkeypatch.setenv(FOLDER, str(tmp_path / "absent"))
    with pytest.raises(UserError, match="REGROW_FETCH_FROM names .*absent, which is no folder"):
        local_copy(remote)


def test_the_hubs_own_cache_is_looked_into(hub: Hub, files: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    snapshot_download(NAME, revision=COMMIT, endpoint=hub.url, cache_dir=cache, token=False)
    hub.requests.clear()
    found = local_copy(hub_file(NAME, COMMIT, LARGE))
    assert found is not None and found.read_bytes() == (files / LARGE).read_bytes()
    assert hub.requests == []


def test_what_is_no_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    os.mkfifo(tmp_path / "model/config.json")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(UserError, match="config.json is no regular file"):
        local_copy(hub_file(NAME, COMMIT, "config.json"))
