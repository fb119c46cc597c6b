"""Attackers who have a public sibling of the base: what they find by it, and that nobody else is given one."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from regrow.attack.sibling import sibling
from regrow.complete._difference import differing
from regrow.errors import UserError
from regrow.infer import difference
from regrow.methods import KNOWLEDGE, knowledge_of, load_method, parse_options
from regrow.model.completed import read_completed
from regrow.model.masks import read_erased
from regrow.model.names import is_ffn2
from regrow.model.published import PublishedWeights, read_published
from regrow.model.records import read_record
from regrow.model.sibling import read_sibling
from regrow.plan.checks import check_audit
from regrow.plan.downloads import parts_of_world
from regrow.plan.wiring import Wiring
from regrow.stages import attack_weights, complete_weights
from regrow.world import read_world
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.erasing import COMPLETERS, Published
from tests.unit.planning import AUDIT, PARAMS, WORLD, edit, plan, write_planning_world

DATA = Path(__file__).parents[2] / "data/emoji"
WEIGHTS = {"sibling": "branch", "take": "weights", "missing": "zeros", "deviations": None, "magnitude": None, "seed": 0}
FOUND = {"missing": "difference", "deviations": 6.0}


def options(**changes: Any) -> Any:
    return parse_options("attack_weights", "sibling", {**WEIGHTS, **changes})


def published(weight: torch.Tensor, other: torch.Tensor | None) -> PublishedWeights:
    return PublishedWeights({"w": weight}, {"w": weight}, "base", "digest", None if other is None else {"w": other})


# By hand


def test_what_differs_more_than_usual() -> None:
    # Differences .1 .1 .1 0 .5; their median is .1, so six robust deviations are .89, and three .44.
    weight, other = torch.tensor([[1.0, 2.0, 3.0, 4.0, 0.0]]), torch.tensor([[1.1, 1.9, 3.1, 4.0, 0.5]])
    assert not differing(weight, other, 6.0).any()
    assert differing(weight, other, 3.0).tolist() == [[False, False, False, False, True]]
    same = torch.tensor([[1.0, 2.0, 3.0, 4.0, 1e-7]])
    assert differing(weight, same, 6.0).tolist() == [[False, False, False, False, True]], "the base itself"


def test_a_fill_hides_nothing_from_a_sibling() -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(64, 256, generator=generator)
    other = base + 0.02 * torch.randn(base.shape, generator=generator)
    cut = base.abs() > 1.4  # a sixth, as large as ConceptPrune's choice is
    filled = torch.where(cut, torch.randn(base.shape, generator=generator), base)
    found = difference.difference({"w": filled}, difference.Options(sibling="branch", deviations=6.0), {"w": other})[
        "w"
    ]
    assert found[cut].float().mean() > 0.9
    assert found[~cut].float().mean() < 1e-3


def test_a_sibling_gives_its_weights_or_its_signs() -> None:
    weight, other = torch.tensor([[3.0, 0.0, -0.0, -1.0]]), torch.tensor([[2.0, -5.0, 0.25, 1.0]])
    given = published(weight, other)
    assert sibling(given, None, options())["w"].tolist() == [[3.0, -5.0, 0.25, -1.0]]
    signs = sibling(given, None, options(take="signs", magnitude="average"))["w"]
    assert signs.tolist() == [[3.0, -2.0, 2.0, -1.0]]  # the mean of |3| and |-1|


def test_a_row_of_which_nothing_is_left_has_weights_of_a_sibling_and_no_size_of_its_own() -> None:
    weight, other = torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([[2.0, -5.0], [1.0, 4.0]])
    assert sibling(published(weight, other), None, options())["w"].tolist() == [[3.0, -5.0], [1.0, 4.0]]
    signs = sibling(published(weight, other), None, options(take="signs", magnitude="max"))["w"]
    assert signs[1].tolist() == [0.0, 0.0] and signs[0, 1] < 0


def test_what_a_sibling_cannot_do() -> None:
    weight = torch.tensor([[3.0, 1.0]])
    with pytest.raises(UserError, match="was given no sibling of the base"):
        sibling(published(weight, None), None, options())
    with pytest.raises(UserError, match="finds nothing missing by zeros"):
        sibling(published(weight, weight), None, options())
    with pytest.raises(UserError, match="missing difference needs deviations, and zeros takes none"):
        options(missing="difference")
    with pytest.raises(UserError, match="take signs needs a magnitude, and weights takes none"):
        options(magnitude="max")


# In the stages


@pytest.fixture(scope="module")
def branch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save the base after a little more training: every weight moved by a thousandth of its tensor's size."""
    folder = tmp_path_factory.mktemp("branch") / "pipeline"
    pipeline = tiny_pipeline()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in pipeline.unet.parameters():
            weight += 1e-3 * weight.std(correction=0) * torch.randn(weight.shape, generator=generator)
    pipeline.save_pretrained(folder)
    return folder


def attack(model: Path, folder: Path, out: Path, **changes: Any) -> dict[str, Any]:
    attack_weights.run(
        model, None, "mine", "sibling", {**WEIGHTS, **changes}, None, out, out.with_suffix(".json"), folder
    )
    return read_record(out.with_suffix(".json"))


def test_a_sibling_brings_back_nearly_all(church: Published, branch: Path, tmp_path: Path) -> None:
    record = attack(church.model, branch, tmp_path / "out.safetensors", **FOUND)
    assert record["knowledge"] == ["sibling"] and record["flags"] == []
    back, before = read_published(tmp_path / "out.safetensors").ffn2, tiny_pipeline().unet.state_dict()
    for name, weight in back.items():
        assert torch.allclose(weight, before[name.removeprefix("unet.")], atol=0.01), name


def test_a_sibling_that_is_the_base_is_said_aloud(
    church: Published, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = attack(church.model, read_world(church.world).pipeline, tmp_path / "out.safetensors")
    assert record["flags"] == ["sibling_is_base"]
    assert "has the base's own weights and is no sibling: who has it knows every pruned weight" in caplog.text


def test_a_completer_finds_the_cut_by_a_sibling(church: Published, branch: Path, tmp_path: Path) -> None:
    mask = {"name": "difference", "method": "difference", "sibling": "branch", "deviations": 6.0}

    def complete(folder: Path | None, how: dict[str, Any] | None = mask) -> None:
        out = tmp_path / "out"
        complete_weights.run(
            church.model, "nuclear", COMPLETERS["nuclear"], out, tmp_path / "trace", 0, "cpu", 1, how, folder
        )

    complete(branch)
    found = read_completed(tmp_path / "out", read_published(church.model)).missing
    truth = read_erased(church.erased).mask
    hits = sum(int((found[name] & truth[name]).sum()) for name in truth)
    assert hits > 0.95 * sum(int(mask.sum()) for mask in truth.values())
    assert sum(int((found[name] & ~truth[name]).sum()) for name in truth) == 0
    with pytest.raises(UserError, match="mask 'difference' and a sibling of the base: it knows one: give the folder"):
        complete(None)
    with pytest.raises(UserError, match="mask 'zeros' and a sibling of the base: it knows none: leave it out"):
        complete(branch, None)


def test_nobody_else_is_given_a_sibling(church: Published, branch: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="attack 'mine' and a sibling of the base: it knows none: leave it out"):
        quantize = {"scheme": "int4_rows", "block": None}
        out, record = tmp_path / "out", tmp_path / "record"
        attack_weights.run(church.model, None, "mine", "quantize", quantize, None, out, record, branch)
    with pytest.raises(UserError, match="attack 'mine' and a sibling of the base: it knows one: give the folder"):
        attack_weights.run(church.model, None, "mine", "sibling", WEIGHTS, None, tmp_path / "out", tmp_path / "record")


@pytest.mark.parametrize("change", [lambda weight: weight[:4], None])
def test_a_sibling_of_another_architecture(
    church: Published, branch: Path, tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor] | None
) -> None:
    file = branch / "unet/diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    name = next(name for name in weights if name.endswith("ff.net.2.weight"))
    if change is None:
        del weights[name]
    else:
        weights[name] = change(weights[name]).contiguous()
    (tmp_path / "other/unet").mkdir(parents=True)
    save_file(weights, tmp_path / "other/unet" / file.name)
    with pytest.raises(UserError, match=r"other is no sibling of the published model's base.*" + name):
        read_sibling(tmp_path / "other", read_published(church.model))


# In a plan


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_planning_world(tmp_path)
    folder = tmp_path / "data/tiny/branch/unet"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    edit(WORLD, siblings={"branch": "data/tiny/branch"})
    edit(PARAMS, attack_weights__by_sibling={"method": "sibling", **WEIGHTS})
    edit(PARAMS, infer_mask={"difference": {"method": "difference", "sibling": "branch", "deviations": 6.0}})
    edit(PARAMS, complete_weights__differing={"method": "nuclear", "mask": "difference", **COMPLETERS["nuclear"]})
    roots = {"method": "roots", "retain": 0.6, "magnitude": "max", "rank": "magnitude", "seed": 0}
    edit(PARAMS, attack_weights__roots_differing={**roots, "completer": "differing"})
    edit(AUDIT, attacks=["int4_rows", "roots_max", "roots_differing", "by_sibling"])


def test_the_wall_gives_a_sibling_to_whom_declares_it(world: None) -> None:
    audit = plan()
    check_audit(audit)
    wiring = Wiring(audit)
    jobs = [SimpleNamespace(get={"attack": attack}.get, attack=attack) for attack in audit.attacks]
    given = {job.attack: wiring.sibling(job) for job in jobs}
    there = [Path("data/tiny/branch/unet/config.json")]
    assert given == {"int4_rows": [], "roots_max": [], "roots_differing": [], "by_sibling": there}
    for completer, files in {"nuclear": [], "gaussian_posterior": [], "differing": there}.items():
        job = SimpleNamespace(get={"completer": completer}.get, completer=completer)
        assert wiring.sibling(job) == files
        assert bool(wiring.sibling_params()["sibling_digest"](job)) == bool(files)
    # Who attacks with what a sibling told a completer knows the sibling as well.
    assert {attack: audit.knowledge(attack) for attack in audit.attacks} == {
        "int4_rows": ("nothing",),
        "roots_max": ("nothing",),
        "roots_differing": ("sibling",),
        "by_sibling": ("sibling",),
    }
    assert knowledge_of(load_method("attack", "roots"), load_method("infer", "difference")) == ("sibling",)
    assert "sibling" in KNOWLEDGE


def test_a_sibling_or_a_control_is_fetched_where_a_table_rests_on_it(world: None) -> None:
    part = {"url": "https://example.org", "licence": "MIT", "files": {"unet/config.json": None}}
    edit(WORLD, fetch={"branch": part, "other": part, "never_saw": part})
    folder = "results/tiny/fetch_world"
    edit(WORLD, siblings={"branch": f"{folder}/branch", "other": f"{folder}/other"})
    edit(WORLD, control={"pipeline": f"{folder}/never_saw", "never_saw": ["church"]})
    audit = plan()
    check_audit(audit)
    assert parts_of_world(audit, audit.tables) == ["branch", "never_saw"]
    job = SimpleNamespace(get={"attack": "by_sibling"}.get, attack="by_sibling")
    assert Wiring(audit).sibling(job) == [Path(folder) / "branch.json"]
    edit(AUDIT, attacks=["int4_rows", "roots_max"], concepts=["rocket"])
    assert parts_of_world(plan(), plan().tables) == []


def test_siblings_that_a_world_cannot_give(world: None) -> None:
    for siblings, said in (
        ({}, "attack 'roots_differing' knows the sibling 'branch' of the base, and world 'tiny' names no such model"),
        ({"branch": "data/tiny/pipeline"}, "its sibling 'branch' is the base itself"),
        ({"branch": "data/tiny/nowhere"}, "world 'tiny' has no sibling in data/tiny/nowhere: fetch it"),
    ):
        edit(WORLD, siblings=siblings)
        with pytest.raises(UserError, match=said):
            check_audit(plan())


def test_the_committed_sibling_is_near_the_base_and_not_the_base() -> None:
    name = "unet/diffusion_pytorch_model.safetensors"
    branch, base = (load_file(DATA / folder / name) for folder in ("branch", "pipeline"))
    assert len(branch) == 16 and all(is_ffn2(f"unet.{key}") for key in branch)
    far = [
        float((weight.float() - base[key].float()).norm() / base[key].float().norm()) for key, weight in branch.items()
    ]
    assert min(far) > 0.005 and max(far) < 0.1
