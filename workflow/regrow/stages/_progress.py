"""Progress over layers of different cost: a bar in a terminal, plain lines in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Lines:
    """Progress for a log file: one line per finished layer, with the expected time of the rest."""

    def __init__(self, costs: list[float], console: Console) -> None:
        self.total, self.count, self.console = sum(costs), len(costs), console
        self.spent, self.finished, self.start = 0.0, 0, time.perf_counter()

    def advance(self, name: str, cost: float, notes: list[str]) -> None:
        """Tell that a layer is finished, and what its trace has to say."""
        self.spent += cost
        self.finished += 1
        elapsed = time.perf_counter() - self.start
        rest = elapsed * (self.total - self.spent) / self.spent
        self.show(f"completed {self.finished}/{self.count}, {elapsed:.0f} s so far, about {rest:.0f} s to go", name)
        for note in filter(None, notes):
            self.console.print(f"{name}: {note}", soft_wrap=True, highlight=False, markup=False)

    def show(self, text: str, name: str) -> None:
        """Print the state."""
        self.console.print(f"{text}: {name}", soft_wrap=True, highlight=False, markup=False)


class Bar(Lines):
    """Progress for a terminal: the same numbers beside a bar that is redrawn; notes scroll by above it."""

    def __init__(self, costs: list[float], progress: Progress) -> None:
        super().__init__(costs, progress.console)
        self.progress = progress
        self.task = progress.add_task(f"completing {self.count} layers", total=self.total)

    def show(self, text: str, name: str) -> None:
        """Redraw the bar."""
        self.progress.update(self.task, completed=self.spent, description=text)


@contextmanager
def progress(costs: list[float]) -> Iterator[Lines]:
    """Show progress on the standard error: a bar in a terminal, lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(costs, console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield Bar(costs, bar)
