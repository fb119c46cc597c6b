"""What a paper prints beside ours: which of its classes an audit has, and in what the two protocols differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from regrow.config.reader import read_yaml
from regrow.images.csv_rows import same_text
from regrow.places import ROOT
from regrow.plan.judges import settings_of_judge
from regrow.tables.selection import label_judge

if TYPE_CHECKING:
    import pandas as pd

    from regrow.plan.audit import Audit

UNET = "unet/diffusion_pytorch_model.safetensors"


def same_classes(audit: Audit, reported: pd.DataFrame | None) -> dict[str, str]:
    """Return the audit's concepts that the paper prints too, with the paper's word for each, such as Golf Ball."""
    printed = [] if reported is None else list(dict.fromkeys(map(str, reported["concept"])))
    words = {same_text(word): word for word in printed}
    found = {concept: words.get(same_text(str(audit.label(concept)))) for concept in audit.concepts}
    return {concept: word for concept, word in found.items() if word is not None}


def differences(audit: Audit, family: str, prompt_set: str | None = None, more: Iterable[str] = ()) -> str:
    """Say in what an audit differs from a paper's protocol; without a prompt set, only in how models were made.

    Parameters
    ----------
    audit : Audit
        The plan.
    family : str
        A folder of data/reported.
    prompt_set : str or None
        Whose images are compared.
    more : iterable of str
        What the table itself knows to differ.
    """
    protocol = read_yaml(ROOT / "data/reported" / family / "protocol.yaml")
    found = [*_of_models(audit, protocol), *(_of_images(audit, protocol, prompt_set) if prompt_set else ()), *more]
    return f"Not the same here: {'; '.join(found)}." if found else "Same model and settings."


def _of_models(audit: Audit, protocol: Mapping[str, Any]) -> Iterator[str]:
    part = audit.fetched_part(audit.world.pipeline)  # None where the base model is a folder of the user's own
    if part is None or audit.world.fetch[part].files.get(UNET) != protocol["model"]["unet"]:
        yield f"the base model ({audit.world.title}, there {protocol['model']['name']})"
    for published in audit.published:
        eraser = audit.params.publish_model[published].eraser
        yield from _other(f"{published}'s ", audit.params.erase_concept[eraser], protocol["eraser"])


def _of_images(audit: Audit, protocol: Mapping[str, Any], prompt_set: str) -> Iterator[str]:
    judge = settings_of_judge(audit.world, label_judge(audit, prompt_set, audit.concepts[0]))
    if any(judge.get(key) != value for key, value in protocol["judge"].items()):
        yield f"the judge (there {protocol['judge']['architecture']}, {protocol['judge']['weights']})"
    if audit.counts[prompt_set] != protocol["images"]:
        yield f"{audit.counts[prompt_set]} images per cell (there {protocol['images']})"
    settings = audit.params.generate_images.model_dump()
    yield from _other("the sampler's ", settings, protocol["sampler"])
    yield from _other("", settings, {"dtype": protocol["dtype"]})
    yield str(protocol["always"])


def _other(whose: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for key, value in theirs.items():
        if ours.get(key) != value:
            yield f"{whose}{key} {ours.get(key)} (there {value})"
