"""The CLIP of the attacks' own: never one that judges, or an attack would be steered by its own verdict."""

from collections.abc import Iterator
from pathlib import Path

from regrow.config.reader import read_yaml
from regrow.errors import UserError
from regrow.io.files import file_digest
from regrow.places import data_path
from regrow.plan.audit import Audit

KIND = "clip_similarity"


def check_attack_clip(audit: Audit) -> None:
    """Refuse a CLIP of a world's attacks that is missing, no CLIP, or one of its judges, by whatever name.

    Raises
    ------
    UserError
        As said; weights are compared by their digest, and before they are fetched by where they come from.
    """
    if audit.world.attack_clip is None:
        return
    where, folder = f"world '{audit.world_name}'", data_path(audit.world.attack_clip)
    part = audit.fetched_part(folder.as_posix())
    if not part and not (folder / "judge.yaml").is_file():
        raise UserError(f"{where}: there is no CLIP in {folder}: restore it or correct attack_clip")
    kind = audit.world.fetch[part].judge.get("type") if part else read_yaml(folder / "judge.yaml").get("type")
    if kind != KIND:
        raise UserError(f"{where}: attack_clip is of type {kind}, which compares no images with texts: give a {KIND}")
    own = set(_names(audit, folder))
    for judge, path in audit.world.judges.items():
        if not own.isdisjoint(_names(audit, data_path(path))):
            raise UserError(
                f"{where}: attack_clip has the weights of the judge '{judge}', so an attack would be steered by what "
                "judges it: give it another CLIP"
            )


def _names(audit: Audit, folder: Path) -> Iterator[str]:
    """Yield by what the weights of a CLIP can be told: their digest, where they come from, a tag of open_clip."""
    yield from (file_digest(path) for path in folder.glob("*.safetensors"))
    if part := audit.fetched_part(folder.as_posix()):
        origin = audit.world.fetch[part]
        for file in origin.weights:
            yield f"{origin.key} {file}"
            if digest := origin.files[file]:
                yield digest
    elif (folder / "judge.yaml").is_file():
        settings = read_yaml(folder / "judge.yaml")
        if not str(weights := settings.get("weights")).endswith(".safetensors"):
            yield f"{settings.get('architecture')} {weights}"
