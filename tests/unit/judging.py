"""Types of judges for tests, as a contributor would write them."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from regrow import judges

BRIGHTNESS = '''
"""Mean grey level of an image."""
PER = "image"
NEEDS = ()
COLUMNS = {"brightness": "float64"}


class Judge:
    def __init__(self, protocol, device="cpu"):
        self.factor = protocol.require("factor", float)
        self.reset()

    def update(self, images, rows):
        from PIL import ImageStat

        self.values += [self.factor * sum(ImageStat.Stat(image).mean) / 3 for image in images]

    def merge(self, other):
        self.values += other.values

    def compute(self):
        return [{"brightness": value} for value in self.values]

    def reset(self):
        self.values = []
'''
SPREAD = '''
"""How many different images a set holds, by their mean colours."""
PER = "set"
NEEDS = ("prompt",)
COLUMNS = {"images": "int64", "colours": "int64", "prompts": "int64"}


class Judge:
    def __init__(self, protocol, device="cpu"):
        self.reset()

    def update(self, images, rows):
        from PIL import ImageStat

        self.seen += [tuple(ImageStat.Stat(image).mean) for image in images]
        self.prompts |= {row.prompt for row in rows}

    def merge(self, other):
        self.seen += other.seen
        self.prompts |= other.prompts

    def compute(self):
        return [{"images": len(self.seen), "colours": len(set(self.seen)), "prompts": len(self.prompts)}]

    def reset(self):
        self.seen, self.prompts = [], set()
'''


def add_type(monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> None:
    """Make a type of judges known for one test, without a file in the repository."""
    module = ModuleType(f"regrow.judge.{name}")
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    known, digest = judges.judge_types(), judges.code_digest
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(judges, "judge_types", lambda: sorted({*known, name}))
    own = module.__name__
    monkeypatch.setattr(
        judges, "code_digest", lambda *asked: f"{source} {digest(*asked[1:])}" if asked[0] == own else digest(*asked)
    )


def write_judge(folder: Path, **settings: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "judge.yaml").write_text(yaml.safe_dump(settings))
    return folder
