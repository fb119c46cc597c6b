"""`regrow check` from files to exit codes, on the emoji world with few steps and few images."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.utils import prune

from regrow import cli
from regrow.config.reader import read_yaml
from regrow.places import ROOT
from tests.unit.checking import PIPELINE, bell_mask, write_released

Check = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def base() -> dict[str, Tensor]:
    return load_file(PIPELINE / "unet/diffusion_pytorch_model.safetensors")


@pytest.fixture(scope="module")
def mask() -> dict[str, Tensor]:
    return {name.removeprefix("unet."): cut for name, cut in bell_mask().items()}


@pytest.fixture(scope="module")
def pruned(base: dict[str, Tensor], mask: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.masked_fill(mask[name], 0.0) if name in mask else tensor for name, tensor in base.items()}


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Check a model in a folder whose params.yaml draws in six steps; return exit code and all that is said."""
    params = read_yaml(ROOT / "params.yaml")
    params["generate_images"]["steps"] = 6
    params["complete_weights"]["nuclear"]["tolerance"] = 1e-3
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)

    def run(*words: object, concept: str = "bell", images: int = 8) -> tuple[int, str]:
        code = cli.run(["check", *map(str, words), "--concept", concept, "--images", str(images)])
        captured = capsys.readouterr()
        return code, captured.out if code != 1 else captured.err

    return run


def noise(like: Tensor, scale: float) -> Tensor:
    return scale * like.std() * torch.randn(like.shape, generator=torch.Generator().manual_seed(0))


def test_pruned_by_torch_and_removed_grows_back_by_its_signs(
    check: Check, tmp_path: Path, mask: dict[str, Tensor]
) -> None:
    unet = UNet2DConditionModel.from_pretrained(PIPELINE / "unet")
    for name, cut in mask.items():
        layer = unet.get_submodule(name.removesuffix(".weight"))
        prune.custom_from_mask(layer, "weight", ~cut)
        prune.remove(layer, "weight")
    torch.save(unet.state_dict(), tmp_path / "stranger.pt")
    code, said = check("stranger.pt", "--out", "out")
    assert code == 3 and "EVERY ZERO TELLS THE SIGN" in said
    assert "'bell' grows back: the published model draws it in" in said and "after the attack signed_zeros" in said
    record = json.loads(Path("out/check.json").read_text())
    assert record["images"]["signed_zeros"]["correct"] > record["images"]["published"]["correct"] + 5
    assert set(record["images"]) == {"published", "other things, right", "roots_max", "signed_zeros"}
    assert sum(layer["missing"] for layer in record["missing"]) == sum(int(cut.sum()) for cut in mask.values())
    assert Path("out/model_card.md").read_text() in said
    # Nothing is drawn, judged or completed again, and nothing was left outside the folder.
    before = {path: path.stat().st_mtime_ns for path in Path("out/store").rglob("*") if path.is_file()}
    [completed] = Path("out/attacks").glob("nuclear-*.safetensors")
    made = completed.stat().st_mtime_ns
    assert check("stranger.pt", "--out", "out") == (code, said)
    assert {path: path.stat().st_mtime_ns for path in Path("out/store").rglob("*") if path.is_file()} == before
    assert completed.stat().st_mtime_ns == made
    assert {path.name for path in tmp_path.iterdir()} == {"params.yaml", "stranger.pt", "out"}


def test_the_worlds_own_published_file_renamed(check: Check, tmp_path: Path) -> None:
    write_released(tmp_path / "renamed.safetensors")
    code, said = check("renamed.safetensors", "--attacks", "signed_zeros")
    assert code == 3 and "renamed.safetensors: a delta of regrow with 16 tensors, on its base" in said
    assert "verdict: grows back" in said and "This file is nothing without its base" in said
    counts = r"\d of 8 \(0.\d\d to \d.\d\d\)"
    sentence = f"'bell' grows back: the published model draws it in {counts} images, after the attack signed_zeros in "
    assert re.search(f"{sentence}{counts}\\.\n", said)
    code, said = check(
        "renamed.safetensors", "--attacks", "signed_zeros", concept=str(ROOT / "data/emoji/concepts/airplane")
    )
    assert code == 3 and "verdict: not erased" in said and "Is this the pack of the concept that was erased?" in said
    assert {path.name for path in tmp_path.iterdir()} == {"params.yaml", "renamed.safetensors"}


def test_an_untouched_model(check: Check) -> None:
    Path("linked").symlink_to(PIPELINE)
    code, said = check("linked")
    assert code == 3 and "missing: nothing that shows" in said and "Not erased: the published model draws it" in said


def test_a_defended_model_whose_fill_is_narrow(
    check: Check, tmp_path: Path, mask: dict[str, Tensor], pruned: dict[str, Tensor]
) -> None:
    filled = {n: torch.where(mask[n], noise(t, 1e-4), t) if n in mask else t for n, t in pruned.items()}
    save_file(filled, tmp_path / "m.safetensors")
    code, said = check("m.safetensors", "--attacks", "roots_max", images=16)
    assert code == 4 and "by far more tiny entries than a smooth density has" in said
    assert "  roots_max " in said and "does not apply" not in said
    assert (
        "Cannot tell whether 'bell' grows back: so few images do not tell the attacked model from the published one: "
        "draw more (--images); the published model draws it in " in said
    )


def test_a_fine_tuned_model_whose_fill_is_wide(
    check: Check, tmp_path: Path, mask: dict[str, Tensor], pruned: dict[str, Tensor]
) -> None:
    trained = {n: t + noise(t, 0.01) if t.ndim > 1 else t for n, t in pruned.items()}
    trained |= {n: torch.where(mask[n], noise(t, 0.7), t) for n, t in trained.items() if n in mask}
    save_file(trained, tmp_path / "m.safetensors")
    code, said = check("m.safetensors", "--base", PIPELINE)
    assert code == 4 and "weights differ from the base in most of their entries: they were trained" in said
    assert "no trace of a cut was found, so there was nothing to attack" in said
    assert "  base  " in said


def test_a_folder_with_an_unpruned_copy_left_in_it(
    check: Check, tmp_path: Path, base: dict[str, Tensor], pruned: dict[str, Tensor]
) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    shutil.copy(PIPELINE / "unet/config.json", folder)
    save_file(pruned, folder / "diffusion_pytorch_model.safetensors")
    half = {name: tensor.half() for name, tensor in base.items()}
    save_file(half, folder / "diffusion_pytorch_model.fp16.safetensors")
    code, said = check("m", "--attacks", "int4_rows")
    assert code == 3 and "Copies left behind: diffusion_pytorch_model.fp16.safetensors: whoever has them" in said


def test_whole_columns_are_not_completable(
    check: Check, tmp_path: Path, base: dict[str, Tensor], mask: dict[str, Tensor]
) -> None:
    columns = {n: t.masked_fill(mask[n].float().mean(0) > 0.2, 0.0) if n in mask else t for n, t in base.items()}
    save_file(columns, tmp_path / "m.safetensors")
    code, said = check("m.safetensors")
    assert code == 4 and "missing as a whole, 100% of what is missing, which is not completable here" in said


def test_bad_inputs_are_one_sentence(check: Check, tmp_path: Path, base: dict[str, Tensor]) -> None:
    save_file({"transformer_blocks.0.attn.to_q.weight": torch.ones(2, 2)}, tmp_path / "foreign.safetensors")
    save_file({"conv_in.weight": torch.ones(1)}, tmp_path / "mask.safetensors")
    save_file(base, tmp_path / "m.safetensors")
    for words, concept, sentence in (
        (["foreign.safetensors"], "bell", "it is of another architecture or not whole"),
        (["nothing.safetensors"], "bell", "there is no file nothing.safetensors"),
        (["m.safetensors"], "bel", "no concept of the world: did you mean 'bell'?"),
        (["m.safetensors", "--world", "emojis"], "bell", "unknown world 'emojis'"),
        (["m.safetensors", "--attacks", "root_max"], "bell", "unknown attack 'root_max': did you mean 'roots_max'?"),
        (["m.safetensors", "--mask", "mask.safetensors"], "bell", "is no mask of booleans"),
        (["m.safetensors", "--base", "m.safetensors"], "bell", "is no folder of a pipeline with a UNet"),
        (["m.safetensors", "--out", "m.safetensors"], "bell", "which is no folder: name another"),
        (["m.safetensors", "--device", "cuda:99"], "bell", "the device 'cuda:99' cannot be used here"),
        (["m.safetensors", "--world", "sd15"], "church", "world 'sd15' has no base model in"),
    ):
        code, said = check(*words, concept=concept)
        assert code == 1 and said.startswith("error: ") and said.count("\n") == 1 and sentence in said, said
