"""docs/numerics.md, line by line: the type that each stage computes and writes in."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from regrow.arithmetic import full_float32
from regrow.completion import complete_matrix
from regrow.concepts import Concept, Find
from regrow.config.layers import resolve
from regrow.config.reader import read_yaml
from regrow.dependencies import PACKAGE, stages
from regrow.erase import _skill
from regrow.erase import conceptprune as eraser
from regrow.erase.conceptprune import Options
from regrow.errors import UserError
from regrow.io.safetensors import read_tensors
from regrow.model.dtypes import narrowed
from regrow.model.zeros import zeros_by_origin
from regrow.stages import attack_weights, complete_weights, erase_concept, index_world
from regrow.work import Work
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.erasing import COMPLETERS, CONCEPTPRUNE, Published, erase

ROOT = Path(__file__).parents[2]
TABLE = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", (ROOT / "docs/numerics.md").read_text(), re.M))
FIND = Find(base=["a road", "a garden"], target=["a church on the road", "a church in a garden"])
CHURCH = Concept(name="church", kind="object", label="church", find=FIND)


def seen_dtypes(monkeypatch: pytest.MonkeyPatch, stage: Any) -> list[Any]:
    """Return the list to which each loading of a base model in a stage adds its type."""
    dtypes: list[Any] = []
    load = stage.load_base
    monkeypatch.setattr(
        stage, "load_base", lambda *args: (dtypes.append(args[2] if len(args) > 2 else "float32"), load(*args))[1]
    )
    return dtypes


def test_the_table_has_every_stage_that_computes_with_weights_or_images() -> None:
    computing = {
        stage
        for stage in stages()
        if re.search(r"^(?:import torch|from torch|.*\b(?:Tensor|load_base|Judge)\b)", source(stage), re.M)
    }
    of_the_emoji_world = {"report_world", "survey_concepts", *(name for name in stages() if name.startswith("train_"))}
    assert computing - of_the_emoji_world <= set(TABLE)
    assert set(TABLE) <= set(stages())


def source(stage: str) -> str:
    return (PACKAGE / f"stages/{stage}.py").read_text()


@pytest.mark.parametrize("stage", [name for name, numbers in TABLE.items() if numbers.startswith("float32")])
def test_stages_of_float32_load_no_base_in_another_type(stage: str) -> None:
    calls = re.findall(r"load_base\(([^()]*(?:\([^()]*\)[^()]*)*)\)", source(stage))
    assert all("float16" not in call and "dtype" not in call for call in calls)


@pytest.mark.parametrize(("precision", "dtype"), [("float32", "float32"), ("mixed", "float16"), ("float16", "float16")])
def test_an_eraser_gets_the_model_in_its_precision(
    erased_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, dtype: str
) -> None:
    dtypes, sums = seen_dtypes(monkeypatch, erase_concept), []
    made = _skill.Recorder

    def watch(calls: int, kind: torch.dtype) -> Any:
        sums.append(kind)
        return made(calls, kind)

    monkeypatch.setattr(_skill, "Recorder", watch)
    erase(erased_world, tmp_path, precision=precision)
    assert dtypes == [dtype]
    assert set(sums) == {torch.float16 if precision == "float16" else torch.float32}


@pytest.mark.parametrize("audit", ["demo", "sd15"])
def test_an_audit_can_list_the_released_codes_arithmetic_beside_ours(audit: str) -> None:
    file = ROOT / "params.yaml"
    params = resolve({**read_yaml(file), "audit": audit}, [file]).params
    ours, released = (params.erase_concept[params.publish_model[name].eraser] for name in ("pruned", "pruned_float16"))
    assert released["precision"] == "float16" != ours["precision"]
    assert {**released, "precision": ours["precision"]} == ours, "they differ in nothing else"


def test_precisions_agree_but_for_ties() -> None:
    masks = {}
    for precision, dtype in (("float32", None), ("mixed", torch.float16), ("float16", torch.float16)):
        pipeline = tiny_pipeline()
        if dtype is not None:
            pipeline.to(dtype)
        options = Options(**{**CONCEPTPRUNE, "precision": precision, "batch": 1})
        found = eraser.conceptprune(pipeline, CHURCH, options, Work(Path("unused"), "cpu"))
        masks[precision] = torch.cat([mask.flatten() for mask in found.values()])

    def jaccard(one: str, other: str) -> float:
        return float((masks[one] & masks[other]).sum() / (masks[one] | masks[other]).sum())

    assert jaccard("float32", "mixed") > 0.8
    assert jaccard("float32", "float16") < jaccard("float32", "mixed"), "sums in float16 lose more than the UNet does"


def test_sums_in_float16_stop_growing_and_those_in_float32_do_not() -> None:
    row = torch.zeros(1, 4, dtype=torch.float16)
    row[0, 0], row[0, 1] = 1.0, 0.1
    for dtype, grows in ((torch.float16, False), (torch.float32, True)):
        recorder = _skill.Recorder(1, dtype)
        recorder.count()
        recorder.squares[0]["layer"] = torch.full((4,), 4096.0, dtype=dtype)
        before = recorder.norms[0]["layer"].clone()
        recorder.add("layer", row)
        assert recorder.squares[0]["layer"].dtype == dtype
        assert bool(recorder.norms[0]["layer"][0] > before[0]) is grows
        assert torch.isfinite(recorder.norms[0]["layer"]).all()


def test_a_unet_that_overflows_erases_nothing_in_silence() -> None:
    pipeline = tiny_pipeline()
    with torch.no_grad():
        pipeline.unet.mid_block.attentions[0].transformer_blocks[0].ff.net[0].proj.weight.fill_(3e38)
    options = Options(**CONCEPTPRUNE)
    with pytest.raises(UserError, match="are NaN or infinite in UNet call 1: set the eraser's precision to float32"):
        eraser.conceptprune(pipeline, CHURCH, options, Work(Path("unused"), "cpu"))


def test_float32_means_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = products.fp32_precision
    seen = []
    module = __import__("regrow.complete.nuclear", fromlist=["nuclear"])
    solve = module.nuclear
    monkeypatch.setattr(
        module,
        "nuclear",
        lambda *args: (seen.append((products.fp32_precision, convolutions.fp32_precision)), solve(*args))[1],
    )
    weights = torch.randn(8, 32, generator=torch.Generator().manual_seed(0))
    products.fp32_precision = (
        "tf32"  # PyTorch keeps it outside the object, where monkeypatch finds nothing to take back
    )
    try:
        complete_matrix(weights, weights > 1, "nuclear", COMPLETERS["nuclear"])
        told = products.fp32_precision
    finally:
        products.fp32_precision = before
    assert seen == [("ieee", "ieee")]
    assert told == "tf32", "the caller's setting comes back"


@pytest.mark.parametrize(
    "stage", ["erase_concept", "complete_weights", "generate_images", "score_images", "score_sets"]
)
def test_stages_that_compute_turn_tf32_off(stage: str) -> None:
    text = source("_drawing" if stage == "generate_images" else stage)
    assert re.search(r"full_float32\(\)", text)
    assert full_float32.__module__ == "regrow.arithmetic"


def test_what_is_completed_and_attacked_is_of_float32_where_it_has_to_be(church: Published, tmp_path: Path) -> None:
    completed, attacked = tmp_path / "completed.safetensors", tmp_path / "attacked.safetensors"
    method, options = "nuclear", COMPLETERS["nuclear"]
    complete_weights.run(church.model, method, options, completed, tmp_path / "trace", 0, "cpu", 1)
    roots = {"retain": 0.6, "magnitude": "max", "rank": "magnitude", "seed": 2021}
    attack_weights.run(
        church.model, completed, "roots", "roots", roots, {"name": "nuclear"}, attacked, tmp_path / "record"
    )
    kinds = {tensor.dtype for path in (completed, attacked) for tensor in read_tensors(path).values()}
    assert kinds == {torch.float32, torch.uint8}


@pytest.mark.parametrize(
    ("values", "kept"),
    [([1.0, -0.5, 0.0], torch.float16), ([1.0 + 1e-6], torch.float32), ([1e-9], torch.float32)],
)
def test_a_weight_is_kept_in_the_bases_type_unless_that_rounds_it(values: list[float], kept: torch.dtype) -> None:
    tensor = torch.tensor(values)
    assert narrowed(tensor, torch.float16).dtype == kept
    assert torch.equal(narrowed(tensor, torch.float16).float(), tensor)


def test_the_margin_of_neuron_max_needs_float32() -> None:
    largest = torch.tensor([0.75], dtype=torch.float16)
    raised = largest.float() * (1 + 1e-6)
    assert raised > largest and narrowed(raised, torch.float16).dtype == torch.float32
    assert raised.half() == largest, "in float16 the margin vanishes"


def test_zeros_by_where_they_come_from() -> None:
    base = {"a": torch.tensor([0.0, 2.0, 3.0, 1e-9, 5.0]), "b": torch.tensor([1.0])}
    mask = {"a": torch.tensor([False, True, False, False, False])}
    published = {"a": torch.tensor([0.0, 0.0, 3.0, 1e-9, 5.0]).half(), "b": torch.tensor([1e-12]).half()}
    assert zeros_by_origin(published, mask, base) == {"pruned": 1, "in_base": 1, "underflow": 2}


def test_index_world_looks_at_what_is_stored(erased_world: Path) -> None:
    assert "load_base(Path(pipeline))" in source("index_world") and index_world.load_base.__defaults__[-1] == "float32"
