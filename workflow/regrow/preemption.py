"""End a long stage after the batch in hand when a scheduler asks for its machine back."""

import logging
import signal
from types import FrameType, TracebackType
from typing import Any

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)  # at preemption and time-out; ahead of it, where a site asks for that
EXIT = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, run it again


class EndAfterBatch:
    """Take note of `SIGNALS` inside a ``with`` block; `check`, called after each batch, then ends the process."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "EndAfterBatch":
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise SystemExit with code `EXIT` if a signal came."""
        if self._received is not None:
            name = signal.Signals(self._received).name
            log.warning("stopped by %s after a whole batch: run it again, it goes on from there", name)
            raise SystemExit(EXIT)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number
