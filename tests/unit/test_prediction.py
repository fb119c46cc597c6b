"""What a UNet predicts, by hand and against diffusers' own schedulers, whatever the prediction type."""

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from regrow.errors import UserError
from regrow.model.prediction import KINDS, predicted_original, training_target

STABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
TIMES = torch.tensor([1, 500, 981])


def scheduler(kind: str, made: Any = DDIMScheduler, **settings: Any) -> Any:
    return made(**{**STABLE, "prediction_type": kind, **settings})


def drawn(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    latents, noise = torch.randn(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return latents.to(dtype), noise.to(dtype)


def by_hand(value: float, kind: str) -> Tensor:
    """Return the target where half of the variance is signal: x_0 = 2, noise = 3, both factors the root of a half."""
    half = DDIMScheduler(num_train_timesteps=1, trained_betas=[0.5], prediction_type=kind)
    assert half.alphas_cumprod.tolist() == [0.5]
    ones = torch.ones(1, 1, 1, 1)
    target = training_target(half, 2 * ones, 3 * ones, torch.tensor([0]))
    noisy = (2 + 3) * 0.5**0.5 * ones
    return torch.stack([target, predicted_original(half, value * ones, noisy, torch.tensor([0]))]).flatten()


def test_by_hand() -> None:
    """sqrt(1/2) (3 - 2) = .7071 is v; what each target stands for is x_0 = 2 again."""
    assert by_hand(3.0, "epsilon").tolist() == pytest.approx([3.0, 2.0])
    assert by_hand(0.5**0.5, "v_prediction").tolist() == pytest.approx([0.5**0.5, 2.0])
    assert by_hand(2.0, "sample").tolist() == pytest.approx([2.0, 2.0])


def test_v_is_diffusers_velocity() -> None:
    latents, noise = drawn()
    own = scheduler("v_prediction", DDPMScheduler)
    expected = own.get_velocity(latents, noise, TIMES)
    torch.testing.assert_close(training_target(own, latents, noise, TIMES), expected, rtol=0, atol=1e-6)
    assert training_target(scheduler("epsilon"), latents, noise, TIMES) is noise
    assert training_target(scheduler("sample"), latents, noise, TIMES) is latents


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made", [DDIMScheduler, DDPMScheduler])
def test_what_the_scheduler_believes_in_at_a_step(made: Any, kind: str) -> None:
    own = scheduler(kind, made)
    own.set_timesteps(1000)
    output, noisy = drawn(torch.float32)
    for time in TIMES.tolist():
        step = own.step(output, time, noisy, generator=torch.Generator().manual_seed(0))
        ours = predicted_original(own, output, noisy, torch.tensor(time))
        torch.testing.assert_close(ours, step.pred_original_sample, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_noisy_is_what_the_unet_is_given(kind: str) -> None:
    """A scheduler that adds noise to unscaled latents scales them before the UNet sees them."""
    settings = {key: value for key, value in STABLE.items() if key != "clip_sample"}
    own = EulerDiscreteScheduler(**settings, prediction_type=kind)
    own.set_timesteps(1000)
    output, latents = drawn(torch.float32)
    time = own.timesteps[400]
    noisy = own.scale_model_input(latents, time)
    expected = own.step(output, time, latents).pred_original_sample
    ours = predicted_original(own, output, noisy, time.long())
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_prediction_gives_the_latents_back(kind: str) -> None:
    latents, noise = drawn()
    own = scheduler(kind)
    noisy = own.add_noise(latents, noise, TIMES)
    output = training_target(own, latents, noise, TIMES)
    torch.testing.assert_close(predicted_original(own, output, noisy, TIMES), latents, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("kind", "slope"), [("epsilon", -1.0), ("v_prediction", -(0.5**0.5)), ("sample", 1.0)])
def test_gradients_pass(kind: str, slope: float) -> None:
    half = DDIMScheduler(num_train_timesteps=1, trained_betas=[0.5], prediction_type=kind)
    output, noisy = (torch.zeros(1, 1, 1, 1, requires_grad=True) for _ in range(2))
    predicted_original(half, output, noisy, torch.tensor([0])).sum().backward()
    assert output.grad is not None and output.grad.item() == pytest.approx(slope)
    assert (noisy.grad is None) == (kind == "sample")


def test_half_precision_keeps_its_type_and_the_first_timesteps() -> None:
    latents, noise = drawn(torch.float16)
    own = scheduler("v_prediction")
    target = training_target(own, latents, noise, torch.tensor([0, 0, 0]))
    spread = float(1 - own.alphas_cumprod[0]) ** 0.5  # .029, where 1 - a in float16 gives .031
    assert target.dtype == torch.float16
    torch.testing.assert_close(target.float(), noise.float() - spread * latents.float(), rtol=0, atol=4e-3)
    assert predicted_original(own, latents, noise, torch.tensor(0)).dtype == torch.float16


def test_a_scheduler_that_says_nothing_predicts_noise() -> None:
    own = DDIMScheduler.from_config({"num_train_timesteps": 1, "trained_betas": [0.5]})
    ones = torch.ones(1, 1, 1, 1)
    assert training_target(own, 2 * ones, ones, torch.tensor([0])).item() == 1


@pytest.mark.parametrize("other", [FlowMatchEulerDiscreteScheduler(), scheduler("flow")])
def test_another_kind_of_model_is_refused(other: Any) -> None:
    latents, noise = drawn()
    for asked in (training_target, predicted_original):
        with pytest.raises(UserError, match="is no scheduler of a Stable Diffusion: give one with alphas_cumprod"):
            asked(other, latents, noise, TIMES)
