"""What a UNet predicts: the target of its loss, and the image it believes in, by its scheduler's `prediction_type`.

Stable Diffusion 1.x and 2.1-base predict the noise, 2.1 at 768 pixels predicts v.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from regrow.errors import UserError

KINDS = ("epsilon", "v_prediction", "sample")


def training_target(scheduler: Any, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """Return what a UNet is to predict of noised latents.

    With a = alphas_cumprod[t] and x_t = sqrt(a) x_0 + sqrt(1 - a) noise (methods.md 1.2): noise for ``epsilon``,
    v = sqrt(a) noise - sqrt(1 - a) x_0 for ``v_prediction`` (Salimans and Ho 2022), x_0 for ``sample``.

    Parameters
    ----------
    scheduler : SchedulerMixin
        Of the model; only its noise schedule and its `prediction_type` are read.
    latents : Tensor
        x_0, [batch, ...], floating, scaled as the UNet sees them.
    noise : Tensor
        Standard normal, of the same shape.
    timesteps : Tensor
        int64, [batch] or [].

    Returns
    -------
    Tensor
        Shape and type of `latents`; differentiable in `latents` and `noise`.

    Raises
    ------
    UserError
        A scheduler that predicts something else or has no such noise schedule.
    """
    kind, signal, spread = _levels(scheduler, latents, timesteps)
    if kind == "epsilon":
        return noise
    return signal * noise - spread * latents if kind == "v_prediction" else latents


def predicted_original(scheduler: Any, output: Tensor, noisy: Tensor, timesteps: Tensor) -> Tensor:
    """Return the latents x_0 that a UNet's output stands for.

    With a = alphas_cumprod[t]: (x_t - sqrt(1 - a) output) / sqrt(a) for ``epsilon``,
    sqrt(a) x_t - sqrt(1 - a) output for ``v_prediction``, the output itself for ``sample`` (methods.md 1.2). Nothing is
    clipped.

    Parameters
    ----------
    scheduler : SchedulerMixin
        See `training_target`.
    output : Tensor
        What the UNet returned, [batch, ...], floating.
    noisy : Tensor
        x_t as the UNet was given it, of the same shape: after the scheduler's `scale_model_input`.
    timesteps : Tensor
        int64, [batch] or [].

    Returns
    -------
    Tensor
        Shape and type of `noisy`; differentiable in `output` and `noisy`.

    Raises
    ------
    UserError
        See `training_target`.
    """
    kind, signal, spread = _levels(scheduler, noisy, timesteps)
    if kind == "epsilon":
        return (noisy - spread * output) / signal
    return signal * noisy - spread * output if kind == "v_prediction" else output


def _levels(scheduler: Any, like: Tensor, timesteps: Tensor) -> tuple[str, Tensor, Tensor]:
    """Return the prediction type, and sqrt(a) and sqrt(1 - a) in a shape that multiplies `like`."""
    kind = scheduler.config.get("prediction_type", "epsilon")  # as old files leave it out
    alphas = getattr(scheduler, "alphas_cumprod", None)
    if kind not in KINDS or alphas is None:
        raise UserError(
            f"{type(scheduler).__name__} with prediction_type '{kind}' is no scheduler of a Stable Diffusion: give one "
            f"with alphas_cumprod and one of {', '.join(KINDS)}"
        )
    # In float32 whatever the latents are: in float16 1 - a would lose the digits of the first timesteps.
    alpha = alphas.to(like.device)[timesteps].reshape(-1, *[1] * (like.dim() - 1))
    return kind, alpha.sqrt().to(like.dtype), (1 - alpha).sqrt().to(like.dtype)
