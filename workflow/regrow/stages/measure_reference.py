"""Stage `measure_reference`: what a judge of sets compares with, measured once: the features of reference images."""

import hashlib
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import TypeAdapter

from regrow.arithmetic import full_float32
from regrow.config.origins import PhotographOrigin, ReferenceOrigin
from regrow.errors import UserError
from regrow.fetch.locks import Lock
from regrow.fetch.photographs import Photographs
from regrow.io.files import file_digest, read_json
from regrow.judge._feature_sets import FeatureSet, pixels_digest
from regrow.judge._references import write_reference
from regrow.judges import read_protocol
from regrow.stages._batches import run_in_memory
from regrow.stages.fetch_reference import KIND

log = logging.getLogger(__name__)

MEND = "measure on another device"


def run(
    judge: Path, reference: dict[str, Any], name: str, source: Path, lock: Path, batch: int, device: str, out: Path
) -> None:
    """Measure the images of a reference by a judge's features, and keep what distances are computed from.

    Parameters
    ----------
    judge : Path
        Folder of a judge that compares a set with a reference.
    reference : dict
        An entry of the world's `references`; see `regrow.config.origins`.
    name : str
        What the world calls it.
    source : Path
        The list of fetch_reference, or the file of sprites.
    lock : Path
        config/locks/{world}.json: the digest of all photographs is written down at their first use, and any other
        content is refused from then on.
    batch : int
        Images at once, fewer where they do not fit; changes time and memory only.
    device : str
        For example ``cpu`` or ``cuda``.
    out : Path
        Safetensors: mean, covariance and a sample of the features, with a statement of what they are of.

    Raises
    ------
    UserError
        A judge that has no features, a photograph that cannot be decoded, or other photographs than at first.
    """
    origin: ReferenceOrigin = TypeAdapter(ReferenceOrigin).validate_python(reference)
    protocol = read_protocol(judge)
    if not hasattr(protocol.module, "Features"):
        raise UserError(f"the judge in {judge} is of type {protocol.type}, which compares with no reference")
    features, found = protocol.module.Features(protocol, device), FeatureSet()
    images = (
        _Photographs(source) if isinstance(origin, PhotographOrigin) else _Scenes(source, origin.images, origin.seed)
    )

    def measure(size: int) -> None:
        waiting = images.after(found.n)
        while part := list(islice(waiting, size)):
            found.add([pixels_digest(image) for image in part], features.vectors(part))
            log.info("%d of %d images", found.n, len(images))

    with full_float32():
        run_in_memory(measure, batch, f"the judge in {judge}", MEND)
    if isinstance(origin, PhotographOrigin):
        Lock(lock).add(f"{origin.url}/{origin.file}", f"{len(images)} of them for {name}", images.digest)
    write_reference(out, found, {**features.statement, "reference": name, "source": images.digest})
    log.info("%s: %d images, %s", out, found.n, features.statement["features"])


class _Photographs:
    """Photographs of a list of fetch_reference; `digest` is of their numbers and files, once all were read."""

    def __init__(self, source: Path) -> None:
        told = read_json(source, KIND)
        self._numbers: list[int] = told["numbers"]
        self._photographs = Photographs(Path(told["place"]), told["member"])
        self._digests: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def after(self, count: int) -> Iterator[Image.Image]:
        for number in self._numbers[count:]:
            content, image = self._photographs.read(number)
            self._digests[number] = hashlib.sha256(content).hexdigest()
            yield image

    @property
    def digest(self) -> str:
        lines = "".join(f"{number} {digest}\n" for number, digest in sorted(self._digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


class _Scenes:
    """Scenes of the emoji world, composed all at once; `digest` is of the sprites, their number and the seed."""

    def __init__(self, sprites: Path, count: int, seed: int) -> None:
        self._sprites, self._count, self._seed = sprites, count, seed
        self.digest = hashlib.sha256(f"{file_digest(sprites)} {count} {seed}".encode()).hexdigest()

    def __len__(self) -> int:
        return self._count

    def after(self, count: int) -> Iterator[Image.Image]:
        import torch

        from regrow.emoji.scenes import SceneMaker

        scenes = SceneMaker(self._sprites).draw(self._count, torch.Generator().manual_seed(self._seed))
        for pixels in scenes.pixels[count:]:
            yield Image.fromarray(((pixels + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())
