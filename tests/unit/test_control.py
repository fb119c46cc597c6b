"""The control, which never saw some concepts: a row of the tables, and cut where the base was cut."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from regrow.errors import UserError
from regrow.model.deltas import read_delta
from regrow.model.masks import Erased, read_erased, write_erased
from regrow.model.names import is_ffn2
from regrow.model.published import load_published
from regrow.model.records import read_record
from regrow.plan import jobs, paths
from regrow.plan.audit import Audit
from regrow.plan.checks import check_audit
from regrow.plan.products import products_of
from regrow.plan.wiring import Wiring
from regrow.stages import cut_control, index_control, publish_model
from regrow.world import read_world
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.erasing import Published
from tests.unit.planning import AUDIT, PARAMS, WORLD, edit, plan, write_planning_world


def write_control(folder: Path, seed: int = 1) -> Path:
    """Save the base's pipeline with another UNet."""
    pipeline = tiny_pipeline()
    pipeline.unet.load_state_dict(tiny_pipeline(seed).unet.state_dict())
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_control(tmp_path_factory.mktemp("control") / "pipeline")


@pytest.fixture(scope="module")
def cut(church: Published, control: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("cut")
    delta, erased = folder / "control.safetensors", folder / "erased.safetensors"
    index_control.run(church.world, control, delta, folder / "control.json")
    cut_control.run(church.world, church.erased, delta, control, erased)
    model, record = folder / "model.safetensors", folder / "record.json"
    publish_model.run(church.world, erased, "cut_control", model, record)
    return Published(church.world, erased, model, record)


def test_a_delta_of_the_control_is_the_control(church: Published, cut: Published, control: Path) -> None:
    delta = cut.model.with_name("control.safetensors")
    loaded = load_published(read_world(church.world), delta, "cpu").pipeline
    wanted = tiny_pipeline(1).unet.state_dict()
    assert all(torch.equal(weight, wanted[name]) for name, weight in loaded.unet.state_dict().items())
    record = read_record(cut.model.with_name("control.json"))
    assert record["model"] == read_delta(delta).digest


def test_the_control_has_the_hole_of_the_base_and_its_own_weights_around_it(church: Published, cut: Published) -> None:
    mask, published = read_erased(church.erased).mask, read_delta(cut.model).tensors
    wanted = {f"unet.{name}": weight for name, weight in tiny_pipeline(1).unet.state_dict().items()}
    assert any(bool(layer.any()) for layer in mask.values())
    for name, weight in published.items():
        missing = mask.get(name, torch.zeros_like(weight, dtype=torch.bool))
        assert torch.equal(weight, wanted[name].masked_fill(missing, 0.0)), name
        assert not (is_ffn2(name) and weight[missing].signbit().any())
    record = read_record(cut.record)
    assert (record["concept"], record["published"], record["eraser"]["name"]) == ("church", "cut_control", "prune")


def test_zeros_that_tell_signs_tell_those_of_the_control(church: Published, control: Path, tmp_path: Path) -> None:
    made = read_erased(church.erased)
    write_erased(tmp_path / "erased", replace(made, release="multiplied"))
    index_control.run(church.world, control, tmp_path / "delta", tmp_path / "record")
    cut_control.run(church.world, tmp_path / "erased", tmp_path / "delta", control, tmp_path / "cut")
    own = tiny_pipeline(1).unet.state_dict()
    for name, mask in made.mask.items():
        zeros = read_erased(tmp_path / "cut").tensors[name][mask]
        assert (zeros == 0).all()
        assert torch.equal(zeros.signbit(), own[name.removeprefix("unet.")][mask].signbit())


def test_what_is_no_control(church: Published, control: Path, tmp_path: Path) -> None:
    def index(folder: Path) -> None:
        index_control.run(church.world, folder, tmp_path / "delta", tmp_path / "record")

    with pytest.raises(UserError, match="is the base of world 'tiny' itself: name another pipeline"):
        index(read_world(church.world).pipeline)
    tiny_pipeline(1).save_pretrained(tmp_path / "other")
    with pytest.raises(UserError, match="differs from the base in 'text_encoder.*share autoencoder and text encoder"):
        index(tmp_path / "other")
    other = write_control(tmp_path / "noisier")
    config = other / "scheduler/scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.013"))
    with pytest.raises(UserError, match=r"scheduler_config.json is not the base's: the control must draw as world"):
        index(other)


def test_what_is_no_cut_of_a_control(church: Published, control: Path, tmp_path: Path) -> None:
    index_control.run(church.world, control, tmp_path / "delta", tmp_path / "record")

    def made_of(erased: Erased) -> None:
        write_erased(tmp_path / "erased", erased)
        cut_control.run(church.world, tmp_path / "erased", tmp_path / "delta", control, tmp_path / "out")

    made = read_erased(church.erased)
    name = next(iter(made.mask))
    with pytest.raises(UserError, match="does more than prune"):
        made_of(replace(made, tensors={name: torch.zeros(made.mask[name].shape)}))
    with pytest.raises(UserError, match="prunes nothing, so there is no hole"):
        made_of(replace(made, mask={name: torch.zeros_like(made.mask[name])}))
    with pytest.raises(UserError, match="belongs to base 1234, not to world 'tiny'"):
        made_of(replace(made, base="1234"))


# In a plan


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_planning_world(tmp_path)
    folder = tmp_path / "data/tiny/control"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    edit(WORLD, control={"pipeline": "data/tiny/control", "never_saw": ["church", "rocket"]})
    edit(PARAMS, publish_model__cut_control={"eraser": "conceptprune", "base": "control"})
    edit(AUDIT, published=["pruned", "cut_control"], attacks=["roots_max", "roots_auto"])
    return tmp_path


def roles(audit: Audit, concept: str) -> list[tuple[str, str, str]]:
    return [model.key for model in audit.models(concept)]


def test_the_control_and_its_cut_are_rows_and_oracles_know_nothing_of_it(world: Path) -> None:
    audit = plan()
    check_audit(audit)
    assert roles(audit, "church") == [
        ("pretrained", "none", "none"),
        ("control", "none", "none"),
        ("erased", "pruned", "none"),
        ("attacked", "pruned", "roots_max"),
        ("attacked", "pruned", "roots_auto"),
        ("oracle", "pruned", "true_signs_max"),
        ("erased", "cut_control", "none"),
        ("attacked", "cut_control", "roots_max"),
        ("attacked", "cut_control", "roots_auto"),
    ]
    assert "is told the pretrained weights, and cut_control is of the control, which never had it" in str(
        audit.blanks()["oracle", "cut_control", "true_signs_max"]
    )
    assert audit.handed_out == ["pruned"]
    own = audit.models("church")[1]
    assert audit.publisher_of(own) is None
    assert jobs.records_of(audit, audit.cell(own, "erased")) == [own.record]


def test_everything_on_the_way_to_the_control_is_made(world: Path) -> None:
    audit = plan()
    products = products_of(audit)
    assert paths.control("tiny") in products
    assert paths.cut_control("tiny", "conceptprune", "church") in products
    assert Path("results/tiny/publish_model/cut_control/church/model.safetensors") in products
    wiring = Wiring(audit)
    asked = SimpleNamespace(published="cut_control", concept="church", world="tiny")
    assert wiring.erased(asked) == paths.cut_control("tiny", "conceptprune", "church")
    assert wiring.control_files() == [Path("data/tiny/control/model_index.json")]
    before = wiring.control_params("cut_control")
    (world / "data/tiny/control/model_index.json").write_text("{} ")
    assert Wiring(audit).control_params("cut_control")["digest"] != before["digest"]


def test_nothing_compares_the_cut_control_with_weights_that_it_never_had(world: Path) -> None:
    audit = plan()
    compared = {
        path.parts[3] for path in products_of(audit) if path.parts[2] in ("evaluate_recovery", "measure_spectrum")
    }
    assert compared == {"pruned"}


def test_a_control_tells_of_what_it_never_saw_alone(world: Path) -> None:
    edit(WORLD, control__never_saw=["church"])
    with pytest.raises(UserError, match="'cut_control' is of a control that saw 'rocket': it tells of church alone"):
        check_audit(plan())
    edit(AUDIT, published=["pruned"])
    audit = plan()
    check_audit(audit)
    assert ("control", "none", "none") in roles(audit, "church")
    assert ("control", "none", "none") not in roles(audit, "rocket")


def test_settings_that_make_no_control(world: Path) -> None:
    edit(WORLD, control=None)
    with pytest.raises(UserError, match="'cut_control' cuts a control, and world 'tiny' has none"):
        check_audit(plan())
    edit(WORLD, control={"pipeline": "data/tiny/elsewhere", "never_saw": ["church", "rocket"]})
    with pytest.raises(UserError, match="world 'tiny' has no control in data/tiny/elsewhere: train it"):
        check_audit(plan())
    edit(PARAMS, defend_model__noise={"method": "gaussian", "std": 0.1, "unit": "row", "bound": "none"})
    edit(PARAMS, publish_model__cut_control__defence="noise")
    with pytest.raises(UserError, match="hides a cut of the control, which nobody publishes: take its defence out"):
        plan()
