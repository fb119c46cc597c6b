"""Stage `index_control`: look over the control, which never saw some concepts, and write it as a delta."""

import logging
from pathlib import Path

from regrow.errors import UserError
from regrow.io.files import read_json
from regrow.model.deltas import write_delta
from regrow.model.dtypes import narrowed
from regrow.model.names import split
from regrow.model.pipelines import SETTINGS, load_base, read_base
from regrow.model.publishing import same_values
from regrow.model.records import write_record
from regrow.world import read_world

log = logging.getLogger(__name__)


def run(world: Path, control: Path, out: Path, record_out: Path) -> None:
    """Compare the control with the base and write what differs: only the UNet may.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    control : Path
        Folder of the control's pipeline.
    out : Path
        model.safetensors, every tensor that differs from the base's.
    record_out : Path
        record.json.

    Raises
    ------
    UserError
        A control that is broken, of other settings, autoencoder or text encoder, or the base itself.
    """
    index = read_world(world)
    for file in SETTINGS:
        if _settings(control / file) != _settings(index.pipeline / file):
            raise UserError(f"{control / file} is not the base's: the control must draw as world '{index.name}' does")
    model = load_base(control)
    own = {
        f"{component}.{name}": parameter.detach()
        for component in ("unet", "vae", "text_encoder")
        for name, parameter in getattr(model, component).named_parameters()
    }
    base = read_base(index.pipeline, own)
    changed = {name: tensor for name, tensor in own.items() if not same_values(tensor, base[name])}
    if not changed:
        raise UserError(f"the control in {control} is the base of world '{index.name}' itself: name another pipeline")
    if others := sorted(name for name in changed if split(name)[0] != "unet"):
        raise UserError(
            f"the control in {control} differs from the base in '{others[0]}': it must share autoencoder and text "
            "encoder"
        )
    tensors = {name: narrowed(tensor, base[name].dtype).contiguous() for name, tensor in changed.items()}
    digest = write_delta(out, tensors, index.base)
    write_record(record_out, {"model": digest, "base": index.base, "world": index.name})
    log.info("control of %s: %d of %d tensors differ from the base", index.name, len(changed), len(own))


def _settings(path: Path) -> dict[str, object]:
    """Return a configuration without what only says which program wrote it."""
    found = read_json(path, "configuration of a pipeline")
    return {key: value for key, value in found.items() if not key.startswith("_") or key == "_class_name"}
