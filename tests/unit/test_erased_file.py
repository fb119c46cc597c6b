"""The publisher's file: mask bits and a base give back the pruned model bit for bit, signs of zeros included."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from regrow.errors import UserError
from regrow.io.safetensors import write_tensors
from regrow.model.masks import Erased, mask_of, read_erased, resolve_erased, write_erased
from regrow.model.names import is_ffn2
from regrow.model.pipelines import base_digest, read_base
from tests.tiny.pipeline import tiny_pipeline, write_tiny_pipeline

RECIPE = {"concept": "church", "kind": "pruning", "eraser": {"method": "conceptprune"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_pipeline(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def weights(folder: Path) -> dict[str, Tensor]:
    return read_base(folder, [f"unet.{n}" for n, _ in tiny_pipeline().unet.named_parameters() if is_ffn2(n)])


def masks(weights: dict[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(weight.shape, generator=generator) < 0.2 for name, weight in weights.items()}


def bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("release", ["filled", "multiplied"])
def test_mask_and_base_give_the_pruned_model_bit_for_bit(
    folder: Path, weights: dict[str, Tensor], tmp_path: Path, release: str
) -> None:
    mask = masks(weights)
    write_erased(tmp_path / "erased", Erased({}, mask, base_digest(folder), RECIPE, release))
    erased = read_erased(tmp_path / "erased")
    resolved = resolve_erased(erased, folder)
    for name, weight in weights.items():
        expected = weight.clone()
        if release == "filled":
            expected[mask[name]] = 0.0
        else:
            expected = weight * (1 - mask[name].float())
            assert torch.equal(torch.signbit(expected[mask[name]]), weight[mask[name]] < 0)  # the zeros tell the signs
        assert bits(resolved[name]) == bits(expected)
    assert erased.recipe == RECIPE


def test_weights_of_which_nothing_is_pruned_are_not_published(folder: Path, weights: dict[str, Tensor]) -> None:
    mask = masks(weights)
    untouched, trained = sorted(mask)[:2]
    mask[untouched] = torch.zeros_like(mask[untouched])
    new = weights[trained] + 1
    resolved = resolve_erased(Erased({trained: new}, mask, "base", RECIPE), folder)
    assert untouched not in resolved
    assert torch.equal(resolved[trained], new)


def test_a_mask_of_another_erasing_is_refused(folder: Path, weights: dict[str, Tensor], tmp_path: Path) -> None:
    own = Erased({}, masks(weights), "base", RECIPE)
    published = resolve_erased(own, folder)
    found = mask_of(own, published, tmp_path)
    assert all(torch.equal(found[name], own.mask[name]) for name in published)
    with pytest.raises(UserError, match="is the mask of another erasing"):
        mask_of(Erased({}, masks(weights, seed=1), "base", RECIPE), published, tmp_path)
    empty = {name: torch.zeros_like(mask) for name, mask in own.mask.items()}
    with pytest.raises(UserError, match="prunes nothing"):
        mask_of(Erased({}, empty, "base", RECIPE), published, tmp_path)
    with pytest.raises(UserError, match="is no mask of a weight of the model"):
        mask_of(own, {name: tensor.T for name, tensor in published.items()}, tmp_path)


def test_files_that_are_no_erasing(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", {"unet.x": torch.zeros(1)}, {"format": "regrow delta 2", "base": "b"})
    with pytest.raises(UserError, match="is no erasing of regrow"):
        read_erased(tmp_path / "a")
    header = {"format": "regrow erasing 2", "base": "b", "recipe": RECIPE, "release": "filled"}
    write_tensors(tmp_path / "a", {"mask/unet.x": torch.zeros(1, dtype=torch.uint8)}, header)
    with pytest.raises(UserError, match="is not of type bool"):
        read_erased(tmp_path / "a")
