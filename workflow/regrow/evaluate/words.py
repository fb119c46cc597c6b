"""Which concept was erased? The word to which what was cut answers more than other neurons do; no image (ours)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch
from diffusers.models.activations import GEGLU
from torch import Tensor

from regrow.errors import UserError
from regrow.model.names import FFN2

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

COLUMNS = {"word": pa.string(), "score": pa.float64()}
ACTIVATION = ".ff.net.0"


def word_scores(
    pipeline: StableDiffusionPipeline,
    missing: Mapping[str, Tensor],
    words: Sequence[str],
    draws: int,
    seed: int,
    batch: int,
) -> list[dict[str, Any]]:
    """Score every word by whether what it excites more than other words do is what was cut.

    *variant*, ours, of the question that Roots Beneath the Cut leaves open. A published model still computes what its
    pruned weights would have read: z, the GEGLU output before FFN2. For a word w as the whole prompt, at pure noise and
    the last training timestep, let e_wj be the mean over tokens and draws of (z_j / ||z||)^2, and L_wj its logarithm
    less the mean over all words. In a layer the score is the correlation over the columns j of L_wj with m_j, the
    missing entries of the column; of a model it is the mean over the layers.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        The published model.
    missing : mapping of Tensor
        bool, (d, 4d), by FFN2 name: what is taken for pruned.
    words : sequence of str
        The vocabulary.
    draws : int
        Noise images per word, the same for all: words x draws calls of the UNet.
    seed : int
        Of the noise.
    batch : int
        Words at once; changes time and memory, and last digits.

    Returns
    -------
    list of dict
        `word` and `score`, in the order of the words.

    Raises
    ------
    UserError
        Nothing is missing, or as much in every column; or activations that are NaN or infinite.
    """
    counts = {name: mask.sum(0).double().cpu() for name, mask in missing.items()}
    counts = {name: count for name, count in counts.items() if bool((count != count[0]).any())}
    if not counts:
        raise UserError(
            "nothing is missing in the FFN2 weights of this model, or as much in every column, so no word can be told: "
            "leave it out"
        )
    unet, config = pipeline.unet, pipeline.unet.config
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(draws, config.in_channels, config.sample_size, config.sample_size, generator=generator)
    noise = noise.to(pipeline.device, unet.dtype)
    last = pipeline.scheduler.config.num_train_timesteps - 1
    energy: dict[str, list[Tensor]] = {name: [] for name in counts}
    with torch.no_grad(), _listening(unet, counts) as heard:
        for first in range(0, len(words), batch):
            texts = pipeline.encode_prompt(list(words[first : first + batch]), pipeline.device, 1, False)[0]
            sums: dict[str, Tensor] = {}
            for image in noise:
                unet(image.expand(len(texts), -1, -1, -1), last, texts)
                for name, value in heard.items():
                    sums[name] = sums.get(name, 0) + value / draws
            for name, value in sums.items():
                energy[name].append(value.cpu())
    scores = torch.stack([_correlations(name, torch.cat(energy[name]), count) for name, count in counts.items()])
    return [{"word": word, "score": score} for word, score in zip(words, scores.mean(0).tolist(), strict=True)]


def _correlations(name: str, energy: Tensor, count: Tensor) -> Tensor:
    """Return the correlation of every word's row of (words, columns) with the missing entries of the columns."""
    if not bool(torch.isfinite(energy).all()):
        raise UserError(f"the activations before {name} are NaN or infinite: this model draws nothing")
    logs = energy.double().clamp_min(torch.finfo(torch.float32).tiny).log()  # of a neuron that no word excites
    logs = logs - logs.mean(0)
    logs, count = logs - logs.mean(1, keepdim=True), count - count.mean()
    # A word that excites all columns as other words do is told from none of them, and has 0.
    size = (logs.square().sum(1) * count.square().sum()).sqrt().clamp_min(torch.finfo(torch.float64).tiny)
    return (logs @ count) / size


@contextmanager
def _listening(unet: torch.nn.Module, names: Collection[str]) -> Iterator[dict[str, Tensor]]:
    """Yield a dict that holds, after a call of the UNet, the energy of every column, (images, 4d), by FFN2 name."""
    heard: dict[str, Tensor] = {}

    def listen(name: str, activations: Tensor) -> None:
        rows = torch.nn.functional.normalize(activations.float(), dim=-1)
        heard[name] = rows.square().mean(1)

    handles = []
    for path, module in unet.named_modules():
        name = f"unet.{path.removesuffix(ACTIVATION)}{FFN2}"
        if isinstance(module, GEGLU) and path.endswith(ACTIVATION) and name in names:
            handles.append(module.register_forward_hook(lambda _module, _inputs, z, name=name: listen(name, z)))
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()
