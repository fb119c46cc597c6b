"""What an attack on weights asks of a completion before it uses it."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

from regrow.errors import UserError

if TYPE_CHECKING:
    from regrow.model.completed import Completed
    from regrow.model.published import PublishedWeights


def require_probability(attack: str, entries: Mapping[str, ModuleType]) -> None:
    """Refuse a completer that only ranks.

    Raises
    ------
    UserError
        Names the attack, and a completer that does more.
    """
    if not entries["completer"].TELLS_PROBABILITY:
        raise UserError(
            f"attack {attack} needs a completer that tells how probable a sign is: name an entry of complete_weights "
            "with method gaussian_posterior"
        )


def require_completed(published: PublishedWeights, completed: Completed | None, attack: str) -> Completed:
    """Return the completion of a published model.

    Raises
    ------
    UserError
        None, or one of other weights.
    """
    if completed is None:
        raise UserError(f"attack '{attack}' needs completed weights: name a completer in its entry in params.yaml")
    weights = published.ffn2
    if set(weights) != set(completed.values) or any(completed.values[n].shape != w.shape for n, w in weights.items()):
        raise UserError(
            "the completed weights are not those of the published model: run complete_weights on this very model"
        )
    return completed
