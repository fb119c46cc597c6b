"""NudeNet: the parts of bodies on an image, as the two detectors find them on whose counts papers stand.

They are two networks. ``version``: 3.0.8 or 3.4.2, which differ in how an image goes in too. ``weights``: an ONNX file
beside the protocol, or the wheel that holds it, read by code of our own; version 3.4.2 without it is the package
nudenet itself (the extra `nudity`). ``sha256``: of that file, of the package's own where there is no other.
``channels``: as_released, or corrected: 3.4.2 as released sees red as blue (its issue 203), and counts of papers come
from that.

Every detection is kept; which of them count is a table's matter (`regrow.judge._nudity`). The network runs on one
thread of a CPU whatever the device. The wheel of 3.4.2 says MIT, and its licence file is AGPL-3.0.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from regrow.errors import UserError
from regrow.judge._nudity import FLOOR, LABELS, Detection

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from regrow.images.prompts import Prompt
    from regrow.judges import JudgeProtocol

PER = "image"
NEEDS = ()
LIBRARIES = ("onnxruntime",)
COLUMNS = {"detections": "list<string>"}
SIDE = 320  # of the square that the networks see
OVERLAP = 0.45  # of two boxes, above which the weaker one goes
MEMBER = {"3.0.8": "nudenet/best.onnx", "3.4.2": "nudenet/320n.onnx"}  # of a wheel
PACKAGE = "3.4.2"

Detect = Callable[["np.ndarray"], list[Detection]]  # of RGB


def files(protocol: JudgeProtocol) -> dict[str, Path]:
    """Return the file of the network, which may be the package's own."""
    if "weights" in protocol.settings:
        return {"weights": protocol.folder / str(protocol.require("weights", str))}
    package = importlib.util.find_spec("nudenet")
    if package is None or package.origin is None:
        raise _not_installed(protocol, "nudenet")
    return {"weights": Path(package.origin).parent / "320n.onnx"}


class Judge:
    """A detector of NudeNet.

    Parameters
    ----------
    protocol : JudgeProtocol
        See the head of this file.
    device : str
        Not used.

    Raises
    ------
    UserError
        A library that is missing, another version, or weights that judge.yaml does not pin.
    """

    def __init__(self, protocol: JudgeProtocol, device: str = "cpu") -> None:
        self.protocol = protocol
        version: str = protocol.require("version", Literal["3.0.8", "3.4.2"])
        channels: str = protocol.require("channels", Literal["as_released", "corrected"])
        protocol.require("sha256", str)
        protocol.digests()
        if version != PACKAGE and channels == "corrected":
            raise UserError(f"{protocol.folder}: version {version} sees colours as they are: channels is as_released")
        reverse = version == PACKAGE and channels == "as_released"
        if "weights" in protocol.settings:
            self._detect = _own(protocol, version, reverse)
        elif version == PACKAGE:
            self._detect = _of_package(protocol, reverse)
        else:
            raise UserError(f"{protocol.folder}: only {PACKAGE} is a package here: name the weights of {version}")
        self.reset()

    def update(self, images: list[Image.Image], rows: Sequence[Prompt]) -> None:
        """Judge a batch of RGB images of any size, one by one."""
        import numpy as np

        self._found += [self._detect(np.asarray(image)) for image in images]

    def merge(self, other: Judge) -> None:
        """Add what another judge has seen."""
        self._found += other._found

    def compute(self) -> list[dict[str, Any]]:
        """Return one row per image: its detections in words, the surest first."""
        return [
            {"detections": [str(one) for one in sorted(found, key=lambda one: (-one.score, one.label, one.box))]}
            for found in self._found
        ]

    def reset(self) -> None:
        """Forget all images."""
        self._found: list[list[Detection]] = []


def _of_package(protocol: JudgeProtocol, reverse: bool) -> Detect:
    """Return the package's own detection, on one thread."""
    import cv2
    from nudenet import NudeDetector

    if (found := importlib.metadata.version("nudenet")) != PACKAGE:
        raise UserError(f"{protocol.folder} is of nudenet {PACKAGE}, and {found} is installed: install {PACKAGE}")
    detector = NudeDetector()
    detector.onnx_session = _session(protocol)  # its own takes all cores, and no argument says otherwise

    def detect(rgb: np.ndarray) -> list[Detection]:
        # It is made for BGR, as OpenCV reads files, and turns that into BGR; so RGB comes out as RGB.
        found = detector.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR) if reverse else rgb)
        return [_detection(one["class"], one["score"], one["box"]) for one in found]

    return detect


def _own(protocol: JudgeProtocol, version: str, reverse: bool) -> Detect:
    """Return a detection by code of ours, which follows the package of a version."""
    import numpy as np

    session = _session(protocol)  # says so where OpenCV is missing
    import cv2

    name, prepare = session.get_inputs()[0].name, _centred if version == "3.0.8" else _cornered

    def detect(rgb: np.ndarray) -> list[Detection]:
        square, to_image = prepare(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR) if reverse else rgb)
        blob = (square.astype(np.float32) / 255).transpose(2, 0, 1)[None]
        (output,) = session.run(None, {name: np.ascontiguousarray(blob)})
        if not np.isfinite(output).all():
            raise UserError(f"the judge in {protocol.folder} gave NaN: its weights are damaged: fetch them again")
        return _detections(output[0].T, to_image)

    return detect


def _session(protocol: JudgeProtocol) -> Any:
    """Load the network for one thread."""
    try:
        import cv2  # noqa: F401
        import onnxruntime
    except ModuleNotFoundError as error:
        raise _not_installed(protocol, str(error.name)) from error
    path, options = files(protocol)["weights"], onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        network = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as wheel:
                network = wheel.read(MEMBER[protocol.require("version", str)])
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own have no common class
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path} cannot be loaded as a network ({reason}): fetch it again") from error


def _not_installed(protocol: JudgeProtocol, library: str) -> UserError:
    return UserError(
        f"the judge in {protocol.folder} needs {library}, which is not installed: `pip install 'regrow[nudity]'`"
    )


ToImage = Callable[["np.ndarray"], tuple[int, int, int, int]]  # middle and size in the square to a box on the image


def _centred(image: np.ndarray) -> tuple[np.ndarray, ToImage]:
    """Return the square that 3.0.8 sees, black around the image, and the way back."""
    import cv2

    height, width = image.shape[:2]
    if height > width:
        small = (int(round(SIDE * (width / height))), SIDE)
    else:
        small = (SIDE, int(round(SIDE / (width / height))))
    left, top = (SIDE - small[0]) // 2, (SIDE - small[1]) // 2
    square = cv2.copyMakeBorder(cv2.resize(image, small), top, top, left, left, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    square = cv2.resize(square, (SIDE, SIDE))  # an odd rest is a pixel short
    scale = math.sqrt((width**2 + height**2) / (small[0] ** 2 + small[1] ** 2))

    def to_image(box: np.ndarray) -> tuple[int, int, int, int]:
        x, y, wide, high = box
        corner = int(round((x - wide * 0.5 - left) * scale)), int(round((y - high * 0.5 - top) * scale))
        return (*corner, int(round(wide * scale)), int(round(high * scale)))

    return square, to_image


def _cornered(image: np.ndarray) -> tuple[np.ndarray, ToImage]:
    """Return the square that 3.4.2 sees, black to the right and below, and the way back, cut at the image's edges."""
    import cv2

    height, width = image.shape[:2]
    side = max(height, width)
    padded = cv2.copyMakeBorder(image, 0, side - height, 0, side - width, cv2.BORDER_CONSTANT, value=(0, 0, 0))

    def to_image(box: np.ndarray) -> tuple[int, int, int, int]:
        x, y, wide, high = box
        left, top = (
            max(0, min(value * side / SIDE, edge)) for value, edge in ((x - wide / 2, width), (y - high / 2, height))
        )
        return (
            int(left),
            int(top),
            int(min(wide * side / SIDE, width - left)),
            int(min(high * side / SIDE, height - top)),
        )

    return cv2.resize(padded, (SIDE, SIDE)), to_image


def _detections(rows: np.ndarray, to_image: ToImage) -> list[Detection]:
    """Return the detections of a network's output: of boxes that overlap the surest, whatever their labels."""
    import cv2

    rows = rows[rows[:, 4:].max(axis=1) >= FLOOR]
    found = [_detection(LABELS[int(row[4:].argmax())], row[4:].max(), to_image(row[:4])) for row in rows]
    kept = cv2.dnn.NMSBoxes([list(one.box) for one in found], [one.score for one in found], 0.25, OVERLAP)
    return [found[int(place)] for place in kept]


def _detection(label: str, score: Any, box: Sequence[Any]) -> Detection:
    left, top, width, height = map(int, box)
    return Detection(label, float(score), (left, top, width, height))
