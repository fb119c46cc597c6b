"""Revivers: try to bring an erased concept back.

One file per method. A method is a module ``regrow.revive.<method>`` with one public function of the same name,

    <method>(weights, completed, *, <options>) -> dict[str, Tensor]

that sees the published FFN2 weights and, when the recipe has a completer, what it recovered. It never sees the base
model, the eraser's mask or a prompt.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from regrow.methods import find_method
from regrow.models import Completed


def revive(
    method: str, weights: Mapping[str, Tensor], completed: Completed | None = None, **options: Any
) -> dict[str, Tensor]:
    """Revive a model with the named method.

    Parameters
    ----------
    method : str
        A module of this package, e.g. ``roots`` or ``quantize``.
    weights : mapping of Tensor
        Published FFN2 weights, float32, (d, 4d), by name.
    completed : Completed, optional
        Recovered weights, for methods that use them.
    **options
        The method's own.

    Returns
    -------
    dict of Tensor
        New float32 values under the names of `weights`.

    Raises
    ------
    UserError
        Unknown method or option, or the method's own.
    """
    function = find_method("regrow.revive", "reviver", method, options)
    revived: dict[str, Tensor] = function(weights, completed, **options)
    return revived
