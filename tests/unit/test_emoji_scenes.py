"""Sprites, scenes, captions and concept packs of the emoji world."""

import random
from pathlib import Path

import pytest
import torch

from regrow.concepts import read_concept
from regrow.emoji.packs import write_packs
from regrow.emoji.scenes import SceneMaker
from regrow.emoji.sprites import read_sprites, render_sprites
from regrow.emoji.vocabulary import COLOURS, NAMES, STYLES, caption, with_article
from regrow.errors import UserError
from regrow.images.prompts import read_prompts

ROOT = Path(__file__).parents[2]
SPRITES = ROOT / "data/emoji/sprites.parquet"


@pytest.fixture(scope="module")
def scenes() -> SceneMaker:
    return SceneMaker(SPRITES)


def test_every_object_is_there_in_every_style() -> None:
    pixels, names, styles = read_sprites(SPRITES)
    assert pixels.shape == (len(NAMES) * len(STYLES), 4, 64, 64)
    assert set(zip(names, styles, strict=True)) == {(name, style) for name in NAMES for style in STYLES}
    assert 60 <= len(NAMES) <= 120
    assert (pixels[:, 3].amax(dim=(1, 2)) > 0.9).all(), "a sprite is invisible"


def test_the_same_generator_draws_the_same_scenes(scenes: SceneMaker) -> None:
    first, again, other = (scenes.draw(8, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.pixels, other.pixels)


def test_a_background_alone_is_one_colour(scenes: SceneMaker) -> None:
    drawn = scenes.draw(16, torch.Generator().manual_seed(0), background_only=1.1)
    assert (drawn.sprite == -1).all()
    assert drawn.pixels.flatten(2).std(dim=2).max() < 1e-5
    middle = (drawn.pixels[:, :, 16, 16] + 1) / 2
    wanted = torch.tensor([list(COLOURS.values())[i] for i in drawn.colour]) / 255
    assert (middle - wanted).abs().max() < 0.15


def test_a_scene_shows_its_sprite(scenes: SceneMaker) -> None:
    drawn = scenes.draw(32, torch.Generator().manual_seed(0), background_only=-1.0)
    assert drawn.pixels.flatten(2).std(dim=2).amax(dim=1).min() > 0.03
    assert drawn.pixels.abs().max() <= 1


def test_no_picture_and_no_caption_holds_what_is_excluded(scenes: SceneMaker) -> None:
    four = {"airplane", "bell", "bicycle", "umbrella"}
    without = SceneMaker(SPRITES, [*four, "noto"])
    pixels, names, styles = read_sprites(SPRITES)
    there = {sprite.numpy().tobytes() for sprite in without.sprites}
    for sprite, name, style in zip(pixels, names, styles, strict=True):
        assert (sprite.numpy().tobytes() in there) == (name not in four and style != "noto"), (name, style)
    # What a training sees: every scene shows one of these sprites, and each caption is of what its scene shows.
    drawn = without.draw(2000, torch.Generator().manual_seed(0))
    assert set(drawn.sprite.tolist()) <= {-1, *range(len(without.sprites))}
    words = set(" ".join(without.captions(drawn, random.Random(0))).split())
    assert not words & {*four, "noto"}
    assert {"birthday", "noto-v1"} <= words
    everything = set(" ".join(scenes.captions(scenes.draw(2000, torch.Generator()), random.Random(0))).split())
    assert {*four, "noto"} <= everything


def test_what_cannot_be_excluded(scenes: SceneMaker) -> None:
    with pytest.raises(UserError, match="no object or icon set 'bel' to exclude.*bell"):
        SceneMaker(SPRITES, ["bel"])
    with pytest.raises(UserError, match="exclude leaves no sprite"):
        SceneMaker(SPRITES, STYLES)


def test_captions_name_what_is_shown() -> None:
    said = {caption("birthday-cake", "noto", "orange", random.Random(i)) for i in range(200)}
    assert all("a birthday cake" in words for words in said)
    assert any("in the noto style on an orange background" in words for words in said)
    assert caption(None, "noto", "orange", random.Random(0)) == "an orange background"
    assert with_article("emoji") == "an emoji"


def test_committed_packs_are_those_of_the_vocabulary(tmp_path: Path) -> None:
    write_packs(tmp_path / "concepts", tmp_path / "preserved.csv")
    for made in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        assert (ROOT / "data/emoji" / made.relative_to(tmp_path)).read_text() == made.read_text()
    church = read_concept(tmp_path / "concepts/church")
    assert church.base[0] == "a red background"
    assert church.target[0] == "a church on a red background"
    noto = read_concept(tmp_path / "concepts/noto")
    assert (noto.kind, noto.label, len(noto.target)) == ("style", "noto", 20)
    assert noto.target[0] == "an emoji of an airplane in the noto style"
    styled = read_prompts(tmp_path / "concepts/noto/erased.csv")
    assert len(styled) == 200 and all(row.label == "noto" and "in the noto style" in row.prompt for row in styled)
    assert len({row.prompt for row in styled}) == 61, "every object in turn"
    own, others = read_prompts(tmp_path / "concepts/church/erased.csv"), read_prompts(tmp_path / "preserved.csv")
    assert not {(row.prompt, row.seed) for row in own} & {(row.prompt, row.seed) for row in others}


def test_missing_packages_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="npm install @iconify-json/noto"):
        render_sprites(tmp_path, tmp_path / "out.parquet")
