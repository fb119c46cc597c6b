"""The concept's word: only attacks whose declared knowledge includes it are told."""

from types import ModuleType

from regrow.errors import UserError


def word_for(attack: str, module: ModuleType, word: str | None) -> str | None:
    """Return the word for an attack that may know it.

    Raises
    ------
    UserError
        The attack needs the word and has none, or has one without declaring so.
    """
    knows = "word" in module.KNOWLEDGE
    if knows and not word:
        raise UserError(f"attack '{attack}' knows the concept's word: give it as word")
    if word and not knows:
        raise UserError(f"attack '{attack}' does not declare that it knows the concept's word: leave word out")
    return word
