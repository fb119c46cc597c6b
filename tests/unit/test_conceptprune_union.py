"""Several concepts in one model: the union of their masks, by the eraser and through its stage."""

from pathlib import Path

import pytest
import torch

from regrow.concepts import Concept, Find
from regrow.erase._together import WorkTogether
from regrow.erase.conceptprune import Options as OfOne
from regrow.erase.conceptprune import conceptprune
from regrow.erase.conceptprune_union import Options, conceptprune_union
from regrow.errors import UserError
from regrow.model.masks import read_erased
from regrow.model.published import read_published
from regrow.stages import erase_concept
from regrow.work import Work
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.erasing import CONCEPTPRUNE, erase, publish

TOGETHER = ["church", "rocket"]


def pack(word: str) -> Concept:
    return Concept(name=word, kind="object", label=word, find=Find(base=["a road"], target=[f"a {word} on the road"]))


def test_the_union_of_what_each_concept_loses() -> None:
    pipeline, packs = tiny_pipeline(0), [pack(word) for word in ("church", "rocket", "cat")]
    options = Options(together=["church", "rocket", "cat"], **CONCEPTPRUNE)
    found = conceptprune_union(pipeline, packs[0], options, WorkTogether(Path("unused"), "cpu", tuple(packs[1:])))
    alone = [conceptprune(pipeline, one, OfOne(**CONCEPTPRUNE), Work(Path("unused"), "cpu")) for one in packs]
    for name, mask in found.items():
        assert torch.equal(mask, alone[0][name] | alone[1][name] | alone[2][name])
    assert all(any((found[name] & ~one[name]).any() for name in found) for one in alone)


def erase_together(world: Path, out: Path, concept: str, together: list[str]) -> Path:
    path = out / concept / "erased.safetensors"
    options = {"together": together, **CONCEPTPRUNE}
    erase_concept.run(world, concept, "conceptprune_union", options, "together", out / "work", "cpu", path)
    return path


def test_one_model_whichever_concept_is_revived(erased_world: Path, tmp_path: Path) -> None:
    files = {}
    for concept in TOGETHER:
        path = erase_together(erased_world, tmp_path, concept, TOGETHER)
        assert read_erased(path).recipe["concept"] == concept
        files[concept] = publish(erased_world, path, tmp_path / concept)
    assert files["church"].model.read_bytes() == files["rocket"].model.read_bytes()
    (tmp_path / "alone").mkdir()
    alone = publish(erased_world, erase(erased_world, tmp_path / "alone"), tmp_path / "alone")
    assert read_published(alone.model).digest != read_published(files["church"].model).digest


def test_a_concept_that_the_list_lacks_is_added(erased_world: Path, tmp_path: Path) -> None:
    with_both = read_erased(erase_together(erased_world, tmp_path / "a", "church", TOGETHER)).mask
    added = read_erased(erase_together(erased_world, tmp_path / "b", "church", ["rocket"])).mask
    assert all(torch.equal(added[name], mask) for name, mask in with_both.items())


def test_a_concept_that_the_world_lacks(erased_world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="world 'tiny' has no concept 'rockte': did you mean 'rocket'?"):
        erase_together(erased_world, tmp_path, "church", ["church", "rockte"])
