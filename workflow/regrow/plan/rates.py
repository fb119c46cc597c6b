"""What work costs on a machine that nothing ran on yet: config/rates.yaml."""

from pathlib import Path

from pydantic import Field

from regrow.config.errors import validate
from regrow.config.reader import read_yaml
from regrow.config.schema import Section
from regrow.methods import Count, Positive
from regrow.places import ROOT, shown

FILE = Path("config/rates.yaml")
Device = str  # cpu or cuda
OTHER = "other"  # of a stage or a judge that has no rate of its own


class ImageRate(Section):
    """What an image costs."""

    steps: Count = Field(description="Sampling steps of the images that were timed; the time is proportional to them")
    seconds: dict[Device, dict[str, Positive]] = Field(description="Per image, by device and dtype")
    kilobytes: Positive = Field(description="Size of a PNG")


class WorldRates(Section):
    """What the jobs of a world cost."""

    image: ImageRate = Field(description="An image")
    judge_seconds: dict[str, dict[Device, Positive]] = Field(description="Per image, by judge and device")
    job_seconds: dict[str, dict[Device, Positive]] = Field(
        description="Per job, by stage, or by stage and method as in erase_concept.conceptprune; images beside them"
    )
    job_megabytes: dict[str, Positive] = Field(description="What a job writes, by stage")

    def judging(self, judge: str, device: Device) -> float | None:
        """Return the seconds that a judge takes for an image, or None where nobody wrote them down."""
        return self.judge_seconds.get(judge, self.judge_seconds.get(OTHER, {})).get(device)


class Rates(Section):
    """All of config/rates.yaml."""

    worlds: dict[str, WorldRates]


def read_rates(world: str) -> WorldRates | None:
    """Return the rates of a world, or None where nobody wrote them down.

    Raises
    ------
    UserError
        A file that says something else.
    """
    path = FILE if FILE.is_file() else ROOT / FILE
    if not path.is_file():
        return None
    return validate(Rates, read_yaml(path), shown(path)).worlds.get(world)
