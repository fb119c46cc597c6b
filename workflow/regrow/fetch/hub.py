"""Download one file from the hub or a web address: resumed after a cut, complete or not there at all.

huggingface_hub finds the file, follows the hub's redirects, retries and resumes. Its own `hf_hub_download` begins a
file anew in every process, for which 3.4 GB are too many.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
from huggingface_hub import HfFileMetadata, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers, disable_progress_bars

from regrow.errors import UserError
from regrow.fetch.errors import sentence
from regrow.fetch.safety import check_regular
from regrow.io.files import raise_if_disk_full

log = logging.getLogger(__name__)

GITHUB = "https://raw.githubusercontent.com"
# A folder that is looked into before any server is asked, and a mirror of GitHub's files, as HF_ENDPOINT of the hub's.
FOLDER, MIRROR, ENDPOINT, TOKEN = "REGROW_FETCH_FROM", "REGROW_GITHUB_MIRROR", "HF_ENDPOINT", "HF_TOKEN"
NOISY = ("httpcore2", "httpx2", "huggingface_hub")  # their lines hold signed addresses


@dataclass(frozen=True)
class Remote:
    """One file of an origin.

    Attributes
    ----------
    file : str
        Its path in the repository, or its name at the address.
    url : str
        Where it is asked for.
    repo, revision : str or None
        Repository and commit; a repository of the hub must say that it serves that commit.
    hub : bool
        Whether the server is the hub, which alone is told the token.
    data_set : bool
        Whether the repository is one of data sets.
    """

    file: str
    url: str
    repo: str | None = None
    revision: str | None = None
    hub: bool = False
    data_set: bool = False

    def __str__(self) -> str:
        return f"{self.file} of {self.repo}" if self.repo else self.file


def hub_file(repo: str, revision: str, file: str, data_set: bool = False) -> Remote:
    """Return a file of a repository of the hub, or of its mirror."""
    kind = "dataset" if data_set else "model"
    url = hf_hub_url(repo, file, revision=revision, repo_type=kind, endpoint=os.environ.get(ENDPOINT) or None)
    return Remote(file, url, repo, revision, hub=True, data_set=data_set)


def github_file(repo: str, revision: str, file: str) -> Remote:
    """Return a file of a repository of GitHub, or of its mirror."""
    base = (os.environ.get(MIRROR) or GITHUB).rstrip("/")
    return Remote(file, f"{base}/{repo}/{revision}/{quote(file)}", repo, revision)


def web_file(base: str, file: str) -> Remote:
    """Return a file at a web address."""
    return Remote(file, f"{base.rstrip('/')}/{quote(file)}")


def newest_commit(repo: str, file: str) -> str:
    """Return the newest commit of a data set of the hub, for a file that nobody here could look at.

    Raises
    ------
    UserError
        See `download`.
    """
    remote = hub_file(repo, "main", file, data_set=True)
    token = (os.environ.get(TOKEN) or "").strip() or None
    try:
        with _quiet():
            found = get_hf_file_metadata(remote.url, token=token or False, retry_on_errors=True)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise UserError(sentence(error, str(remote), remote.url, token is not None)) from None
    if found.commit_hash is None:
        raise UserError(f"{host(remote.url)} does not answer as the hub does: correct {ENDPOINT}, or unset it")
    return found.commit_hash


def local_copy(remote: Remote) -> Path | None:
    """Return where the file lies on this machine: in the folder that the user names, or in the hub's own cache."""
    if named := os.environ.get(FOLDER):
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise UserError(f"{FOLDER} names {folder}, which is no folder: correct it or unset it")
        # As the hub's own tools, git or a browser leave a download.
        owned = (
            [folder / remote.repo / remote.file, folder / remote.repo.split("/")[1] / remote.file]
            if remote.repo
            else []
        )
        single = [] if remote.hub and not remote.data_set else [folder / Path(remote.file).name]
        for path in [*owned, *single]:
            if path.exists():
                check_regular(path)  # a pipe would be read without end
                return path
    if remote.hub and remote.repo:
        kind = "dataset" if remote.data_set else "model"
        cached = try_to_load_from_cache(remote.repo, remote.file, revision=remote.revision, repo_type=kind)
        return Path(cached) if isinstance(cached, str) else None
    return None


def download(remote: Remote, into: Path) -> None:
    """Fetch a file to `into`; what an interrupted run left beside it is gone on from.

    Raises
    ------
    UserError
        In one sentence, without token and address: not there, not allowed, cut off, no network, no space.
    """
    token = (os.environ.get(TOKEN) or "").strip() or None if remote.hub else None
    into.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _quiet():
            found = get_hf_file_metadata(remote.url, token=token or False, retry_on_errors=True)
            partial = _partial(remote, found, into)
            begin = partial.stat().st_size if partial.exists() else 0
            _say(remote, found, begin)
            with partial.open("ab") as stream:
                http_get(
                    found.location,
                    stream,
                    resume_size=begin,
                    headers=_headers(remote, found, token),
                    expected_size=found.size,
                    displayed_filename=remote.file,
                )
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise_if_disk_full(error, into)
        # Not from the error: a traceback would print requests with their headers.
        raise UserError(sentence(error, str(remote), remote.url, token is not None)) from None
    os.replace(partial, into)


def _partial(remote: Remote, found: HfFileMetadata, into: Path) -> Path:
    """Return where the bytes go until they are all there; named after the content, so that two are never joined."""
    if remote.hub and (found.commit_hash is None or found.etag is None):
        raise UserError(f"{host(remote.url)} does not answer as the hub does: correct {ENDPOINT}, or unset it")
    if remote.hub and found.commit_hash != remote.revision:
        raise UserError(
            f"{host(remote.url)} serves commit {str(found.commit_hash)[:12]} of {remote.repo}, where "
            f"{str(remote.revision)[:12]} is pinned: ask another mirror"
        )
    name = hashlib.sha256(f"{remote.url} {found.etag} {found.size}".encode()).hexdigest()[:16]
    partial = into.with_name(f".{into.name}.{name}.part")
    for stale in into.parent.glob(f".{into.name}.*.part"):
        if stale != partial:
            stale.unlink()
    begin = partial.stat().st_size if partial.exists() else 0
    if found.size is None or begin > found.size:
        partial.unlink(missing_ok=True)
    elif found.size - begin > (free := shutil.disk_usage(into.parent).free):
        raise UserError(
            f"{remote} needs {_megabytes(found.size - begin)}, but the disk of {into.parent} has {_megabytes(free)}: "
            "free some and run the same command again"
        )
    return partial


def _headers(remote: Remote, found: HfFileMetadata, token: str | None) -> dict[str, str]:
    own = urlsplit(found.location)[:2] == urlsplit(remote.url)[:2]  # a store of files is told no token
    headers = build_hf_headers(token=token if own and token else False)
    return {**headers, "Accept-Encoding": "identity"}  # a packed transfer cannot be resumed by position


def _say(remote: Remote, found: HfFileMetadata, begin: int) -> None:
    log.info(
        "%s from %s: %s%s",
        remote,
        host(remote.url),
        _megabytes(found.size) if found.size is not None else "size unknown",
        f", going on at {_megabytes(begin)}" if begin else "",
    )
    here, there = urlsplit(remote.url), urlsplit(found.location)
    if remote.hub and remote.repo and here[:2] == there[:2] and f"/{remote.repo}/" not in there.path:
        log.warning(
            "%s has moved to %s: the pinned commit is served there too, so nothing changes",
            remote.repo,
            "/".join(there.path.strip("/").split("/")[:2]),
        )


def host(url: str) -> str:
    """Return the server of an address, without a password that may stand in it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep addresses out of the log, which may be signed, and bars that nobody watches."""
    if not sys.stderr.isatty():
        disable_progress_bars()
    before = [(logger, logger.level) for logger in map(logging.getLogger, NOISY)]
    try:
        for logger, _ in before:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)
