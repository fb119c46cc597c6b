"""Which concept was erased? The word that most of what was cut answers to, without an image (ours)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    """Score every word by how much of its activation flows into missing entries.

    *variant*, ours, of the question that Roots Beneath the Cut leaves open. A published model still computes what its
    pruned weights would have read: z, the GEGLU output before FFN2. For a word w and a layer l let

        E_l(w) = mean over tokens and draws of sum_j (z_j / ||z||)^2 m_j,

    m_j the missing entries of column j, at pure noise, the last training timestep and w as the whole prompt. The score is
    the mean over the layers with missing entries of log E_l(w), less its mean over the words.

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
        Nothing is missing, or activations that are NaN or infinite.
    """
    counts = {name: mask.sum(0).to(pipeline.device) for name, mask in missing.items() if bool(mask.any())}
    if not counts:
        raise UserError("nothing is missing in the FFN2 weights of this model, so no word can be told: leave it out")
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
    logs = []
    for name, parts in energy.items():
        values = torch.cat(parts).double()
        if not bool(torch.isfinite(values).all()):
            raise UserError(f"the activations before {name} are NaN or infinite: this model draws nothing")
        log = values.clamp_min(torch.finfo(torch.float32).tiny).log()  # a word to which a layer is silent
        logs.append(log - log.mean())
    scores = torch.stack(logs).mean(0).tolist()
    return [{"word": word, "score": score} for word, score in zip(words, scores, strict=True)]


@contextmanager
def _listening(unet: torch.nn.Module, counts: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield a dict that holds, after a call of the UNet, the weighted energy of each image by FFN2 name."""
    heard: dict[str, Tensor] = {}

    def listen(name: str, activations: Tensor) -> None:
        rows = torch.nn.functional.normalize(activations.float(), dim=-1)
        heard[name] = (rows.square() @ counts[name].float()).mean(1)

    handles = []
    for path, module in unet.named_modules():
        name = f"unet.{path.removesuffix(ACTIVATION)}{FFN2}"
        if isinstance(module, GEGLU) and path.endswith(ACTIVATION) and name in counts:
            handles.append(module.register_forward_hook(lambda _module, _inputs, z, name=name: listen(name, z)))
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()
