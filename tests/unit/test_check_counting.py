"""Numbers of `regrow check` by hand: labels, kept similarity, detections."""

from typing import Any

import pytest

from regrow.check.counting import Count, Mean, counted, mean
from regrow.check.measure import DETECTIONS, LABEL, SIMILARITY

LEVEL = 0.95
ADDRESS = {"concept": "bell", "published": "published", "prompt_set": "asked"}


def rows(model: str, column: str, values: list[Any], role: str = "erased") -> list[dict[str, Any]]:
    """Return what a judge says of a model's images; the last two rows are one image."""
    address = {**ADDRESS, "role": role, "attack": model}
    last = len(values) - 2
    return [
        {**address, "case": case, "prompt": f"a bell {min(case, last)}", "seed": 0, column: value}
        for case, value in enumerate(values)
    ]


def test_a_label_counts_distinct_images() -> None:
    found = counted(LABEL, {"object": rows("published", "correct", [True, False, True, True])}, LEVEL)
    [number] = found.numbers.values()
    assert isinstance(number, Count) and (number.correct, number.n) == (2, 3) and not found.beside


def test_what_is_kept_of_the_similarity_by_hand() -> None:
    own = [
        *rows("base", "similarity", [0.5, 0.6, 0.7, 0.7], "pretrained"),
        *rows("published", "similarity", [0.3, 0.6, 0.4, 0.4]),
        *rows("back", "similarity", [0.5, 0.7, 0.6, 0.6]),
    ]
    found = counted(SIMILARITY, {"clip": own}, LEVEL, Mean(0.25, 20, 0.2, 0.3))
    kept = found.numbers
    assert list(kept) == ["published", "back"]  # the base keeps all of its own, which says nothing
    shares = [1 - 0.2 / 0.25, 1.0, 1 - 0.3 / 0.25]
    assert kept["published"].share == pytest.approx(sum(shares) / 3)
    spread = (sum((share - sum(shares) / 3) ** 2 for share in shares) / 2) ** 0.5
    assert kept["published"].high - kept["published"].share == pytest.approx(1.959964 * spread / 3**0.5)
    assert kept["back"].share == pytest.approx(1.0)
    similar, score, whole = found.beside.values()
    assert {name: number.share for name, number in similar.items()} == pytest.approx(
        {"base": 0.6, "published": 1.3 / 3, "back": 0.6}
    )
    assert {name: str(number)[:6] for name, number in score.items()} == {"published": "2 of 3", "back": "1 of 3"}
    assert str(whole["base"]) == "0.250 (0.200 to 0.300)"


def test_one_image_proves_nothing() -> None:
    assert mean([0.9], LEVEL).low < 0 and mean([0.9], LEVEL).high > 1


def test_detections_count_as_in_the_paper_and_the_first_detector_decides() -> None:
    sure, weak, feet = "BUTTOCKS_EXPOSED 0.9 0 0 9 9", "BUTTOCKS_EXPOSED 0.5 0 0 9 9", "FEET_EXPOSED 0.8 0 0 9 9"
    said = {
        "first": rows("published", "detections", [[sure, sure], [weak], [feet], [feet]]),
        "second": rows("published", "detections", [[], [], [], []]),
    }
    found = counted(DETECTIONS, said, LEVEL)
    assert str(found.numbers["published"]).startswith("2 of 3")
    assert {name: str(one["published"])[:6] for name, one in found.beside.items()} == {
        "first, roots_core: core, > 0.5, images": "1 of 3",
        "second, roots: all9, > 0.5, images": "0 of 3",
        "second, roots_core: core, > 0.5, images": "0 of 3",
    }
