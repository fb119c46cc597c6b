"""How many images at once: as many as asked for, or as fit into memory. No key and no result depends on it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from regrow.errors import UserError

log = logging.getLogger(__name__)


def run_in_memory(run: Callable[[int], None], batch: int, what: str, mend: str) -> int:
    """Call `run` with a batch size, and again with half of it each time the memory of the device runs out.

    Parameters
    ----------
    run : callable
        Called again it has to go on where it was, or begin anew.
    batch : int
        The size to begin with.
    what, mend : str
        Of the error: what does not fit one by one, and what the user can do.

    Returns
    -------
    int
        The size that fitted.

    Raises
    ------
    UserError
        Not even one fits.
    """
    from accelerate.utils import find_executable_batch_size

    size = batch

    def halve() -> int:
        nonlocal size
        size //= 2
        if size:
            log.warning("out of memory: going on with %d at once", size)
        return size

    def attempt(batch_size: int) -> None:
        run(batch_size)

    try:
        find_executable_batch_size(attempt, starting_batch_size=batch, reduce_batch_size_fn=halve)()
    except RuntimeError as error:
        if size:
            raise
        raise UserError(f"{what} does not fit into the memory of the device, even one at a time: {mend}") from error
    return size
