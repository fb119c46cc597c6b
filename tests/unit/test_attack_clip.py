"""The CLIP by which attacks are steered: its number and its gradient, and that it never judges."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from regrow.attack._clip import load_similarity
from regrow.errors import UserError
from regrow.images.prompts import Prompt
from regrow.judges import load_judge
from regrow.plan.attack_clip import check_attack_clip
from regrow.plan.audit import Audit
from regrow.plan.checks import check_audit
from regrow.plan.wiring import Wiring
from tests.unit.planning import WORLD, edit, plan, write_planning_world, write_yaml

DATA = Path(__file__).parents[2] / "data/emoji"
CLIP = DATA / "judges/clip"  # any will do for the number
TEXTS = ["an emoji of a cat", "a red background", "an emoji of a cat"]


def pictures(size: int = 32) -> torch.Tensor:
    """Return three images of noise, float32 in [0, 1], as bytes can say them."""
    return (torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0)) * 255).round() / 255


def test_it_is_the_cosine_that_a_judge_would_say() -> None:
    found = load_similarity(CLIP, "cpu")(pictures(), TEXTS)
    judge = load_judge(CLIP)
    images = [Image.fromarray((one.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()) for one in pictures()]
    judge.update(images, [Prompt(case, text, 0, "") for case, text in enumerate(TEXTS)])
    assert found.tolist() == pytest.approx([row["similarity"] for row in judge.compute()], abs=1e-5)


def test_its_gradient_is_that_of_small_differences() -> None:
    similarity, images = load_similarity(CLIP, "cpu"), pictures(48).requires_grad_()
    (gradient,) = torch.autograd.grad(similarity(images, TEXTS).sum(), images)
    direction = gradient / gradient.norm()
    with torch.no_grad():
        more, less = (similarity(images + step * direction, TEXTS).sum() for step in (0.02, -0.02))
    assert float(more - less) / 0.04 == pytest.approx(float(gradient.norm()), rel=0.02)


def test_a_folder_that_is_no_clip(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a judge of type classifier, which has no texts"):
        load_similarity(DATA / "judges/object", "cpu")
    with pytest.raises(UserError, match="there is no judge in"):
        load_similarity(tmp_path, "cpu")


# In a plan


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    own = Path("data/tiny/attack_clip")
    own.mkdir()
    write_yaml(own / "judge.yaml", {"type": "clip_similarity", "weights": "model.safetensors"})
    (own / "model.safetensors").write_text("its own")
    edit(WORLD, attack_clip="data/tiny/attack_clip")


def test_the_clip_of_attacks_is_none_of_the_judges(world: None) -> None:
    check_audit(plan())
    shutil.copy("data/tiny/attack_clip/model.safetensors", "data/tiny/judges/clip/model.safetensors")
    with pytest.raises(UserError, match="attack_clip has the weights of the judge 'clip'"):
        check_audit(plan())
    edit(WORLD, attack_clip="data/tiny/judges/style")
    with pytest.raises(UserError, match="attack_clip is of type classifier, which compares no images with texts"):
        check_audit(plan())
    edit(WORLD, attack_clip="data/tiny/nothing")
    with pytest.raises(UserError, match="there is no CLIP in data/tiny/nothing"):
        check_audit(plan())


def test_nor_one_that_will_be_fetched(world: None) -> None:
    origin = {
        "repo": "some/clip",
        "revision": "0" * 40,
        "licence": "MIT",
        "files": {"weights.safetensors": None},
        "judge": {"type": "clip_similarity", "weights": "weights.safetensors"},
    }
    fetched = "results/tiny/fetch_world/attack_clip"
    edit(WORLD, attack_clip=fetched, fetch={"attack_clip": origin, "clip": {**origin, "repo": "some/other"}})
    edit(WORLD, judges__clip="results/tiny/fetch_world/clip")
    check_audit(plan())
    edit(WORLD, fetch__clip=origin)
    with pytest.raises(UserError, match="attack_clip has the weights of the judge 'clip'"):
        check_audit(plan())


def test_a_tag_of_open_clip_is_told_apart_by_its_name(world: None) -> None:
    named = {"type": "clip_similarity", "architecture": "ViT-B-32", "weights": "openai"}
    write_yaml(Path("data/tiny/attack_clip/judge.yaml"), named)
    write_yaml(Path("data/tiny/judges/clip/judge.yaml"), named)
    with pytest.raises(UserError, match="attack_clip has the weights of the judge 'clip'"):
        check_audit(plan())


def test_a_rule_has_the_clip_where_its_attack_needs_one(world: None, monkeypatch: pytest.MonkeyPatch) -> None:
    wiring, job = Wiring(plan()), SimpleNamespace(attack="roots_max")
    assert wiring.attack_clip(job) == []
    assert [value(job) for value in wiring.attack_clip_params().values()] == ["", ""]
    monkeypatch.setattr(type(wiring.audit), "needs_clip", lambda self, attack: attack == "roots_max")
    assert [path.name for path in wiring.attack_clip(job)] == ["judge.yaml", "model.safetensors"]
    folder, digest = (value(job) for value in wiring.attack_clip_params().values())
    assert (folder, digest) == ("data/tiny/attack_clip", wiring.digest(Path("data/tiny/attack_clip")))
    edit(WORLD, attack_clip=None)
    with pytest.raises(UserError, match="'roots_max' is steered by a CLIP of its own, and world 'tiny' names none"):
        check_audit(plan())


@pytest.mark.parametrize("audit", ["emoji", "sd15"])
def test_the_worlds_of_the_record_have_one_that_judges_nothing(audit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DATA.parents[1])
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    found = Audit.current(audit)
    assert found.world.attack_clip
    check_attack_clip(found)
