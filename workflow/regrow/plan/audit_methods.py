"""What the methods of an audit are, and what each attack is told beyond the published weights."""

from typing import Any

from regrow.config.entries import ATTACKS
from regrow.config.schema import Params
from regrow.errors import UserError, nearest
from regrow.methods import knowledge_of, load_method
from regrow.plan.memory import remembered


class AuditMethods:
    """The part of an audit that reads entries of params.yaml; see `regrow.plan.audit.Audit`."""

    params: Params
    attacks: list[str]
    oracles: list[str]

    @remembered
    def section_of(self, attack: str) -> str:
        """Return the stage that runs an attack or an oracle."""
        for section in (*ATTACKS, "apply_oracle"):
            if attack in getattr(self.params, section):
                return section
        raise UserError(f"unknown attack '{attack}': {nearest(attack, [*self.attacks, *self.oracles])}")

    @remembered
    def entry(self, attack: str) -> dict[str, Any]:
        """Return the entry of an attack or an oracle."""
        found: dict[str, Any] = getattr(self.params, self.section_of(attack))[attack]
        return found

    def knowledge(self, attack: str) -> tuple[str, ...]:
        """Return what an attack is told beyond the published weights; an oracle, everything."""
        section = self.section_of(attack)
        if section == "apply_oracle":
            return ("everything",)
        modules = [load_method(section, self.entry(attack)["method"])]
        if mask := self._mask_of(self.entry(attack).get("completer")):
            modules.append(load_method("infer_mask", mask["method"]))
        return knowledge_of(*modules)

    def sibling(self, attack: str) -> str | None:
        """Return the sibling that an attack is given, by its name in the world; its completer's is not its own."""
        entry = self.entry(attack)
        known = load_method(self.section_of(attack), entry["method"]).KNOWLEDGE
        return str(entry["sibling"]) if "sibling" in known else None

    def sibling_of_completer(self, completer: str) -> str | None:
        """Return the sibling by which a completer tells what is missing, by its name in the world."""
        mask = self._mask_of(completer)
        return str(mask["sibling"]) if mask and "sibling" in mask else None

    def _mask_of(self, completer: str | None) -> dict[str, Any] | None:
        name = completer and self.params.complete_weights[completer].get("mask")
        found: dict[str, Any] | None = self.params.infer_mask[name] if name else None
        return found

    def _known_weights(self, attack: str) -> str | None:
        """Return what of the concept an attack or an oracle is told in weights, if anything."""
        words = {"everything": "the pretrained weights", "public_base": "the base", "sibling": "a sibling of the base"}
        return next((said for level, said in words.items() if level in self.knowledge(attack)), None)

    @remembered
    def needs_clip(self, attack: str) -> bool:
        """Return whether an attack is steered by a CLIP of its own."""
        section = self.section_of(attack)
        return bool(getattr(load_method(section, self.entry(attack)["method"]), "NEEDS_CLIP", False))

    @remembered
    def kind_of(self, published: str) -> str:
        """Return whether a published model was pruned or trained."""
        eraser = self.params.publish_model[published].eraser
        return str(load_method("erase_concept", self.params.erase_concept[eraser]["method"]).KIND)
