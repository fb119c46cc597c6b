"""Noise that neutral prompts do not hear: the formula by a slow version, and the recorded moments by hand."""

from types import SimpleNamespace

import pytest
import torch
from diffusers.models.activations import GEGLU

from regrow.concepts import Concept, Find
from regrow.defend import silent_noise as module
from regrow.defend._cuts import cuts
from regrow.defend._second_moments import second_moments
from regrow.defend.silent_noise import Options, silent_noise
from regrow.errors import UserError
from regrow.model.masks import Erased
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.defending import NAME, erasing, publisher

OPTIONS = {"size": 1.0, "ridge": 0.1, "structured": False, "steps": 2, "guidance": 3.0, "batch": 1}


def moment_of(columns: int) -> torch.Tensor:
    z = torch.randn(50, columns, generator=torch.Generator().manual_seed(9)) @ torch.diag(
        torch.linspace(0.1, 3, columns)
    )
    return z.T @ z / 50


def noise(structured: bool) -> tuple[Erased, torch.Tensor, torch.Tensor]:
    erased, moment = erasing(), moment_of(160)
    (cut,) = cuts(erased, 0)
    return erased, moment, module._noise(cut, moment, Options(**{**OPTIONS, "structured": structured}))


def test_every_row_by_a_slow_version() -> None:
    erased, moment, found = noise(structured=False)
    mask, weight = erased.mask[NAME], erased.tensors[NAME]
    (again,) = cuts(erased, 0)
    z = again.normal()
    for i in range(len(weight)):
        m = mask[i]
        x = torch.linalg.solve(moment[m][:, m] / moment.diagonal().mean() + 0.1 * torch.eye(int(m.sum())), z[i][m])
        if m.any():
            x = x / x.square().mean().sqrt() * weight[i][~m].square().mean().sqrt()
        assert torch.allclose(found[i][m], x, atol=1e-5)


def test_it_is_quieter_than_white_noise_of_the_same_size() -> None:
    erased, moment, found = noise(structured=False)
    mask = erased.mask[NAME]
    (cut,) = cuts(erased, 1)
    white = cut.normal()
    size = found.square().sum(1, keepdim=True) / (white * mask).square().sum(1, keepdim=True).clamp_min(1e-12)
    white = white * size.sqrt()

    def power(x: torch.Tensor) -> float:  # what the model reads of it: mean of |x z|^2
        x = x * mask
        return float(((x @ moment) * x).sum())

    assert power(found) < 0.4 * power(white)


def test_structured_noise_has_the_covariance_of_whole_columns() -> None:
    rows = 6
    mixing = torch.randn(rows, rows, generator=torch.Generator().manual_seed(1))
    weight = mixing @ torch.randn(rows, 4000, generator=torch.Generator().manual_seed(2))
    mask = torch.zeros(rows, 4000, dtype=torch.bool)
    mask[:, :2] = True
    (cut,) = cuts(Erased({NAME: weight.masked_fill(mask, 0)}, {NAME: mask}, "b", {}), 0)
    factor = module._row_factor(cut)
    covariance = mixing @ mixing.T
    wanted = 0.5 * covariance + 0.5 * torch.diag(covariance.diagonal())
    assert torch.allclose(factor @ factor.T, wanted, rtol=0.1, atol=0.2)


def test_moments_are_those_of_what_the_weight_reads() -> None:
    pipeline = tiny_pipeline()
    pipeline.set_progress_bar_config(disable=True)
    seen: dict[str, list[torch.Tensor]] = {}
    for name, part in pipeline.unet.named_modules():
        if isinstance(part, GEGLU):
            part.register_forward_hook(
                lambda _m, _i, output, name=name: seen.setdefault(name, []).append(output.flatten(0, -2))
            )
    prompts = ["a photo of a road", "a photo of a beach"]
    found = second_moments(pipeline, prompts, steps=2, guidance=3.0, batch=1, seed=0)
    assert len(found) == len(seen) > 0
    for name, parts in seen.items():
        z = torch.cat(parts)
        wanted = z.T @ z / len(z)
        assert torch.allclose(found[f"unet.{name.removesuffix('.ff.net.0')}.ff.net.2.weight"], wanted, atol=1e-5)
    before = sum(len(part._forward_hooks) for part in pipeline.unet.modules())
    second_moments(pipeline, prompts[:1], 1, 3.0, 1, 0)
    assert sum(len(part._forward_hooks) for part in pipeline.unet.modules()) == before  # its own hooks are gone


def test_activations_that_overflow() -> None:
    broken = SimpleNamespace(second_moments=lambda *_: {NAME: torch.full((160, 160), torch.nan)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("regrow.defend._second_moments.second_moments", broken.second_moments)
        concept = Concept(name="x", kind="object", label="x", find=Find(base=["a"], target=["b"]))
        with pytest.raises(UserError, match="NaN or infinite"):
            silent_noise(erasing(), publisher(concept=concept, pipeline=lambda: None), Options(**OPTIONS))
