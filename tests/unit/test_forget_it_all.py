"""Forget-It-All against an independent slow version, by hand, and what one concept alone comes to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from regrow.concepts import Concept, Find
from regrow.erase._together import WorkTogether
from regrow.erase.forget_it_all import Options, forget_it_all, most_sensitive, sensitivity
from regrow.errors import UserError
from regrow.model.names import FFN2, is_ffn2
from tests.tiny.pipeline import tiny_pipeline

OPTIONS: dict[str, Any] = {
    "together": ["church", "rocket", "cat"],
    "persistent": 0.05,
    "share": 0.05,
    "agnostic": 0.6,
    "calls": 2,
    "steps": 3,
    "guidance": 7.5,
    "seed": 1244,
    "precision": "float32",
    "release": "filled",
    "tuned_on": [],
}
BASE = ["a photo of a road", "a picture of the garden", "a beach"]


def pack(word: str) -> Concept:
    find = Find(base=BASE, target=[f"a {word} on the road", f"a {word} in the garden", f"a {word} on a beach"])
    return Concept(name=word, kind="object", label=word, find=find)


CHURCH, *OTHERS = (pack(word) for word in ("church", "rocket", "cat"))
WORK = WorkTogether(Path("unused"), "cpu", tuple(OTHERS))


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline(0)


@pytest.fixture(scope="module")
def masks(pipeline: StableDiffusionPipeline) -> dict[str, torch.Tensor]:
    return forget_it_all(pipeline, CHURCH, Options(**OPTIONS), WORK)


def slow_norms(pipeline: StableDiffusionPipeline, prompts: list[str]) -> dict[str, np.ndarray]:
    """Return by FFN2 name the column norms, (prompts, calls, 4d), from every activation of every step."""
    found: dict[str, list[list[np.ndarray]]] = {}
    for prompt in prompts:
        seen: dict[str, list[np.ndarray]] = {}
        handles = [
            part.register_forward_hook(
                lambda _m, _i, out, p=path, seen=seen: seen.setdefault(p, []).append(out.double().numpy())
            )
            for path, part in pipeline.unet.named_modules()
            if path.endswith(".ff.net.0")
        ]
        generator = torch.Generator("cpu").manual_seed(1244)
        pipeline(prompt, num_inference_steps=3, guidance_scale=7.5, generator=generator, output_type="latent")
        for handle in handles:
            handle.remove()
        for path, calls in seen.items():
            rows = [call.reshape(-1, call.shape[-1]) for call in calls]
            norms = [np.sqrt(((z / np.linalg.norm(z, axis=1, keepdims=True)) ** 2).sum(0)) for z in rows]
            found.setdefault("unet." + path.replace(".ff.net.0", FFN2), []).append(norms)
    return {name: np.array(each) for name, each in found.items()}


def slow_masks(pipeline: StableDiffusionPipeline, packs: list[Concept], share: float) -> dict[str, np.ndarray]:
    """Follow the formulas entry by entry in float64."""
    taken: dict[str, np.ndarray] = {}
    for one in packs:
        base, target = slow_norms(pipeline, one.base), slow_norms(pipeline, one.target)
        for name in base:
            weight = np.abs(pipeline.unet.get_parameter(name.removeprefix("unet.")).detach().double().numpy())
            mean, often = np.zeros(weight.shape), np.zeros(weight.shape)
            for call in range(2):
                rise = target[name][:, call].mean(0) - base[name][:, call].mean(0) - base[name][:, call].std(0)
                salient = weight * np.maximum(rise, 0)
                least = sorted(salient.ravel())[-int(0.05 * salient.size)]
                mean += salient / 2
                often += (salient > least) / 2
            score = mean / mean.max() / 2 + often / 2
            row_least = np.sort(score, axis=1)[:, [-max(1, int(share * score.shape[1]))]]
            layer_least = sorted(score.ravel())[-max(1, int(share * score.size))]
            q = (score >= row_least) & (score >= layer_least) & (score > 0)
            taken[name] = taken.get(name, 0) + q.astype(int)
    return {name: (count > 0) & (count < 2) for name, count in taken.items()}  # ceil(0.6 * 3) = 2


def test_equals_the_slow_version(pipeline: StableDiffusionPipeline, masks: dict[str, torch.Tensor]) -> None:
    slow = slow_masks(pipeline, [CHURCH, *OTHERS], 0.05)
    assert (
        sorted(masks) == sorted(slow) == sorted(f"unet.{n}" for n, _ in pipeline.unet.named_parameters() if is_ffn2(n))
    )
    assert sum(mask.sum() for mask in slow.values()) > 100
    assert sum(int((masks[name].numpy() ^ slow[name]).sum()) for name in slow) <= 3  # of float32 rounding


def test_the_same_model_whichever_concept_is_asked_about(
    pipeline: StableDiffusionPipeline, masks: dict[str, torch.Tensor]
) -> None:
    work = WorkTogether(Path("unused"), "cpu", (CHURCH, OTHERS[1]))
    again = forget_it_all(pipeline, OTHERS[0], Options(**OPTIONS), work)
    assert all(torch.equal(again[name], mask) for name, mask in masks.items())


def test_what_all_concepts_take_is_spared(pipeline: StableDiffusionPipeline) -> None:
    work = WorkTogether(Path("unused"), "cpu", (CHURCH, CHURCH))
    found = forget_it_all(pipeline, CHURCH, Options(**OPTIONS), work)
    assert not any(mask.any() for mask in found.values())


@pytest.mark.parametrize(("others", "agnostic"), [((), 1.0), (tuple(OTHERS[:1]), 0.5)])
def test_so_few_concepts_prune_nothing(
    pipeline: StableDiffusionPipeline, others: tuple[Concept, ...], agnostic: float
) -> None:
    """ceil(alpha C) = 1, so what one concept takes counts as shared: the released code's run for one concept."""
    work = WorkTogether(Path("unused"), "cpu", others)
    with pytest.raises(UserError, match="so it prunes nothing: name more concepts in together, or raise agnostic"):
        forget_it_all(pipeline, CHURCH, Options(**{**OPTIONS, "agnostic": agnostic}), work)


def test_sensitivity_by_hand() -> None:
    calls = [torch.tensor([[4.0, 2.0], [0.0, 1.0]]), torch.tensor([[2.0, 6.0], [0.0, 0.0]])]
    # r1 = .5: the second largest is 2 in both, with one above it. Means 3 4 0 .5, over 4; persistence .5 .5 0 0.
    expected = torch.tensor([[0.375 + 0.25, 0.5 + 0.25], [0.0, 0.0625]])
    assert torch.allclose(sensitivity(calls, 0.5), expected)


def test_most_sensitive_by_hand() -> None:
    score = torch.tensor([[5.0, 4.0, 3.0, 0.0], [1.0, 0.0, 2.0, 0.0]])
    # half of each row: 5 4 and 2 1; half of the layer: 5 4 3 2; both: 5 4 2.
    assert most_sensitive(score, 0.5).int().tolist() == [[1, 1, 0, 0], [0, 0, 1, 0]]
    # all of it, but nothing without saliency
    assert most_sensitive(score, 1.0).int().tolist() == [[1, 1, 1, 0], [1, 0, 1, 0]]


def test_a_concept_that_stands_twice() -> None:
    with pytest.raises(ValueError, match="a concept stands twice"):
        Options(**{**OPTIONS, "together": ["church", "church"]})
    with pytest.raises(ValueError, match="too few UNet calls"):
        Options(**{**OPTIONS, "calls": 4})
