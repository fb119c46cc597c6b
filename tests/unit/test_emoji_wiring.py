"""What the rules that made the emoji world are told: the world's own settings, and nothing of an audit's counts."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from regrow.errors import UserError
from regrow.plan.audit import Audit
from regrow.plan.training import TrainingWiring
from regrow.plan.wiring import Wiring

ROOT = Path(__file__).parents[2]
SWEEP, SURVEY = SimpleNamespace(trials="sweep"), SimpleNamespace(trials="survey")


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> TrainingWiring:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    return TrainingWiring(Wiring(Audit.current("demo")))


def test_the_survey_tries_what_the_sweep_does_not(training: TrainingWiring) -> None:
    swept, surveyed = training.concepts(SWEEP), training.concepts(SURVEY)
    assert len(swept) == 6 and len(surveyed) == 55
    assert not set(swept) & set(surveyed)
    files = training.packs(SWEEP)
    assert len(files) == 12 and all(path.is_file() for path in files)


def test_trials_have_settings_of_their_own(training: TrainingWiring) -> None:
    params = training.trial_params()
    assert (params["skip"](SWEEP), params["n"](SWEEP)) == (100, 16)  # the audit demo counts 48
    assert json.loads(params["values"](SWEEP)) == {"skill_ratio": [0.02, 0.05, 0.1, 0.15, 0.2], "calls": [10]}
    assert json.loads(params["values"](SURVEY)) == {}
    assert params["method"](SURVEY) == "conceptprune"
    assert "skill_ratio" in json.loads(params["options"](SURVEY))
    assert training.others() == Path("data/emoji/preserved.csv")


def test_a_schedule_is_that_of_its_model(training: TrainingWiring) -> None:
    style = json.loads(training.params("train_judge")["schedule"](SimpleNamespace(judge="style")))
    denoiser = json.loads(training.denoiser_params()["schedule"](SimpleNamespace(denoiser="base")))
    assert (style["steps"], denoiser["steps"]) == (700, 13000)
    assert "exclude" not in denoiser


def test_siblings_go_on_from_one_trunk_and_differ_in_what_they_see_alone(training: TrainingWiring) -> None:
    params = training.denoiser_params()
    reference, never_saw, trunk, base = (
        SimpleNamespace(world="emoji", denoiser=name) for name in ("reference", "never_saw", "trunk", "base")
    )
    for name in ("code", "schedule", "pictures", "start"):
        assert params[name](reference) == params[name](never_saw)
    four = {"airplane", "bell", "bicycle", "umbrella"}
    assert set(params["exclude"](never_saw)) - set(params["exclude"](reference)) == four
    assert params["exclude"](trunk) == params["exclude"](never_saw), "what the trunk saw, its siblings know"
    assert training.start(reference) == ["results/emoji/train_denoiser/trunk/unet/diffusion_pytorch_model.safetensors"]
    assert (training.start(trunk), params["start"](trunk)) == ([], "")
    assert training.autoencoder(reference) == "data/emoji/pipeline/vae/diffusion_pytorch_model.safetensors"
    assert training.text_encoder(base) == "results/emoji/train_text_encoder/text/text_encoder/model.safetensors"
    with pytest.raises(UserError, match="no denoiser 'trunks'.*trunk"):
        training.start(SimpleNamespace(world="emoji", denoiser="trunks"))


def test_a_world_that_was_not_trained_here(training: TrainingWiring) -> None:
    training.audit.world = training.audit.world.model_copy(update={"train_world": None})
    assert callable(training.trial_params()["n"])  # an audit of such a world is planned all the same
    with pytest.raises(UserError, match="its file has no section train_world"):
        training.trial_params()["n"](SWEEP)
