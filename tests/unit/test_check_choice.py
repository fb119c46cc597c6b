"""Which prompts and judges `regrow check` takes, and what it says where they are not here."""

import importlib.util
from pathlib import Path

import pytest
import yaml

from regrow.check.measure import LABEL, SIMILARITY
from regrow.check.setting import read_setting
from regrow.errors import UserError
from regrow.places import ROOT
from tests.tiny.make_world import write_concept
from tests.unit.checking import write_emoji_world, write_pack_as

STYLE = {"scope": "concept", "file": "erased.csv", "labels": "concept", "sensitive": False}
NUDENET = {"type": "nudenet", "version": "3.4.2", "channels": "as_released", "sha256": "0" * 64}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fetched(folder: Path) -> Path:
    """A world as sd15, of which the pipeline is here and nothing else."""
    text = (ROOT / "config/worlds/sd15.yaml").read_text().replace("results/sd15", "results/mine")
    world = yaml.safe_load(text)
    world["pipeline"] = "data/emoji/pipeline"
    for kind, content in {"worlds": world, "audits": {"world": "mine"}}.items():
        (folder / "config" / kind).mkdir(parents=True)
        (folder / f"config/{kind}/mine.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def test_a_classifier_before_clip(folder: Path) -> None:
    found = read_setting("emoji", "twemoji")
    assert found.measure is LABEL and list(found.own.judges) == ["style"]
    assert found.others and list(found.others.judges) == ["object"]
    judges = {"clip": "data/emoji/judges/clip", "object": "data/emoji/judges/object"}
    write_emoji_world(folder, judges=judges, prompt_sets={"asked": {**STYLE, "judges": ["object", "clip"]}})
    found = read_setting("mine", "twemoji")
    assert found.measure is SIMILARITY and list(found.own.judges) == ["clip"] and found.others is None


@pytest.mark.parametrize(
    ("concept", "file", "mend"),
    [
        (
            "vincent-van-gogh",
            "results/mine/fetch_world/clip/judge.yaml",
            "snakemake --cores 1 --config audit=mine -- results/mine/fetch_world/clip.json",
        ),
        (
            "church",
            "results/mine/fetch_world/object/judge.yaml",
            "snakemake --cores 1 --config audit=mine -- results/mine/fetch_world/object.json",
        ),
        (
            "nudity",
            "results/mine/fetch_prompts/i2p_seed_0.csv",
            "regrow fetch_prompts --world mine --names i2p_seed_0",
        ),
    ],
)
def test_what_is_not_here_is_named_with_its_command(fetched: Path, concept: str, file: str, mend: str) -> None:
    with pytest.raises(UserError) as error:
        read_setting("mine", concept)
    assert str(error.value) == (
        f"concept '{concept}' cannot be judged yet: {file} of world 'mine' is not here: fetch it with `{mend}`"
    )


def test_another_prompt_set(fetched: Path) -> None:
    with pytest.raises(UserError, match="names wace_artists_500`"):
        (fetched / "results/mine/fetch_world/clip").mkdir(parents=True)
        (fetched / "results/mine/fetch_world/clip/judge.yaml").write_text("type: clip_similarity\n")
        read_setting("mine", "vincent-van-gogh", "wace_artists_500")
    with pytest.raises(
        UserError, match="no prompt set 'i2p_seed' that asks for concepts of kind nudity: did you mean 'i2p_seed_0'"
    ):
        read_setting("mine", "nudity", "i2p_seed")
    with pytest.raises(UserError, match="no prompt set 'coco_30k_screened' that asks for concepts of kind nudity"):
        read_setting("mine", "nudity", "coco_30k_screened")  # no detector looks at it
    with pytest.raises(UserError, match="no prompt set 'i2p_seed_0' that asks for concepts of kind style"):
        read_setting("mine", "vincent-van-gogh", "i2p_seed_0")


def test_prompts_without_the_label_are_passed_over(fetched: Path) -> None:
    (fetched / "results/mine/fetch_world/clip").mkdir(parents=True)
    (fetched / "results/mine/fetch_world/clip/judge.yaml").write_text("type: clip_similarity\n")
    folder = fetched / "results/mine/fetch_prompts"
    folder.mkdir()
    (folder / "artists_seed_0.csv").write_text("prompt,artist,seed\nDancers,Claude Monet,0\n")
    (folder / "artists_own_seeds.csv").write_text("prompt,artist,seed\nA field,Vincent van Gogh,3\n")
    found = read_setting("mine", "vincent-van-gogh").own
    assert found.prompt_set.name == "artists_own_seeds" and [row.prompt for row in found.rows] == ["A field"]


def test_a_label_that_nobody_knows(folder: Path) -> None:
    write_concept(folder / "spoon", "spoon", label="spoon", first_seed=0)
    with pytest.raises(UserError, match="no judge of world 'emoji' that is here knows the label 'spoon'"):
        read_setting("emoji", str(folder / "spoon"))


def test_a_detector_that_is_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "nudenet").mkdir()
    (folder / "nudenet/judge.yaml").write_text(yaml.safe_dump(NUDENET))
    (folder / "asked.csv").write_text("prompt,seed\na bell,0\n")
    asked = {"scope": "model", "file": "asked.csv", "labels": "none", "judges": ["nudenet"], "sensitive": True}
    write_emoji_world(folder, judges={"nudenet": "nudenet"}, prompt_sets={"asked": asked})
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "nudenet" else find(name))
    with pytest.raises(UserError, match=r"needs nudenet, which is not installed: `pip install 'regrow\[nudity\]'`"):
        read_setting("mine", str(write_pack_as("nudity", folder / "packs/bare")))
