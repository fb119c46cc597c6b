"""The hub's protocol as huggingface_hub 2.4 needs it, with a store of large files under another host name.

Small files come from the hub itself, those of a type in `LARGE` by a redirect to ``localhost``, where the hub is
``127.0.0.1``: a redirect to the same host would be followed, with the token.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

LARGE = (".safetensors", ".bin", ".ckpt", ".pth")


@dataclass
class Repository:
    """A repository at one commit; `moved` is the id under which it is served now."""

    folder: Path
    commit: str
    moved: str | None = None
    refusal: tuple[int, str] | None = None  # status and X-Error-Code
    token: str | None = None  # what must be shown


@dataclass
class Hub:
    """What the server has and does.

    Attributes
    ----------
    repositories : dict
        By id.
    requests : list of str
        Method and path of every request, in order.
    tokens : list of (str, str)
        Host and Authorization header of every request that had one.
    cut : dict
        Bytes of a file after which its next transfer breaks off, by name.
    flip : set of str
        Files whose last byte is served wrong.
    ranges : list of int
        Positions at which transfers were gone on from.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    tokens: list[tuple[str, str]] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)
    flip: set[str] = field(default_factory=set)
    ranges: list[int] = field(default_factory=list)
    status: int | None = None  # answers everything
    commit_header: bool = True
    port: int = 0

    @property
    def url(self) -> str:
        """The address of the hub."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Run the server while the block runs."""

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer()

    def do_GET(self) -> None:  # noqa: N802
        self._answer()

    def _answer(self) -> None:
        hub = self.hub
        hub.requests.append(f"{self.command} {self.path}")
        if found := self.headers.get("Authorization"):
            hub.tokens.append((self.headers["Host"], found))
        if hub.status is not None:
            return self._send(hub.status)
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "store":
            return self._bytes(self._file(rest))
        if kind == "raw":  # a plain server of files, as GitHub's
            return self._bytes(self._file(rest))
        if kind == "api":
            return self._list(rest.removeprefix("models/").partition("?")[0])
        repo, _, after = self.path.lstrip("/").removeprefix("datasets/").partition("/resolve/")
        return self._resolve(repo, after)

    def _resolve(self, name: str, after: str) -> None:
        found = self.hub.repositories.get(name)
        if found is None:
            return self._send(404, {"X-Error-Code": "RepoNotFound"})
        if found.refusal:
            return self._send(found.refusal[0], {"X-Error-Code": found.refusal[1]} if found.refusal[1] else {})
        if found.token and self.headers.get("Authorization") != f"Bearer {found.token}":
            return self._send(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        if found.moved:
            return self._send(307, {"Location": f"/{found.moved}/resolve/{after}"})
        commit, _, file = after.partition("/")
        if commit not in (found.commit, "main"):
            return self._send(404, {"X-Error-Code": "RevisionNotFound"})
        commit = found.commit
        path = found.folder / file
        if not path.is_file():
            return self._send(404, {"X-Error-Code": "EntryNotFound"})
        own = {"X-Repo-Commit": commit} if self.hub.commit_header else {}
        if path.suffix not in LARGE:
            return self._bytes(path, {**own, "ETag": f'"{hashlib.sha1(path.read_bytes()).hexdigest()}"'})
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(path.stat().st_size)}
        where = {"Location": f"http://localhost:{self.hub.port}/store/{name}/{file}?signature=secret"}
        return self._send(302, {**own, **linked, **where})

    def _list(self, rest: str) -> None:
        """Answer ID/tree/COMMIT, which is what `snapshot_download` asks."""
        name, _, commit = rest.partition("/tree/")
        found = self.hub.repositories.get(name)
        if found is None or commit != found.commit:
            return self._send(404, {"X-Error-Code": "RepoNotFound"})
        files = [path for path in sorted(found.folder.rglob("*")) if path.is_file()]
        entries = [
            {"type": "file", "path": str(path.relative_to(found.folder)), "size": path.stat().st_size, "oid": "0" * 40}
            for path in files
        ]
        body = json.dumps(entries).encode()
        self._head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _file(self, rest: str) -> Path:
        """Return a file by owner, name and path; a plain server's address has the commit between them."""
        parts = unquote(rest.partition("?")[0]).split("/")
        found = self.hub.repositories["/".join(parts[:2])]
        return found.folder / "/".join(parts[2:]).removeprefix(f"{found.commit}/")

    def _bytes(self, path: Path, headers: dict[str, str] | None = None) -> None:
        if not path.is_file():
            return self._send(404)
        content = path.read_bytes()
        if path.name in self.hub.flip:
            content = content[:-1] + bytes([content[-1] ^ 1])
        status, begin = 200, 0
        if (asked := self.headers.get("Range")) is not None:
            status, begin = 206, int(asked.removeprefix("bytes=").rstrip("-"))
            self.hub.ranges.append(begin)
        body = content[begin:]
        self._head(status, {"Content-Length": str(len(body)), "ETag": '"e"', **(headers or {})})
        if self.command == "GET":
            end = self.hub.cut.pop(path.name, None)
            self.wfile.write(body if end is None else body[:end])
            self.close_connection = end is not None

    def _send(self, status: int, headers: dict[str, str] | None = None) -> None:
        self._head(status, {"Content-Length": "0", **(headers or {})})

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
