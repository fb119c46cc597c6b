"""The choice of audited concepts looks at erasing alone; the surveyor leaves the model as it was."""

from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from regrow.concepts import Concept, Find
from regrow.generate import Sampler
from regrow.judge.classifier import load_classifier
from regrow.prompts import Prompt
from regrow.world.measure import Share, background_of
from regrow.world.survey import Surveyor, Trial, choose, eligible
from tests.tiny.make_world import make_world
from tests.tiny.pipeline import tiny_pipeline

RULE = {"floor": 0.8, "left": 0.25, "loss": 0.15}


def trial(concept: str, pretrained: float = 1.0, erased: float = 0.0, preserved: float = 0.9) -> Trial:
    return Trial(concept, 50, pretrained, erased, 1.0, preserved, 0.02)


@pytest.mark.parametrize(
    ("case", "fit"),
    [
        (trial("a"), True),
        (trial("a", pretrained=0.8, erased=0.2), True),
        (trial("a", pretrained=0.79), False),
        (trial("a", erased=0.26), False),
        (trial("a", preserved=0.84), False),
    ],
)
def test_eligible(case: Trial, fit: bool) -> None:
    assert eligible(case, **RULE) is fit


def test_choose_orders_by_erasing_then_name() -> None:
    trials = [trial("d", erased=0.3), trial("c", erased=0.1), trial("b"), trial("a", preserved=0.95), trial("e")]
    assert list(choose(trials, 3, **RULE)) == ["a", "b", "e"]
    assert list(choose(trials, 9, **RULE)) == ["a", "b", "e", "c"]


def test_a_trial_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    make_world(tmp_path)
    pipeline = tiny_pipeline()
    before = {name: weight.clone() for name, weight in pipeline.unet.state_dict().items()}
    surveyor = Surveyor(pipeline, load_classifier(tmp_path / "judges/object"), Sampler("DDIMScheduler", 2, 3.0))
    concept = Concept(name="cat", kind="object", label="cat", find=Find(base=["a road"], target=["a cat on a road"]))
    rows = [Prompt(i, "a cat", i, "cat") for i in range(3)]
    options = {"skill_ratio": 0.5, "calls": 2, "steps": 2, "guidance": 7.5, "seed": 0, "batch": 12}
    first = surveyor.try_concept(concept, rows, rows, "conceptprune", options)
    assert all(torch.equal(weight, before[name]) for name, weight in pipeline.unet.state_dict().items())
    assert surveyor.try_concept(concept, rows, rows, "conceptprune", options) == first
    assert 0 < first.density < 1


def test_background_and_share_by_hand() -> None:
    image = Image.new("RGB", (32, 32), (240, 245, 250))
    image.paste((214, 48, 49), (4, 4, 28, 28))
    assert background_of(image) == "white"
    assert Share(3, 4).value == 0.75


def test_the_audited_concepts_are_those_that_the_rule_chooses_from_all_candidates() -> None:
    root = Path(__file__).parents[2]
    names = [field.name for field in fields(Trial)]
    trials = [Trial(**row) for row in pd.read_csv(root / "data/emoji/survey.csv")[names].to_dict("records")]
    swept = set(pd.read_csv(root / "data/emoji/sweep.csv")["concept"])
    params = yaml.safe_load((root / "params.yaml").read_text())
    assert swept == set(params["train_world"]["sweep"]["concepts"])
    packs = {path.parent.name for path in (root / "data/emoji/concepts").glob("*/concept.yaml")}
    assert packs >= {trial.concept for trial in trials} | swept
    assert not {trial.concept for trial in trials} & swept
    assert params["concepts"][:12] == list(choose(trials, 12, **RULE)), "concepts of your own come behind these"
