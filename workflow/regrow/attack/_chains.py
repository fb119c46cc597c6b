"""Chains of denoising that go on one step at a time, so that every step on the way to an image can have a gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor
from torch.func import functional_call

from regrow.model.prediction import predicted_original

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

UNET = "unet."


class Drawer:
    """Draws with a pipeline whose UNet gets other weights at every call, by DDIM with classifier-free guidance.

    x_{k+1} = sqrt(a') x0 + sqrt(1 - a') e, where x0 is what the UNet believes in at step k, e the noise that goes with
    it, a and a' the noise schedule's at this step and the next, 1 at the last: eta 0, steps evenly spaced.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        No weight of it gets a gradient any more.
    steps : int
        From noise to image.
    guidance : float
        Scale of classifier-free guidance; the half without a prompt has no gradient.
    """

    def __init__(self, pipeline: StableDiffusionPipeline, steps: int, guidance: float) -> None:
        for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
            part.requires_grad_(False)
        self.pipeline, self.guidance = pipeline, guidance
        self.device = pipeline.unet.device
        self._alphas = pipeline.scheduler.alphas_cumprod.to(self.device)
        count = len(self._alphas)
        self.timesteps = torch.tensor([(steps - k) * count // steps - 1 for k in range(steps)], device=self.device)
        self._texts: dict[str, Tensor] = {}

    @property
    def steps(self) -> int:
        """From noise to image."""
        return len(self.timesteps)

    def noise(self, count: int, generator: Generator) -> Tensor:
        """Return standard normal latents, float32, drawn on the CPU."""
        config = self.pipeline.unet.config
        shape = (count, config.in_channels, config.sample_size, config.sample_size)
        return torch.randn(shape, generator=generator).to(self.device)

    def original(self, weights: Mapping[str, Tensor], latents: Tensor, steps: Tensor, prompts: Sequence[str]) -> Tensor:
        """Return the latents x0 in which the UNet believes.

        Parameters
        ----------
        weights : mapping
            Those of the UNet that take the place of its own, by their names in the pipeline.
        latents : Tensor
            x_k, (n, channels, height, width).
        steps : Tensor
            int64, (n,): k, from 0.
        prompts : sequence of str
            n prompts.

        Returns
        -------
        Tensor
            Like `latents`, differentiable in `weights`.
        """
        own = {name.removeprefix(UNET): weight for name, weight in weights.items()}
        times, texts = self.timesteps[steps], self._encoded(prompts)
        told = functional_call(self.pipeline.unet, own, (latents, times), {"encoder_hidden_states": texts}).sample
        with torch.no_grad():
            nothing = {"encoder_hidden_states": self._encoded([""]).expand_as(texts)}
            untold = functional_call(self.pipeline.unet, own, (latents, times), nothing).sample
        output = untold + self.guidance * (told - untold)
        return predicted_original(self.pipeline.scheduler, output, latents, times)

    def advanced(self, latents: Tensor, original: Tensor, steps: Tensor) -> Tensor:
        """Return x_{k+1}, which is x0 after the last step; no gradient."""
        with torch.no_grad():
            last = steps + 1 == self.steps
            here = self._alphas[self.timesteps[steps]].view(-1, 1, 1, 1)
            there = torch.where(last, 1.0, self._alphas[self.timesteps[(steps + 1).clamp_max(self.steps - 1)]])
            noise = (latents - here.sqrt() * original) / (1 - here).sqrt()
            return there.view(-1, 1, 1, 1).sqrt() * original + (1 - there.view(-1, 1, 1, 1)).sqrt() * noise

    def images(self, original: Tensor) -> Tensor:
        """Return decoded latents, (n, 3, h, w) in [0, 1]."""
        decoded = self.pipeline.vae.decode(original / self.pipeline.vae.config.scaling_factor).sample
        return decoded.div(2).add(0.5).clamp(0, 1)

    def _encoded(self, prompts: Sequence[str]) -> Tensor:
        for prompt in dict.fromkeys(prompts):
            if prompt not in self._texts:
                with torch.no_grad():
                    self._texts[prompt] = self.pipeline.encode_prompt(prompt, self.device, 1, False)[0][0]
        return torch.stack([self._texts[prompt] for prompt in prompts])


class Chains:
    """Latents of several prompts, each at a step of its own; one that reaches its image begins again with new noise.

    Parameters
    ----------
    drawer : Drawer
        How steps are made.
    prompts : sequence of sequences of str
        Per chain those that it is asked for, one after another at random.
    generator : Generator
        On the CPU; of all noise and of that choice.
    """

    def __init__(self, drawer: Drawer, prompts: Sequence[Sequence[str]], generator: Generator) -> None:
        self.drawer, self._choices, self._generator = drawer, prompts, generator
        self.prompts = [self._choose(chain) for chain in range(len(prompts))]
        self.latents = drawer.noise(len(self.prompts), generator)
        self.steps = torch.zeros(len(self.prompts), dtype=torch.long, device=drawer.device)

    def spread(self, weights: Mapping[str, Tensor]) -> None:
        """Let chain i go on i steps (modulo their number), so that every noise level is seen at once."""
        goal = torch.arange(len(self.prompts), device=self.drawer.device) % self.drawer.steps
        with torch.no_grad():
            for step in range(self.drawer.steps - 1):
                behind = (goal > step).nonzero().flatten()
                if not len(behind):
                    break
                prompts = [self.prompts[i] for i in behind.tolist()]
                latents, steps = self.latents[behind], self.steps[behind]
                original = self.drawer.original(weights, latents, steps, prompts)
                self.latents[behind] = self.drawer.advanced(latents, original, steps)
                self.steps[behind] += 1

    def go_on(self, original: Tensor) -> None:
        """Take the step whose `original` is known."""
        self.latents = self.drawer.advanced(self.latents, original.detach(), self.steps)
        self.steps += 1
        done = (self.steps == self.drawer.steps).nonzero().flatten()
        self.latents[done] = self.drawer.noise(len(done), self._generator)
        self.steps[done] = 0
        for chain in done.tolist():
            self.prompts[chain] = self._choose(chain)

    def _choose(self, chain: int) -> str:
        choices = self._choices[chain]
        return choices[int(torch.randint(len(choices), (1,), generator=self._generator))]
