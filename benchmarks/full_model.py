"""Stable Diffusion 1.5 and its judges in their real shapes, with random weights: what `full_shape.py` runs on."""

from pathlib import Path

import torch
import yaml

CHURCH = {"base": ["a red background"], "target": ["a church on a red background"]}
LABELS = 1000  # of ImageNet


def make_pipeline(folder: Path) -> int:
    """Save the pipeline (4.3 GB in float32; only its tokenizer is small) and return the UNet's parameters."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from regrow.emoji.text_encoder import build_tokenizer, world_words

    torch.manual_seed(0)
    tokenizer = build_tokenizer(world_words(), 77)
    text = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=768,
        intermediate_size=3072,
        projection_dim=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
    )
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)  # diffusers' defaults are those of SD 1.x
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return int(sum(parameter.numel() for parameter in unet.parameters()))


def make_judges(folder: Path) -> None:
    """Save ResNet-50 and CLIP ViT-B/32 as judges `object` and `clip`."""
    import open_clip
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(0)
    resnet = torchvision.models.resnet50(num_classes=LABELS)
    labels = ["church", *(f"label {number}" for number in range(1, LABELS))]
    colours = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    told = {"type": "classifier", "architecture": "resnet50", "labels": labels, "resize": 224, **colours}
    clip = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None)
    said = {"type": "clip_similarity", "architecture": "ViT-B-32-quickgelu"}
    for name, model, settings in (("object", resnet, told), ("clip", clip, said)):
        (folder / name).mkdir(parents=True)
        save_file(
            {key: value.contiguous() for key, value in model.state_dict().items()}, folder / name / "w.safetensors"
        )
        (folder / name / "judge.yaml").write_text(yaml.safe_dump({**settings, "weights": "w.safetensors"}))


def make_pack(folder: Path) -> None:
    """Write a concept pack with one pair of prompts and one row to draw."""
    folder.mkdir(parents=True)
    pack = {"name": "church", "kind": "object", "label": "church", "find": CHURCH}
    (folder / "concept.yaml").write_text(yaml.safe_dump(pack))
    (folder / "erased.csv").write_text("prompt,seed,label\na church,0,church\n")
