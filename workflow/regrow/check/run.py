"""Check a model that somebody pruned, from its file to an answer; see docs/check.md."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path

from torch import Tensor

from regrow.check.answer import Answer, Findings, answer
from regrow.check.attacks import ATTACKS, attack, check_attacks, write_view
from regrow.check.candidate import Candidate, read_candidate
from regrow.check.copies import find_copies
from regrow.check.drawing import OTHERS, Cell, Count, draw_and_judge, number_of_images
from regrow.check.missing import SPARSE, differs, find_cuts, read_mask, read_wired
from regrow.check.pipeline import index_pipeline, write_pipeline
from regrow.check.say import as_card, as_record, as_text
from regrow.check.setting import Setting, read_setting
from regrow.device import check_device
from regrow.errors import UserError
from regrow.evaluate.leftovers import Leftover
from regrow.io.files import write_json, write_text
from regrow.model.pipelines import read_base
from regrow.world import read_world

log = logging.getLogger(__name__)

TELLING = ("nan_payload", "subnormals", "hidden_storage", "name")  # the rest tells what was changed, and no weights
SHOWN = 5  # traces of one kind


def run(
    model: Path,
    concept: str,
    world: str,
    base: Path | None,
    mask: Path | None,
    images: int | None,
    attacks: Sequence[str],
    out: Path | None,
    device: str | None,
) -> int:
    """Check a model, print the answer and return the exit code.

    Parameters
    ----------
    model : Path
        File or folder, see `regrow.check.candidate.read_candidate`.
    concept : str
        Folder of a concept pack, or the name of one of the world.
    world : str
        A file of config/worlds: parts that the file lacks, prompts, judges, sampler.
    base : Path or None
        Pipeline that the model was made from, if an attacker has it too.
    mask : Path or None
        What is missing, see `regrow.check.missing.read_mask`.
    images : int or None
        Of each model.
    attacks : sequence of str
        Entries of attack_weights; none: `ATTACKS`.
    out : Path or None
        Folder to work in and to leave ``check.json`` and ``model_card.md`` in; None works in a temporary one.
    device : str or None
        Where to compute; None: as params.yaml says.

    Raises
    ------
    UserError
        A bad input.
    """
    setting = read_setting(world, concept)
    names = list(dict.fromkeys(attacks or [name for name in ATTACKS if name in setting.params.attack_weights]))
    check_attacks(names, setting.params)
    device = device or setting.params.device
    check_device(device)
    count = number_of_images(setting, images)
    if base is not None and not (base / "unet/config.json").is_file():
        raise UserError(f"{base} is no folder of a pipeline with a UNet: give the base as diffusers saves it")
    if out is not None and out.exists() and not out.is_dir():
        raise UserError(f"--out is {out}, which is no folder: name another")
    with tempfile.TemporaryDirectory(prefix="regrow-check-") as temporary:
        folder = (out or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        candidate = read_candidate(model, base.absolute() if base else setting.pipeline)
        found = _look(candidate, setting, base, mask)
        # Stages keep what they know of a base below the working directory, and that is not the user's here.
        absolute = base.absolute() if base else None
        with chdir(folder):
            _attack_and_draw(candidate, found, setting, absolute, names, count, folder, device)
        said = answer(found)
        _write(found, said, setting, folder, keep=out is not None)
    return said.exit_code


def _look(candidate: Candidate, setting: Setting, base: Path | None, mask: Path | None) -> Findings:
    """Find everything that needs no image."""
    tensors = candidate.tensors
    of_base = _read_base(base, tensors) if base else None
    masked = read_mask(mask, tensors) if mask else None
    cuts = find_cuts(tensors, read_wired(setting.structural_zeros, tensors), of_base, masked)
    shares = _changed(tensors, of_base) if of_base else None
    # Averaged weights and the like were compared as copies, if they could be.
    traces = [one for one in candidate.leftovers if one.kind != "name" or not candidate.copies]
    return Findings(
        model=candidate.path.name,
        said=candidate.said,
        concept=setting.concept.name,
        world=setting.world,
        level=setting.params.make_table.level,
        cuts=cuts,
        copies=find_copies(candidate, cuts),
        traces=_traces(traces),
        telling=any(one.kind in TELLING for one in traces),
        changed=None if shares is None else len(shares),
        trained=None if shares is None else sum(share > SPARSE for share in shares.values()),
        needs_base=candidate.needs_base,
    )


def _attack_and_draw(
    candidate: Candidate,
    found: Findings,
    setting: Setting,
    base: Path | None,
    names: Sequence[str],
    images: int,
    folder: Path,
    device: str,
) -> None:
    """Attack what is published and count what each model draws; paths are absolute."""
    world = folder / "published/world.json"
    pipeline = folder / "published/pipeline"
    write_pipeline(candidate, pipeline)
    index_pipeline(setting.world, pipeline, setting.packs, world, candidate.path)
    view = folder / "attacks/view.safetensors"
    if write_view(candidate.tensors, found.cuts, read_world(world).base, view):
        found.tried = attack(view, names, setting.params, view.parent, device)
    candidate.tensors.clear()  # gigabytes, all of which are in files now
    cells = [Cell("none"), *(Cell(one.name, one.model, one.record) for one in found.tried if not one.refused)]
    counts = draw_and_judge(setting, setting.prompt_set, world, cells, images, folder, device)
    found.published = counts.pop("none")
    found.attacks = counts
    if setting.others:
        n = min(OTHERS, images)
        found.others = draw_and_judge(setting, setting.others, world, [Cell("none")], n, folder, device)["none"]
    if base:
        found.base = _draw_base(base, setting, images, folder, device)


def _draw_base(base: Path, setting: Setting, images: int, folder: Path, device: str) -> Count:
    world = folder / "base/world.json"
    index_pipeline(setting.world, base, setting.packs, world, base)
    return draw_and_judge(setting, setting.prompt_set, world, [Cell("none")], images, folder, device)["none"]


def _read_base(base: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = read_base(base, tensors)
    for name, tensor in found.items():
        if tensor.shape != tensors[name].shape:
            raise UserError(
                f"{base} is not the base of this model: its '{name}' has the shape {tuple(tensor.shape)}, the model's "
                f"{tuple(tensors[name].shape)}: name the pipeline that it was made from"
            )
    return found


def _changed(tensors: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the share of entries that differ from the base, of every weight of which one does."""
    shares = {name: float(differs(tensor, base[name]).double().mean()) for name, tensor in tensors.items()}
    return {name: share for name, share in shares.items() if share}


def _traces(leftovers: Sequence[Leftover]) -> list[str]:
    said = []
    for kind in dict.fromkeys(one.kind for one in leftovers):
        same = [one for one in leftovers if one.kind == kind]
        said += [f"{one.kind} '{one.where}': {one.note}" for one in same[:SHOWN]]
        if len(same) > SHOWN:
            said.append(f"{kind}: {len(same) - SHOWN} more")
    return said


def _write(found: Findings, said: Answer, setting: Setting, folder: Path, keep: bool) -> None:
    asked = setting.params.generate_images
    settings = {"steps": asked.steps, "guidance": asked.guidance, "numbers": asked.dtype, "judge": setting.judge_name}
    card = as_card(found, said, settings)
    if keep:
        write_json(folder / "check.json", as_record(found, said, settings))
        write_text(folder / "model_card.md", card)
    sys.stdout.write(as_text(found, said))
    where = f" ({folder / 'model_card.md'})" if keep else ""
    sys.stdout.write(f"\nfor a model card{where}:\n\n{card}")
