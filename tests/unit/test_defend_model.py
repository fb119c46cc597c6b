"""The stage `defend_model` with a made-up defence."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from pydantic import Field
from torch import Tensor

from regrow.defend._publisher import Publisher
from regrow.errors import UserError
from regrow.io.files import read_json
from regrow.methods import MethodOptions, Positive
from regrow.model.masks import Erased, read_erased
from regrow.model.pipelines import read_base
from regrow.model.published import read_published
from regrow.stages import defend_model
from regrow.world import read_world
from tests.unit.erasing import Published, publish


class Options(MethodOptions):
    """Options of the made-up defence."""

    std: Positive = Field(description="of the noise")


def noise(erased: Erased, publisher: Publisher, options: Options) -> dict[str, Tensor]:
    """Fill what was pruned with noise."""
    generator = torch.Generator().manual_seed(publisher.seed)
    return {
        name: torch.where(mask, options.std * torch.randn(mask.shape, generator=generator), erased.tensors[name])
        for name, mask in erased.mask.items()
        if mask.any()
    }


Add = Callable[..., ModuleType]


def defend(church: Published, out: Path, erased: Path | None = None, concept: str = "church", seed: int = 0) -> Path:
    defend_model.run(church.world, erased or church.erased, concept, "noise", {"std": 0.5}, "noisy", "cpu", seed, out)
    return out


def test_a_defended_model_has_no_zeros_left(church: Published, tmp_path: Path, add_method: Add) -> None:
    add_method("defend", "noise", noise, Options)
    before, after = read_erased(church.erased), read_erased(defend(church, tmp_path / "erased.safetensors"))
    assert after.recipe == {
        **before.recipe,
        "defence": {"name": "noisy", "method": "noise", "std": 0.5},
        "seed": 0,
    }
    assert all(torch.equal(after.mask[name], mask) for name, mask in before.mask.items())
    plain = read_published(church.model)
    files = publish(church.world, tmp_path / "erased.safetensors", tmp_path)
    for name, weight in read_published(files.model).ffn2.items():
        pruned = before.mask[name]
        assert (weight[pruned] != 0).all()
        assert torch.equal(weight[~pruned], plain.ffn2[name][~pruned])
    assert read_json(files.record, "record")["defence"]["name"] == "noisy"
    first = (tmp_path / "erased.safetensors").read_bytes()
    assert defend(church, tmp_path / "again").read_bytes() == first
    assert defend(church, tmp_path / "other", seed=1).read_bytes() != first


def test_the_publisher_has_the_base(church: Published, tmp_path: Path, add_method: Add) -> None:
    def restore(erased: Erased, publisher: Publisher, _: Options) -> dict[str, Tensor]:
        assert publisher.pipeline() is publisher.pipeline()
        assert publisher.concept.base == ["a photo of a road"]
        return publisher.pretrained(erased.tensors)

    add_method("defend", "noise", restore, Options)
    erased = read_erased(defend(church, tmp_path / "erased"))
    base = read_base(read_world(church.world).pipeline, erased.tensors)
    assert all(torch.equal(tensor, base[name]) for name, tensor in erased.tensors.items())
    with pytest.raises(UserError, match="nothing changed against the base"):
        publish(church.world, tmp_path / "erased", tmp_path)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, "defence 'noisy' changed nothing: raise its strength"),
        ({"unet.conv_in.bias": torch.ones(3)}, r"the shape \(3,\), but it has \(8,\): return whole tensors"),
        ({"unet.conv_in.bias": torch.ones(8, dtype=torch.bool)}, "is of type bool"),
        ({"unet.conv_in.bias": torch.full((8,), torch.inf)}, "8 entries that are NaN or infinite"),
        ({"unet.conv_im.bias": torch.ones(8)}, "has no weight 'conv_im.bias': did you mean 'conv_in.bias'"),
    ],
)
def test_a_defence_that_gives_back_nonsense(
    church: Published, tmp_path: Path, add_method: Add, result: dict[str, Tensor], said: str
) -> None:
    add_method("defend", "noise", lambda *_: result, Options)
    with pytest.raises(UserError, match=said):
        defend(church, tmp_path / "erased")
    assert not (tmp_path / "erased").exists()


def test_what_cannot_be_defended(church: Published, tmp_path: Path, add_method: Add) -> None:
    add_method("defend", "noise", noise, Options)
    with pytest.raises(UserError, match="is defended already"):
        defend(church, tmp_path / "twice", defend(church, tmp_path / "erased"))
    with pytest.raises(UserError, match="erases 'church', not 'rocket'"):
        defend(church, tmp_path / "other", concept="rocket")
    with pytest.raises(UserError, match="unknown defence 'nois': did you mean 'noise'"):
        defend_model.run(church.world, church.erased, "church", "nois", {}, "noisy", "cpu", 0, tmp_path / "x")
