"""What went wrong with a download, in one sentence that holds no token, no password and no signed address."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx2
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

ELSEWHERE = "or set HF_ENDPOINT to a mirror, or REGROW_FETCH_FROM to a folder that holds the files"


def sentence(error: Exception, what: str, url: str, with_token: bool) -> str:
    """Return one sentence for a failed download of `what`; the text of the error itself is not repeated."""
    server = urlsplit(url).hostname or url
    if isinstance(error, OfflineModeIsEnabled):
        return (
            f"{what} is not on this machine and HF_HUB_OFFLINE is set: fetch it where there is a network, {ELSEWHERE}"
        )
    if isinstance(error, GatedRepoError):
        accept = "accept them in a browser, then set HF_TOKEN"
        return f"{server} gives {what} only to those who accept its conditions: {accept}"
    if isinstance(error, RevisionNotFoundError):
        return f"{server} has no such commit for {what}: correct `revision` in the world file"
    if isinstance(error, RemoteEntryNotFoundError):
        return f"{server} has no {what} at the pinned commit: correct `files` in the world file"
    if isinstance(error, HfHubHTTPError | httpx2.HTTPStatusError):
        return _by_status(error, what, server, with_token)
    if isinstance(error, httpx2.ConnectError | httpx2.TimeoutException | httpx2.ProxyError):
        where = "run where there is a network (a compute node often has none)"
        return f"{server} cannot be reached for {what}: {where}, {ELSEWHERE}"
    if isinstance(error, httpx2.TransportError) or "Consistency check failed" in str(error):
        return f"the download of {what} from {server} was cut off: run the same command again, it goes on from there"
    return f"{what} cannot be fetched from {server} ({type(error).__name__}): correct the address, {ELSEWHERE}"


def _by_status(error: HfHubHTTPError | httpx2.HTTPStatusError, what: str, server: str, with_token: bool) -> str:
    status = error.response.status_code
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        # The hub answers the same for what is private and for what is not there.
        token = "and that HF_TOKEN may read it" if with_token else "and set HF_TOKEN if it is private"
        name = "check the name in the world file, which may have moved"
        return f"{server} answers {status}, it has no {what}: {name}, {token}"
    if status in (401, 403):
        mend = "HF_TOKEN is refused: renew it or unset it" if with_token else "set HF_TOKEN to one that may read it"
        return f"{server} answers {status}, it does not give {what}: {mend}"
    if status == 416:
        return f"{server} has another size of {what} than it said: run the same command again"
    later = "run the same command again later" if status == 429 or status >= 500 else "correct the address"
    return f"{server} answers {status} for {what}: {later}, {ELSEWHERE}"
