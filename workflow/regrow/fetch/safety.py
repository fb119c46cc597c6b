"""What is looked at before a fetched file is opened by a library: kind of file, size and nesting of its header."""

import re
import stat
from pathlib import Path

from regrow.errors import UserError

LONGEST = 16 * 2**20  # bytes of a header; the UNet of Stable Diffusion 1.5 has 91 kB
DEEPEST = 8  # a tensor's entry is three deep
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def check_regular(path: Path) -> None:
    """Raise a UserError for what is no file: a folder, a pipe or a device, which would be read without end."""
    try:
        mode = path.stat().st_mode  # follows links: the hub's own cache is made of them
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): restore it") from error
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is no regular file, and nothing else is read: put the file itself there")


def check_safetensors(path: Path) -> None:
    """Raise a UserError for a safetensors file whose header is no header, too long or nested too deeply."""
    check_regular(path)
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(LONGEST, size - 8):
            raise UserError(
                f"{path} begins with a header of {length} bytes, but the file has {size} and a header at most "
                f"{LONGEST}: it is no safetensors file, so get it again"
            )
        depth = nesting(stream.read(length))
    if depth > DEEPEST:
        raise UserError(f"{path} has a header nested {depth} deep, where 3 are usual: it is not read")


def nesting(text: bytes) -> int:
    """Return how deeply JSON is nested, without building it: a parser may recurse as deep."""
    deepest = depth = 0
    for bracket in re.findall(rb"[\[\]{}]", STRING.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
