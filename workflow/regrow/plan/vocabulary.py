"""The words among which an erased concept is looked for."""

from regrow.concepts import read_concept
from regrow.places import data_path
from regrow.plan.audit import Audit
from regrow.plan.memory import remembered


@remembered
def vocabulary(audit: Audit, kind: str) -> list[str]:
    """Return the labels of all concept packs of the world that are of a kind, in the packs' order, each once."""
    folders = sorted(path.parent for path in data_path(audit.world.concepts).glob("*/concept.yaml"))
    packs = (read_concept(folder) for folder in folders)
    return list(dict.fromkeys(pack.label for pack in packs if pack.kind == kind))
