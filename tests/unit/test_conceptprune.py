"""ConceptPrune against an independent slow version and the invariants of methods.md 2.1."""

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import PNDMScheduler, StableDiffusionPipeline
from diffusers.models.activations import GEGLU
from torch import nn

from regrow.concepts import Concept, Find
from regrow.erase import _skill as module
from regrow.erase import conceptprune as method
from regrow.erase._changes import run_eraser
from regrow.erase.conceptprune import Options
from regrow.errors import UserError
from regrow.methods import parse_options
from regrow.model.names import FFN2, is_ffn2
from regrow.work import Work
from tests.tiny.pipeline import tiny_pipeline

BASE = ["a photo of a road", "a picture of the garden"]
TARGET = ["a photo of a church on the road", "a church in the garden"]
Norms = dict[str, list[np.ndarray]]  # by FFN2 name, one array (4d,) per UNet call
OPTIONS: dict[str, Any] = {
    "skill_ratio": 0.1,
    "calls": 3,
    "steps": 4,
    "guidance": 7.5,
    "seed": 0,
    "batch": 1,
    "precision": "float32",
    "release": "filled",
}
WORK = Work(Path("unused"), "cpu")


def concept(base: list[str], target: list[str]) -> Concept:
    return Concept(name="church", kind="object", label="church", find=Find(base=base, target=target))


def conceptprune(
    pipeline: StableDiffusionPipeline, base: list[str], target: list[str], **options: Any
) -> dict[str, torch.Tensor]:
    return method.conceptprune(pipeline, concept(base, target), Options(**options), WORK)


def ffn2_names(pipeline: StableDiffusionPipeline) -> list[str]:
    return sorted(f"unet.{name}" for name, _ in pipeline.unet.named_parameters() if is_ffn2(name))


def weight_of(pipeline: StableDiffusionPipeline, name: str) -> torch.Tensor:
    return pipeline.unet.get_parameter(name.removeprefix("unet.")).detach()


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline(0)


@pytest.fixture(scope="module")
def masks(pipeline: StableDiffusionPipeline) -> dict[str, torch.Tensor]:
    return conceptprune(pipeline, BASE, TARGET, **OPTIONS)


@pytest.fixture(scope="module")
def norms(pipeline: StableDiffusionPipeline) -> tuple[Norms, Norms]:
    return slow_norms(pipeline, BASE, 4, 0), slow_norms(pipeline, TARGET, 4, 0)


def slow_norms(pipeline: StableDiffusionPipeline, prompts: list[str], steps: int, seed: int) -> Norms:
    """Sample every step, keep every activation, and add up the definition row by row in float64."""
    norms: Norms = {}
    for prompt in prompts:
        seen: dict[str, list[np.ndarray]] = {}
        handles = [
            part.register_forward_hook(
                lambda _m, _i, out, p=path, seen=seen: seen.setdefault(p, []).append(out.double().numpy())
            )
            for path, part in pipeline.unet.named_modules()
            if path.endswith(".ff.net.0")
        ]
        generator = torch.Generator("cpu").manual_seed(seed)
        pipeline(prompt, num_inference_steps=steps, guidance_scale=7.5, generator=generator, output_type="latent")
        for handle in handles:
            handle.remove()
        for path, calls in seen.items():
            name = "unet." + path.replace(".ff.net.0", FFN2)
            totals = norms.setdefault(name, [np.zeros(calls[0].shape[-1]) for _ in calls])
            for t, activation in enumerate(calls):
                assert activation.shape[0] == 2  # both halves of classifier-free guidance
                for half in activation:
                    for row in half:
                        totals[t] = np.sqrt(totals[t] ** 2 + (row / max(np.linalg.norm(row), 1e-12)) ** 2)
    return norms


def slow_masks(
    pipeline: StableDiffusionPipeline, base: Norms, target: Norms, ratio: float, calls: int
) -> dict[str, np.ndarray]:
    masks = {}
    for name in base:
        weight = np.abs(weight_of(pipeline, name).double().numpy())
        counts = np.zeros(weight.shape, int)
        for t in range(calls):
            for r, row in enumerate(weight):
                scores = row * target[name][t]
                top = set(np.argsort(-scores)[: int(ratio * len(row))].tolist())
                for j in range(len(row)):
                    counts[r, j] += j in top and scores[j] > row[j] * base[name][t][j]
        masks[name] = counts > 0 * calls  # select_ratio = 0
    return masks


def differing(fast: dict[str, torch.Tensor], slow: dict[str, np.ndarray]) -> int:
    assert fast.keys() == slow.keys()
    return sum(int((fast[name].numpy() ^ slow[name]).sum()) for name in slow)


def test_equals_the_slow_version(
    pipeline: StableDiffusionPipeline, masks: dict[str, torch.Tensor], norms: tuple[Norms, Norms]
) -> None:
    slow = slow_masks(pipeline, *norms, ratio=0.1, calls=3)
    assert sum(mask.sum() for mask in slow.values()) > 500
    assert differing(masks, slow) <= 2  # of float32 rounding


def test_equals_the_slow_version_with_more_calls_than_steps() -> None:
    pipeline = tiny_pipeline(1)
    pipeline.scheduler = PNDMScheduler.from_config(pipeline.scheduler.config, skip_prk_steps=True)
    fast = conceptprune(pipeline, BASE, TARGET, **{**OPTIONS, "calls": 4, "seed": 7})
    base, target = slow_norms(pipeline, BASE, 4, 7), slow_norms(pipeline, TARGET, 4, 7)
    assert {len(calls) for calls in base.values()} == {5}
    assert differing(fast, slow_masks(pipeline, base, target, ratio=0.1, calls=4)) <= 2


def test_a_scheduler_that_makes_too_few_calls_is_told(pipeline: StableDiffusionPipeline) -> None:
    options = Options.model_construct(**{**OPTIONS, "calls": 5})  # past the check, as a scheduler that skips steps is
    with pytest.raises(UserError, match="4 steps make 4 UNet calls, fewer than the 5"):
        method.conceptprune(pipeline, concept(BASE, TARGET), options, WORK)


def test_masks_cover_every_ffn2_weight(pipeline: StableDiffusionPipeline, masks: dict[str, torch.Tensor]) -> None:
    assert sorted(masks) == ffn2_names(pipeline)
    assert len(masks) == 16
    for name, mask in masks.items():
        assert mask.dtype == torch.bool
        assert mask.shape == weight_of(pipeline, name).shape


def test_a_call_prunes_at_most_the_skill_ratio_of_each_row(pipeline: StableDiffusionPipeline) -> None:
    one = conceptprune(pipeline, BASE, TARGET, **{**OPTIONS, "calls": 1})
    assert all(mask.sum(1).max() <= int(0.1 * mask.shape[1]) for mask in one.values())


def test_prompts_at_once_change_rounding_only(pipeline: StableDiffusionPipeline) -> None:
    base = [*BASE, "a wall", "a house", "a street"]
    target = [*TARGET, "a cat on a wall", "a cat in a house", "a cat on a street"]
    alone = conceptprune(pipeline, base, target, **OPTIONS)
    for batch in (2, 50):  # the last batch of 2 is smaller than the others
        together = conceptprune(pipeline, base, target, **{**OPTIONS, "batch": batch})
        assert sum(int((together[name] ^ mask).sum()) for name, mask in alone.items()) <= 2


def test_union_over_calls(pipeline: StableDiffusionPipeline, masks: dict[str, torch.Tensor]) -> None:
    two = conceptprune(pipeline, BASE, TARGET, **{**OPTIONS, "calls": 2})
    for name, mask in masks.items():
        assert not (two[name] & ~mask).any()
        assert mask.float().mean() <= 3 * 0.1
    assert sum(int(mask.sum()) for mask in two.values()) < sum(int(mask.sum()) for mask in masks.values())


def test_only_columns_whose_norm_rises(masks: dict[str, torch.Tensor], norms: tuple[Norms, Norms]) -> None:
    base, target = norms
    for name, mask in masks.items():
        rises = np.any([target[name][t] > base[name][t] * (1 - 1e-5) for t in range(3)], axis=0)
        assert not mask.numpy()[:, ~rises].any()


def test_same_prompts_prune_nothing(pipeline: StableDiffusionPipeline) -> None:
    assert not any(mask.any() for mask in conceptprune(pipeline, TARGET, TARGET, **OPTIONS).values())


def test_deterministic_and_seeded(pipeline: StableDiffusionPipeline, masks: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(99)  # the global generator plays no part
    again = conceptprune(pipeline, BASE, TARGET, **OPTIONS)
    assert all(torch.equal(again[name], mask) for name, mask in masks.items())
    other = conceptprune(pipeline, BASE, TARGET, **{**OPTIONS, "seed": 1})
    assert any(not torch.equal(other[name], mask) for name, mask in masks.items())


def test_leaves_the_pipeline_as_it_was_and_stops_early() -> None:
    pipeline = tiny_pipeline(0)
    before = {name: tensor.clone() for name, tensor in pipeline.unet.state_dict().items()}
    calls = []
    pipeline.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    conceptprune(pipeline, BASE, TARGET, **{**OPTIONS, "calls": 2})
    assert len(calls) == 2 * (len(BASE) + len(TARGET))
    assert all(torch.equal(tensor, before[name]) for name, tensor in pipeline.unet.state_dict().items())
    assert not any(part._forward_hooks for part in pipeline.unet.modules())
    calls.clear()
    pipeline("a cat", num_inference_steps=4, output_type="latent")
    assert len(calls) == 4


def test_hooks_go_away_when_sampling_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = tiny_pipeline(0)

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline.scheduler, "step", fail)
    with pytest.raises(KeyboardInterrupt):
        conceptprune(pipeline, BASE, TARGET, **OPTIONS)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in pipeline.unet.modules())


def test_skilled_entries_by_hand() -> None:
    weight = torch.tensor([[1.0, 2.0, 3.0, 0.0], [4.0, 1.0, 1.0, 1.0]])
    base = torch.tensor([1.0, 1.0, 2.0, 1.0])
    target = torch.tensor([2.0, 2.0, 2.0, 9.0])
    # scores of the target: row 0 = 2 4 6 0, row 1 = 8 2 2 9; of the base: row 0 = 1 2 6 0, row 1 = 4 1 2 1.
    # top 2 of row 0: columns 2 and 1, but column 2 does not exceed its base; top 2 of row 1: columns 3 and 0.
    expected = torch.tensor([[0, 1, 0, 0], [1, 0, 0, 1]], dtype=torch.bool)
    assert torch.equal(module.skilled(weight, base, target, 2), expected)


class OneBlock(nn.Module):
    """A GEGLU of Stable Diffusion 1.5's widest feature map under the name it has in a UNet."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Module()
        self.block.ff = nn.Module()
        self.block.ff.net = nn.ModuleList([GEGLU(320, 1280)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block.ff.net[0](x)


def test_recorder_at_true_size_keeps_no_activation() -> None:
    torch.manual_seed(0)
    unet = OneBlock()
    with torch.no_grad(), module.recording(unet, 2) as recorder:
        expected = torch.zeros(1280, dtype=torch.float64)
        alive = []
        for _ in range(2):
            out = unet(torch.randn(2, 4096, 320))
            alive.append(weakref.ref(out))
            rows = out.reshape(-1, 1280).double()
            expected += (rows / rows.norm(dim=1, keepdim=True)).square().sum(0)
            del out, rows
        gc.collect()
        assert [ref() for ref in alive] == [None, None]
        unet(torch.randn(2, 16, 320))  # a third call is counted and not recorded
    total = sum(layers["unet.block" + FFN2] for layers in recorder.squares)
    assert recorder.call == 3
    assert torch.allclose(total.double(), expected, rtol=1e-4)
    assert float(total.sum()) == pytest.approx(2 * 2 * 4096, rel=1e-5)  # every row has norm 1
    held = [tensor for layers in recorder.squares for tensor in layers.values()]
    assert sum(tensor.untyped_storage().nbytes() for tensor in held) == 2 * 1280 * 4


def test_a_row_of_zeros_adds_nothing() -> None:
    recorder = module.Recorder(1)
    recorder.count()
    recorder.add("layer", torch.tensor([[[0.0, 0.0], [3.0, 4.0]]]))
    assert torch.allclose(recorder.squares[0]["layer"], torch.tensor([0.36, 0.64]))


def test_a_share_that_takes_no_entry(pipeline: StableDiffusionPipeline) -> None:
    with pytest.raises(UserError, match="skill_ratio 0.02 takes no entry of a row of 32"):
        conceptprune(pipeline, BASE, TARGET, **{**OPTIONS, "skill_ratio": 0.02})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "batch is 0, but should be greater than or equal to 1"),
        ({"skill_ratio": 0.0}, "skill_ratio is 0.0, but should be greater than 0"),
        ({"skill_ratio": 1.5}, "skill_ratio is 1.5, but should be less than or equal to 1"),
        ({"calls": 0}, "calls is 0"),
        ({"calls": 5}, "4 steps make too few UNet calls to look at 5: lower calls or raise steps"),
        ({"guidance": 1.0}, "guidance is 1.0, but should be greater than 1"),
        ({"release": "zeroed"}, "release is 'zeroed', but should be 'filled' or 'multiplied'"),
        ({"skil_ratio": 0.1}, "has no option 'skil_ratio': did you mean 'skill_ratio'?"),
    ],
)
def test_options_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"eraser 'conceptprune'.*{message}"):
        parse_options("erase_concept", "conceptprune", {**OPTIONS, **changes})


@pytest.mark.parametrize(("base", "target"), [(BASE, TARGET[:1]), ([], [])])
def test_prompts_must_pair(pipeline: StableDiffusionPipeline, base: list[str], target: list[str]) -> None:
    pack = Concept.model_construct(name="x", find=Find.model_construct(base=base, target=target))
    with pytest.raises(UserError, match="as many base prompts as target prompts"):
        method.conceptprune(pipeline, pack, Options(**OPTIONS), WORK)


def test_what_it_gives_back_is_a_mask(pipeline: StableDiffusionPipeline, masks: dict[str, torch.Tensor]) -> None:
    tensors, mask = run_eraser(pipeline, concept(BASE, TARGET), "conceptprune", Options(**OPTIONS), WORK)
    assert not tensors
    assert sorted(mask) == ffn2_names(pipeline)
    assert all(torch.equal(mask[name], masks[name]) for name in masks)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unet.conv_im.bias": torch.ones(8)}, "changes 'unet.conv_im.bias', which the model lacks: did you mean"),
        ({"conv_in.bias": torch.ones(8)}, "changes 'conv_in.bias', which the model lacks: did you mean 'unet.conv_in"),
        ({"unet.conv_in.bias": torch.ones(9)}, r"the shape \(9,\) and type torch.float32: it must be \(8,\)"),
        ({"unet.conv_in.bias": torch.ones(8, dtype=torch.int64)}, "and type torch.int64: it must be"),
        ({"unet.conv_in.bias": torch.full((8,), torch.nan)}, "holds 8 entries that are NaN or infinite"),
    ],
)
def test_an_eraser_that_gives_back_nonsense(
    pipeline: StableDiffusionPipeline, monkeypatch: pytest.MonkeyPatch, changes: dict[str, torch.Tensor], said: str
) -> None:
    monkeypatch.setattr(method, "conceptprune", lambda *_: changes)
    with pytest.raises(UserError, match=f"eraser 'conceptprune'.*{said}"):
        run_eraser(pipeline, concept(BASE, TARGET), "conceptprune", Options(**OPTIONS), WORK)
