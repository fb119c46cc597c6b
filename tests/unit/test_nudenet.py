"""Both detectors of NudeNet, for real: our own handling of pictures and boxes against the packages', and their colours.

The pictures are harmless: a sample portrait of matplotlib's, plain colours, noise.
"""

import importlib.util
import runpy
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regrow.errors import UserError
from regrow.fetch.packages import download_wheel
from regrow.io.files import file_digest
from regrow.judge._nudity import Detection, read_detection
from regrow.judges import load_judge, read_protocol
from tests.unit.judging import write_judge

INSTALLED = all(map(importlib.util.find_spec, ("nudenet", "onnxruntime", "cv2")))
WHEEL = "nudenet-3.0.8-py3-none-any.whl"
DIGESTS = {
    "3.0.8": "e36e30bab3fb02d928190285794f6b759c034ce6bd4d19811b10095c8e52366e",  # of the wheel
    "3.4.2": "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f",  # of 320n.onnx
}
needs_nudenet = pytest.mark.skipif(not INSTALLED, reason="the extra `nudity` is not installed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of 3.0.8, which is never installed: two versions of a package are not in one environment."""
    path = tmp_path_factory.mktemp("wheel") / WHEEL
    try:
        download_wheel("nudenet==3.0.8", WHEEL, path)
    except UserError as error:
        pytest.skip(f"no package index: {error}")
    assert file_digest(path) == DIGESTS["3.0.8"]
    return path


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    from matplotlib import cbook

    return Image.open(cbook.get_sample_data("grace_hopper.jpg")).convert("RGB")


@pytest.fixture(scope="module")
def pictures(portrait: Image.Image) -> list[Image.Image]:
    """Squares, tall and wide pictures, odd sizes, and noise."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    sizes = [(512, 512), (400, 701), (701, 400), (333, 334)]
    cut = portrait.crop((100, 0, 612, 400))
    return [portrait, cut, *(portrait.resize(size) for size in sizes), Image.fromarray(noise).resize((512, 512))]


def package_judge(folder: Path, **changes: Any) -> Path:
    own = {"type": "nudenet", "version": "3.4.2", "sha256": DIGESTS["3.4.2"], "channels": "as_released"}
    return write_judge(folder, **{**own, **changes})


def old_judge(folder: Path, wheel: Path, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    shutil.copy(wheel, folder)
    return package_judge(folder, **{"version": "3.0.8", "weights": WHEEL, "sha256": DIGESTS["3.0.8"], **changes})


def own_judge(folder: Path, **changes: Any) -> Path:
    """Write a judge with the package's file and code of ours."""
    file = read_protocol(package_judge(folder)).module.files(read_protocol(folder))["weights"]
    shutil.copy(file, folder)
    return package_judge(folder, weights=file.name, **changes)


def detections(judge: Path, images: list[Image.Image]) -> list[list[Detection]]:
    loaded = load_judge(judge)
    loaded.update(images, [])
    return [[read_detection(text) for text in row["detections"]] for row in loaded.compute()]


def assert_same(ours: list[list[Detection]], theirs: list[list[Detection]]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert [(found.label, found.box) for found in one] == [(found.label, found.box) for found in other]
        assert [found.score for found in one] == pytest.approx([found.score for found in other], abs=2e-5)


def by_package(detect: Callable[[str], list[dict[str, Any]]], images: list[Image.Image], folder: Path) -> Any:
    found = []
    for image in images:
        image.save(folder / "picture.png")
        boxes = detect(str(folder / "picture.png"))
        rows = [Detection(box["class"], float(box["score"]), tuple(box["box"])) for box in boxes]
        found.append(sorted(rows, key=lambda one: (-one.score, one.label)))
    return found


@needs_nudenet
@pytest.mark.parametrize("channels", ["as_released", "corrected"])
def test_our_own_code_gives_the_packages_boxes(tmp_path: Path, pictures: list[Image.Image], channels: str) -> None:
    theirs = detections(package_judge(tmp_path / "package", channels=channels), pictures)
    assert any(theirs), "the portrait has a face"
    assert_same(detections(own_judge(tmp_path / "own", channels=channels), pictures), theirs)


@needs_nudenet
def test_files_as_the_package_reads_them(tmp_path: Path, pictures: list[Image.Image]) -> None:
    from nudenet import NudeDetector

    expected = by_package(NudeDetector().detect, pictures, tmp_path)
    assert_same(detections(package_judge(tmp_path / "judge"), pictures), expected)


@needs_nudenet
def test_the_old_version_is_that_of_its_wheel(tmp_path: Path, wheel: Path, pictures: list[Image.Image]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "old")
    module = runpy.run_path(str(tmp_path / "old/nudenet/nudenet.py"))
    detector = module["NudeDetector"](providers=["CPUExecutionProvider"])
    found = detections(old_judge(tmp_path / "judge", wheel), pictures)
    assert_same(found, by_package(detector.detect, pictures, tmp_path))
    assert found != detections(package_judge(tmp_path / "new", channels="corrected"), pictures), "another network"


class Recorder:
    """A session that keeps what goes into the network."""

    def __init__(self, session: Any) -> None:
        self.session, self.seen = session, []

    def get_inputs(self) -> Any:
        return self.session.get_inputs()

    def run(self, names: Any, inputs: dict[str, Any]) -> Any:
        self.seen.append(next(iter(inputs.values())))
        return self.session.run(names, inputs)


@needs_nudenet
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("channels", "place"), [("as_released", 2), ("corrected", 0)])
def test_a_red_picture_shows_which_order_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool, channels: str, place: int
) -> None:
    judge = (own_judge if own else package_judge)(tmp_path / "judge", channels=channels)
    module = read_protocol(judge).module
    session = module._session
    recorders: list[Recorder] = []

    def recorded(protocol: Any) -> Recorder:
        recorders.append(Recorder(session(protocol)))
        return recorders[0]

    monkeypatch.setattr(module, "_session", recorded)
    detections(judge, [Image.new("RGB", (512, 512), (255, 0, 0))])
    (blob,) = recorders[0].seen
    assert blob.shape == (1, 3, 320, 320) and blob.dtype == np.float32
    assert [float(blob[0, channel].mean()) for channel in range(3)] == [float(i == place) for i in range(3)]


@needs_nudenet
def test_the_old_version_sees_red_as_red(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = old_judge(tmp_path / "judge", wheel)
    module = read_protocol(judge).module
    recorder = Recorder(module._session(read_protocol(judge)))
    monkeypatch.setattr(module, "_session", lambda protocol: recorder)
    detections(judge, [Image.new("RGB", (64, 64), (255, 0, 0))])
    assert [float(level) for level in recorder.seen[0][0].mean((1, 2))] == [1, 0, 0]
    with pytest.raises(UserError, match="version 3.0.8 sees colours as they are: channels is as_released"):
        load_judge(old_judge(tmp_path / "other", wheel, channels="corrected"))


@needs_nudenet
def test_batches_and_shards_change_nothing(tmp_path: Path, pictures: list[Image.Image]) -> None:
    judge = package_judge(tmp_path / "judge")
    whole, first, second = (load_judge(judge) for _ in range(3))
    whole.update(pictures, [])
    first.update(pictures[:2], [])
    second.update(pictures[2:], [])
    first.merge(second)
    assert first.compute() == whole.compute() and len(whole.compute()) == len(pictures)
    whole.reset()
    assert whole.compute() == []


@needs_nudenet
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sha256": "0" * 64}, "the weights are c15d8273adad, but judge.yaml pins 000000000000"),
        ({"version": "3.4"}, "version is no good: should be '3.0.8' or '3.4.2'"),
        ({"channels": "rgb"}, "channels is no good: should be 'as_released' or 'corrected'"),
        ({"version": "3.0.8"}, "only 3.4.2 is a package here: name the weights of 3.0.8"),
    ],
)
def test_bad_protocols(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load_judge(package_judge(tmp_path / "judge", **changes))


@needs_nudenet
def test_a_file_that_is_no_network(tmp_path: Path) -> None:
    judge = own_judge(tmp_path / "judge")
    (judge / "320n.onnx").write_bytes(b"no network")
    package_judge(judge, weights="320n.onnx", sha256=file_digest(judge / "320n.onnx"))
    with pytest.raises(UserError, match="320n.onnx cannot be loaded as a network .*: fetch it again"):
        load_judge(judge)


@pytest.mark.skipif(INSTALLED, reason="the extra `nudity` is installed")
def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs nudenet, which is not installed: `pip install 'regrow\[nudity\]'`"):
        load_judge(package_judge(tmp_path / "judge"))
