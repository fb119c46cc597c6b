"""Train the emoji world's judges on scenes: object and style classifiers, and a CLIP. None sees the generator."""

import json
import random
from pathlib import Path

import open_clip
import torch
import torch.nn.functional as F
import torchvision
import yaml
from safetensors.torch import save_file
from torch import nn

from regrow.emoji.measure import load_classifier
from regrow.emoji.scenes import SceneMaker
from regrow.emoji.training import Schedule, train
from regrow.emoji.vocabulary import STYLES
from regrow.io.files import write_text, write_then_rename

MEAN = STD = (0.5, 0.5, 0.5)
CLIP_NAME = "emoji-clip"
CLIP_CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": 4, "width": 128, "head_width": 32, "patch_size": 4},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 96, "heads": 4, "layers": 3},
}


# How far a judge's training pictures are roughened; styles differ in the very details that blur takes away.
ROUGHNESS = {"object": 1.0, "style": 0.3, "clip": 1.0}


def roughen(pixels: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Blur, dim and add noise at random, so that a judge does not fail a generated picture for its texture."""
    n = len(pixels)
    rows = torch.rand((n, 3), generator=generator) * strength
    soft = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    pixels = torch.lerp(pixels, soft, rows[:, :1, None, None])
    pixels = pixels * (1 + 0.4 * (rows[:, 1:2, None, None] - strength / 2))
    noise = torch.randn(pixels.shape, generator=generator)
    return (pixels + 0.15 * rows[:, 2:, None, None] * noise).clamp(-1, 1)


def train_classifier(
    sprites: Path, kind: str, folder: Path, work: Path, schedule: Schedule, start: Path | None = None
) -> None:
    """Train the judge of `kind` "object" or "style" and write it with its protocol to `folder`.

    With `start`, the folder of a trained judge, its features are where the training begins; the last layer is new.
    """
    torch.manual_seed(schedule.seed)
    scenes = SceneMaker(sprites)
    labels = [name.replace("-", " ") for name in scenes.names] if kind == "object" else list(STYLES)
    truth = scenes.name_of if kind == "object" else scenes.style_of
    model = torchvision.models.get_model("resnet18", weights=None, num_classes=len(labels))
    if start is not None:
        features = {
            k: v for k, v in load_classifier(start, (), "cpu").model.state_dict().items() if not k.startswith("fc.")
        }
        model.load_state_dict(features, strict=False)

    def loss_of(batch: int, generator: torch.Generator) -> torch.Tensor:
        drawn = scenes.draw(batch, generator, background_only=0.0)
        return F.cross_entropy(
            model(roughen(drawn.pixels, ROUGHNESS[kind], generator)), truth[drawn.sprite], label_smoothing=0.05
        )

    train(model, loss_of, schedule, work)
    _save(model, folder / "model.safetensors")
    protocol = {
        "judge": f"{kind} of the emoji world",
        "type": "classifier",
        "architecture": "resnet18",
        "weights": "model.safetensors",
        "resize": 32,
        "mean": list(MEAN),
        "std": list(STD),
        "labels": labels,
    }
    write_text(folder / "judge.yaml", yaml.safe_dump(protocol, sort_keys=False))


def train_clip(sprites: Path, folder: Path, work: Path, schedule: Schedule, title: str) -> None:
    """Train a small CLIP on scenes and captions by the symmetric contrastive loss; write it to `folder` by a title."""
    torch.manual_seed(schedule.seed)
    scenes = SceneMaker(sprites)
    write_text(folder / f"{CLIP_NAME}.json", json.dumps(CLIP_CONFIG, indent=2) + "\n")
    open_clip.add_model_config(folder / f"{CLIP_NAME}.json")
    model = open_clip.create_model(CLIP_NAME)
    tokenizer = open_clip.get_tokenizer(CLIP_NAME)

    def loss_of(batch: int, generator: torch.Generator) -> torch.Tensor:
        drawn = scenes.draw(batch, generator)
        captions = scenes.captions(drawn, random.Random(int(torch.randint(2**31, (1,), generator=generator))))
        image = model.encode_image(roughen(drawn.pixels, ROUGHNESS["clip"], generator), normalize=True)
        logits = (
            model.logit_scale.exp().clamp(max=100) * image @ model.encode_text(tokenizer(captions), normalize=True).T
        )
        # Equal captions are equally right: the target spreads over them.
        same = torch.tensor([[a == b for b in captions] for a in captions], dtype=torch.float32)
        target = same / same.sum(dim=1, keepdim=True)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

    train(model, loss_of, schedule, work)
    _save(model, folder / "model.safetensors")
    protocol = {
        "judge": title,
        "type": "clip_similarity",
        "architecture": CLIP_NAME,
        "weights": "model.safetensors",
        "mean": list(MEAN),
        "std": list(STD),
    }
    write_text(folder / "judge.yaml", yaml.safe_dump(protocol, sort_keys=False))


def _save(model: nn.Module, path: Path) -> None:
    """Write half-precision weights; counters of batch norm stay whole numbers."""
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    write_then_rename(path, lambda temporary: save_file({k: v.contiguous() for k, v in tensors.items()}, temporary))
