"""The training loop: seeded, resumable, averaged, and loud about a loss that is not a number."""

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from regrow.emoji import training
from regrow.emoji.denoiser import (
    activation_density,
    build_scheduler,
    build_unet,
    min_snr_weight,
    wire_text_through_ffn,
    write_structural_zeros,
)
from regrow.emoji.training import Schedule, train, work_folder
from regrow.errors import UserError
from regrow.io.safetensors import read_tensors
from regrow.model.structural_zeros import read_structural_zeros
from regrow.stages import train_judge

DATA = Path(__file__).parents[2] / "data/emoji"
SCHEDULE = Schedule(steps=6, batch=4, learning_rate=0.1, seed=5, ema=0.5, checkpoint_every=2)


class KilledError(Exception):
    pass


def fit(folder: Path, stop_at: int | None = None, schedule: Schedule = SCHEDULE) -> torch.Tensor:
    """Fit a line to seeded noise; raise KilledError before the step `stop_at`."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    steps = iter(range(100))

    def loss_of(batch: int, generator: torch.Generator) -> torch.Tensor:
        if next(steps) == stop_at:
            raise KilledError
        return model(torch.randn(batch, 3, generator=generator)).square().mean()

    train(model, loss_of, schedule, folder)
    return model.weight.detach().clone()


def test_a_killed_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole")
    with pytest.raises(KilledError):
        fit(tmp_path / "killed", stop_at=5)
    assert (tmp_path / "killed/checkpoint.pt").is_file()
    assert torch.equal(fit(tmp_path / "killed"), whole)


def test_another_schedule_or_a_damaged_checkpoint_starts_afresh(tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole")
    fit(tmp_path / "other", schedule=Schedule(steps=6, batch=4, learning_rate=0.01, seed=5, checkpoint_every=2))
    assert torch.equal(fit(tmp_path / "other"), whole)
    (tmp_path / "other/checkpoint.pt").write_bytes(b"cut short")
    assert torch.equal(fit(tmp_path / "other"), whole)


def test_other_pictures_code_or_settings_do_not_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sprites, parts, code = tmp_path / "sprites.parquet", tmp_path / "vae", tmp_path / "code.py"
    parts.mkdir()
    files = (sprites, parts / "weights", code)
    for file in files:
        file.write_text("first")
    monkeypatch.setattr(training, "CODE", tmp_path)

    def folder(pictures: int = 100) -> Path:
        return work_folder(tmp_path / "work", sprites, parts, None, pictures)

    first = folder()
    assert folder() == first
    assert first.parent == tmp_path / "work"
    seen = {first, folder(200)}
    for file in files:
        file.write_text("second")
        seen.add(folder())
    assert len(seen) == 5


def test_the_learning_curve_is_written(tmp_path: Path) -> None:
    fit(tmp_path / "run")
    lines = (tmp_path / "run/curve.csv").read_text().splitlines()
    assert lines[0] == "step,pictures,loss,learning_rate,seconds"
    assert [line.split(",")[:2] for line in lines[1:]] == [["2", "8"], ["4", "16"], ["6", "24"]]


def test_the_rate_warms_up_and_decays() -> None:
    schedule = Schedule(steps=100, batch=1, learning_rate=1.0, seed=0)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[0] == 0.5
    assert max(rates) == 1.0
    assert rates[-1] == pytest.approx(0.02, abs=1e-3)


def test_a_loss_that_is_not_a_number_stops_the_training(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    with pytest.raises(UserError, match="step 0: lower the learning rate"):
        train(model, lambda batch, generator: model.weight.sum() * float("nan"), SCHEDULE, tmp_path)


def test_min_snr_weight_by_hand() -> None:
    # SNR = a / (1 - a): 0.5 gives 1, below the cap; 0.99 gives 99, weighted by 5 / 99.
    assert min_snr_weight(torch.tensor([0.5, 0.99])).tolist() == pytest.approx([1.0, 5 / 99])


def test_activation_density_by_hand() -> None:
    alike, single = torch.tensor([[2.0, -2.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.0, -7.0, 0.0]])
    assert activation_density(alike).item() == pytest.approx(1.0)
    assert activation_density(single).item() == pytest.approx(0.5)  # sqrt of one living neuron in four
    assert activation_density(torch.cat([alike, 1000 * single])).item() == pytest.approx(0.75)  # blind to the scale
    assert activation_density(torch.zeros(1, 4)).item() == 0


def test_the_unet_has_the_topology_of_stable_diffusion() -> None:
    names = [name for name, _ in build_unet().named_parameters() if name.endswith(".ff.net.2.weight")]
    assert len(names) == 16
    assert "mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight" in names
    betas = build_scheduler().betas
    assert (betas[0].item(), betas[-1].item(), len(betas)) == (pytest.approx(0.00085), pytest.approx(0.012), 1000)


def test_the_structural_zeros_are_those_of_the_wiring(tmp_path: Path) -> None:
    write_structural_zeros(build_unet(), tmp_path / "zeros.safetensors")
    committed = DATA / "structural_zeros.safetensors"
    assert (tmp_path / "zeros.safetensors").read_bytes() == committed.read_bytes()
    stored = read_tensors(DATA / "pipeline/unet/diffusion_pytorch_model.safetensors")
    weights = {f"unet.{name}": tensor for name, tensor in stored.items()}
    zeros = read_structural_zeros(committed, weights)
    assert len(zeros) == 48  # two weights and a bias of 16 transformer blocks
    assert sum(int(mask.sum()) for mask in zeros.values()) == 157_020
    assert sum(int((tensor == 0).sum()) for tensor in weights.values()) == 157_020 + 10  # ten happen to be 0


def test_text_reaches_the_picture_through_feed_forwards_only_and_training_keeps_it_so() -> None:
    torch.manual_seed(0)
    unet = build_unet()
    wire_text_through_ffn(unet)
    latents, step = torch.randn(2, 8, 8, 8), torch.tensor([5, 700])
    one, other = torch.randn(2, 2, 24, 128)
    optimiser = torch.optim.AdamW(unet.parameters(), lr=1e-2)
    for _ in range(2):
        unet(latents, step, one).sample.square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    with torch.no_grad():
        assert not unet(latents, step, one).sample.equal(unet(latents, step, other).sample)
        for name, parameter in unet.named_parameters():
            if ".ff.net.2." in name:
                parameter.zero_()
        assert unet(latents, step, one).sample.equal(unet(latents, step, other).sample)


def test_the_committed_unet_is_wired_so() -> None:
    unet = UNet2DConditionModel.from_pretrained(DATA / "pipeline/unet", dtype=torch.float32)
    latents, step = torch.randn(1, 8, 8, 8), torch.tensor([500])
    one, other = torch.randn(2, 1, 24, 128)
    with torch.no_grad():
        assert not torch.allclose(unet(latents, step, one).sample, unet(latents, step, other).sample, atol=1e-3)
        for name, parameter in unet.named_parameters():
            if name.endswith(".ff.net.2.weight"):
                parameter.zero_()
        assert unet(latents, step, one).sample.equal(unet(latents, step, other).sample)


def test_a_schedule_that_lacks_something_or_has_too_much() -> None:
    whole = {"steps": 1, "batch": 1, "learning_rate": 0.1, "seed": 0}
    assert Schedule.of(whole).checkpoint_every == 250
    with pytest.raises(
        UserError, match="missing 1 required positional argument: 'seed': see train_world in config/worlds/emoji"
    ):
        Schedule.of({key: value for key, value in whole.items() if key != "seed"})
    with pytest.raises(UserError, match="unexpected keyword argument 'stepps'"):
        Schedule.of({**whole, "stepps": 1})


def test_an_unknown_judge_is_not_trained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no judge 'styl' of the emoji world: did you mean 'style'"):
        train_judge.run(tmp_path, "styl", {}, None, tmp_path / "work", tmp_path / "out")
