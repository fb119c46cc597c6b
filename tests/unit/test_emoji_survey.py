"""The choice of audited concepts looks at erasing alone; the surveyor leaves the model as it was."""

from dataclasses import fields
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from regrow.concepts import Concept, Find
from regrow.emoji.measure import Share, background_of, load_classifier
from regrow.emoji.survey import Surveyor, Trial, choose, eligible
from regrow.erase._changes import run_eraser
from regrow.errors import UserError
from regrow.images.prompts import Prompt
from regrow.images.renderer import Sampler
from regrow.methods import parse_options
from regrow.work import Work
from tests.tiny.make_world import make_world
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.erasing import CONCEPTPRUNE

ROOT = Path(__file__).parents[2]
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
    judge = load_classifier(tmp_path / "judges/object", ["cat"], "cpu")
    surveyor = Surveyor(pipeline, judge, Sampler("DDIMScheduler", 2, 3.0))
    find = Find(base=["a road"], target=["a cat on a road"])
    concept = Concept(name="cat", kind="object", label="cat", find=find)
    rows = [Prompt(i, "a cat", i, "cat") for i in range(3)]
    options = parse_options("erase_concept", "conceptprune", {**CONCEPTPRUNE, "skill_ratio": 0.5, "steps": 2})
    eraser = partial(run_eraser, method="conceptprune", options=options, work=Work(tmp_path / "work", "cpu"))
    first = surveyor.try_concept(concept, rows, rows, eraser)
    assert all(torch.equal(weight, before[name]) for name, weight in pipeline.unet.state_dict().items())
    assert surveyor.try_concept(concept, rows, rows, eraser) == first
    assert 0 < first.density < 1


def test_only_a_classifier_that_knows_the_labels_measures(tmp_path: Path) -> None:
    make_world(tmp_path)
    with pytest.raises(UserError, match="has no label 'cut': did you mean 'cat'"):
        load_classifier(tmp_path / "judges/object", ["cat", "cut"], "cpu")
    with pytest.raises(UserError, match="a judge of type clip_similarity: give a classifier"):
        load_classifier(tmp_path / "judges/clip", [], "cpu")


def test_background_and_share_by_hand() -> None:
    image = Image.new("RGB", (32, 32), (240, 245, 250))
    image.paste((214, 48, 49), (4, 4, 28, 28))
    assert background_of(image) == "white"
    assert Share(3, 4).value == 0.75


def test_the_audited_concepts_are_those_that_the_rule_chooses_from_all_candidates() -> None:
    names = [field.name for field in fields(Trial)]
    trials = [Trial(**row) for row in pd.read_csv(ROOT / "data/emoji/survey.csv")[names].to_dict("records")]
    swept = set(pd.read_csv(ROOT / "data/emoji/sweep.csv")["concept"])
    training = yaml.safe_load((ROOT / "config/worlds/emoji.yaml").read_text())["train_world"]
    assert swept == set(training["sweep"]["concepts"])
    packs = {path.parent.name for path in (ROOT / "data/emoji/concepts").glob("*/concept.yaml")}
    assert packs >= {trial.concept for trial in trials} | swept
    assert not {trial.concept for trial in trials} & swept
    audits = [yaml.safe_load(path.read_text()) for path in (ROOT / "config/audits").glob("*.yaml")]
    audited = {audit["title"]: audit["concepts"] for audit in audits if audit["world"] == "emoji"}
    assert audited["Does an erased concept grow back?"] == list(choose(trials, 12, **RULE))
    # A setting is never chosen on what is judged (design rule 13).
    assert all(not swept & set(concepts) for concepts in audited.values())
