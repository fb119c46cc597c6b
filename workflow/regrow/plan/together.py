"""Published models from which several concepts were erased: what the plan refuses."""

from __future__ import annotations

from regrow.errors import UserError, nearest
from regrow.images.screen.apply import NUDITY
from regrow.images.screen.packs import check_pack
from regrow.places import data_path
from regrow.plan.audit import Audit, EvaluationNeed


def together_of(audit: Audit, published: str) -> list[str]:
    """Return the concepts that an eraser takes out of one model, as its entry names them; empty where it is one."""
    eraser = audit.params.publish_model[published].eraser
    return list(audit.params.erase_concept[eraser].get("together", ()))


def check_together(audit: Audit) -> None:
    """Check the packs of the concepts that are erased beside an audited one.

    Raises
    ------
    UserError
        A concept that the world lacks; nudity beside a concept of another kind, whose prompts nobody screens; or a
        ladder on such a model, in which another concept's mask would hold the audited one's.
    """
    packs = sorted(path.parent.name for path in data_path(audit.world.concepts).glob("*/concept.yaml"))
    for published in dict.fromkeys(name for view in audit.views for name in view.published):
        where = f"params: together of eraser '{audit.params.publish_model[published].eraser}'"
        for concept in together_of(audit, published):
            if concept not in packs:
                raise UserError(f"{where}: unknown concept '{concept}': {nearest(concept, packs)}")
            pack = audit.pack(concept)
            check_pack(pack, audit.pack_folder(concept) / "concept.yaml")
            others = [name for name, kind in audit.kinds.items() if kind != NUDITY]
            if pack.kind == NUDITY and others:
                raise UserError(
                    f"{where}: '{concept}' is of kind nudity, so what is asked of this model must be screened, and "
                    f"audit '{audit.name}' asks it for '{others[0]}' as well: audit concepts of kind nudity alone"
                )
    for table in audit.tables if audit.params.ablate_mask_knowledge.other else ():
        for need in audit.needs(table):
            if not isinstance(need, EvaluationNeed) or need.stage != "ablate_mask_knowledge":
                continue
            if together_of(audit, need.published):
                raise UserError(
                    f"table {table} of audit '{audit.name}': several concepts are erased from '{need.published}', so "
                    "the mask of another one holds the audited one's too: set ablate_mask_knowledge.other to null"
                )
