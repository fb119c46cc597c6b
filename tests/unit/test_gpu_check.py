"""`regrow gpu-check` finds what is wrong with a device; on the CPU everything agrees with the CPU."""

import io
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from regrow import cli, gpu_check
from regrow.config.layers import read_world_file
from regrow.errors import UserError
from regrow.gpu_check import run
from regrow.images.prompts import Prompt
from regrow.judge import classifier_distance, nudenet
from regrow.model.deltas import Swapper
from regrow.places import data_path
from tests.tiny.make_world import make_world
from tests.unit.set_references import pictures, refer, write_classifier_judge

TINY = Path(__file__).parents[1] / "tiny"
CHECKS = ["images", "swap", "judge object", "judge style", "judge clip"]
CHECKS += ["completer nuclear", "completer gaussian_posterior", "memory"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("work")
    shutil.copytree(TINY / "config", place / "config")
    shutil.copy(TINY / "params.yaml", place)
    make_world(place / "data/tiny")
    return place


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def failures(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(UserError, match="failed on cpu") as error:
        run(["tiny"], "cpu")
    assert "FAILED" in capsys.readouterr().out
    return str(error.value)


def test_the_cpu_agrees_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["gpu-check", "--device", "cpu", "--worlds", "tiny"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("cpu: PyTorch ") and lines[2] == "tiny"
    assert [line[15:43].strip() for line in lines[3:]] == CHECKS
    assert all(line.startswith("  ok ") for line in lines[3:])
    assert "images/s" in lines[3] and "100.000% of" in lines[8]


def test_weights_that_do_not_come_back(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    put = Swapper.put
    monkeypatch.setattr(Swapper, "put", lambda self, delta: put(self, delta) if delta else None)
    assert failures(capsys).startswith("1 checks failed on cpu (swap of tiny)")


def test_a_judge_and_a_completer_that_say_otherwise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from regrow.judge import classifier

    calls, made, complete = [0, 0], classifier.Judge, gpu_check.complete_matrix

    class Other(made):  # type: ignore[misc, valid-type]
        def compute(self) -> Any:
            calls[0] += 1
            return [{**row, "top1": f"{row['top1']}{calls[0] % 2}"} for row in super().compute()]

    def turned(*args: Any, **kwargs: Any) -> Any:
        done = complete(*args, **kwargs)
        calls[1] += 1
        if calls[1] % 2 == 0:
            done.values.neg_()
        return done

    monkeypatch.setattr(classifier, "Judge", Other)
    monkeypatch.setattr(gpu_check, "complete_matrix", turned)
    said = failures(capsys)
    assert said.startswith("4 checks failed on cpu (judge object of tiny, judge style of tiny, completer nuclear of")


def judged(folder: Path) -> gpu_check.Finding:
    """Return what the check of a judge finds on four images."""
    rows = [Prompt(case, "a cat", case, "cat") for case in range(4)]
    drawn = []
    for picture in pictures(4):
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        drawn.append(stream.getvalue())
    return gpu_check._finding("judge", partial(gpu_check._check_judge, folder, rows, drawn, "cpu"))


def test_a_fresh_clone_of_the_emoji_world_lacks_a_reference_and_nothing_fails() -> None:
    judges = read_world_file("emoji").judges
    found = {name: judged(data_path(folder)) for name, folder in judges.items()}
    assert {name: finding.passed for name, finding in found.items()} == {
        **{"object": True, "style": True, "clip": True, "fid_emoji": None}
    }
    reference = "results/emoji/measure_reference/fid_emoji/scenes.safetensors"
    assert found["fid_emoji"].said == f"its reference {reference} is not measured yet"


def test_a_judge_whose_library_or_folder_is_missing_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nudenet, "LIBRARIES", ("no-such-detector",))
    for name in ("nudenet_342", "nudenet_342_corrected"):
        finding = judged(data_path(f"data/sd15/judges/{name}"))
        assert finding == gpu_check.Finding("judge", None, "it needs no-such-detector, which is not installed")
    assert judged(Path("nowhere")).said == "nowhere is not fetched yet"
    monkeypatch.setattr(gpu_check, "check_world", lambda *_: [gpu_check.Finding("judge fid", None, "why")])
    run(["tiny"], "cpu")
    assert "  not checked  judge fid " in capsys.readouterr().out


@pytest.mark.parametrize(("other", "passed"), [(504.0, True), (506.0, False)])
def test_distances_are_compared_as_shares_of_themselves(
    other: float, passed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distances = iter([500.0, other])
    folder = write_classifier_judge(tmp_path / "fid")
    refer(folder, pictures(6, seed=1))
    monkeypatch.setattr(classifier_distance.Judge, "compute", lambda self: [{"distance": next(distances)}])
    assert judged(folder).passed is passed


def test_images_that_differ_from_draw_to_draw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, number = gpu_check._draw, iter(range(99))
    monkeypatch.setattr(gpu_check, "_draw", lambda *args: [png + bytes([next(number)]) for png in draw(*args)])
    assert failures(capsys).startswith("2 checks failed on cpu (images of tiny, swap of tiny)")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--device", "cuda:99"], "the device 'cuda:99' cannot be used here"),
        (["--device", "cpu", "--worlds", "tyni"], "unknown world 'tyni'"),
        (
            ["--device", "cpu", "--worlds", "sd15"],
            "world 'sd15' has no base model in results/sd15/fetch_world",
        ),
    ],
)
def test_what_cannot_be_checked(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["gpu-check", *words]) == 1
    assert sentence in capsys.readouterr().err
