"""The renderer's version and the code that it stands for, side by side in ``images/renderer.lock.json``.

An image is known by the renderer's version and not by the code that drew it, so an edit of that code has to come with a
new version, or else images of the old code would be taken for those of the new one.
"""

from pathlib import Path

from regrow.dependencies import PACKAGE, code_digest, constant
from regrow.errors import UserError
from regrow.io.files import read_json, write_json

RENDERER = "regrow.images.renderer"
# What draws: the pipeline and how it is loaded, the deltas that are put into it, the sampling, what float32 means.
DRAWS = (RENDERER, "regrow.images.loading", "regrow.model.pipelines", "regrow.model.deltas", "regrow.arithmetic")


def lock_path() -> Path:
    """Return the lock's file."""
    return PACKAGE / "images/renderer.lock.json"


def lock_of_now() -> dict[str, str]:
    """Return what the lock says when it fits."""
    return {"version": str(constant(RENDERER, "RENDERER_VERSION")), "code": code_digest(*DRAWS)}


def check_lock() -> None:
    """Refuse code that draws and is not the one that the renderer's version stands for.

    Raises
    ------
    UserError
        Says what to do.
    """
    if read_json(lock_path(), "lock of the renderer") != lock_of_now():
        raise UserError(
            f"the code that draws images is not the one that {lock_path()} stands for: raise RENDERER_VERSION in "
            "workflow/regrow/images/renderer.py, then run `regrow lock-renderer`, and all images are drawn anew"
        )


def write_lock(same_images: bool) -> None:
    """Lock the code of now.

    Parameters
    ----------
    same_images : bool
        The author vouches that the edit changes no image, so the version may stay.

    Raises
    ------
    UserError
        Another code under the version of old.
    """
    now = lock_of_now()
    old = read_json(lock_path(), "lock of the renderer") if lock_path().is_file() else {}
    if old.get("version") == now["version"] and old != now and not same_images:
        raise UserError(
            f"the code that draws images changed under version {now['version']}: raise RENDERER_VERSION in "
            "workflow/regrow/images/renderer.py, or say --same-images if the edit changes no image"
        )
    write_json(lock_path(), now)
