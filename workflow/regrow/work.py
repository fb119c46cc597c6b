"""What a method that trains or searches gets beside the model: where to keep its scratch files and where to compute."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Work:
    """Where a method works.

    Attributes
    ----------
    folder : Path
        Scratch files that are kept between runs, so that a killed training goes on where it was; the method makes it.
    device : str
        For example ``cpu`` or ``cuda``. It changes no result, so it is no option; a seed is one.
    """

    folder: Path
    device: str
