"""Keep a test of downloads from what the machine that runs it has set, and from waiting."""

import time
from pathlib import Path

import pytest
from huggingface_hub import constants

VARIABLES = ("HF_TOKEN", "HF_ENDPOINT", "REGROW_FETCH_FROM", "REGROW_GITHUB_MIRROR")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Unset the variables that downloads read, give the hub an empty cache, and skip the pauses between tries."""
    for name in (*VARIABLES, *PROXIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)  # 10 MB, of which a cut loses what is not full
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
