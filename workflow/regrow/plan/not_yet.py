"""What papers have and nothing here makes, yet or ever: an audit may list it, and gets a blank with the reason."""

from functools import cache
from typing import Literal

from regrow.config.reader import read_yaml
from regrow.places import ROOT

FILE = ROOT / "config/not_yet.yaml"
Kind = Literal["tables", "published", "attacks", "concepts"]


@cache
def _content() -> dict[str, dict[str, str]]:
    content: dict[str, dict[str, str]] = read_yaml(FILE) if FILE.is_file() else {}
    return content


def reasons(kind: Kind) -> dict[str, str]:
    """Return, of one kind, what is not made here, with the reason.

    Parameters
    ----------
    kind : str
        ``tables``, ``published``, ``attacks`` or ``concepts``: the lists of an audit.
    """
    return dict(_content().get(kind) or {})
