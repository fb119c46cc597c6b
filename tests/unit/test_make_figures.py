"""Figures: the right pictures in the right places, the same bytes each time, nothing about the machine in them."""

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from regrow.errors import UserError
from regrow.paper import pictures
from regrow.paper.charts import chart
from regrow.paper.figure_grid import draw_grid
from regrow.paper.pictures import FRAME, GAP, SEEN, SIDE, TILE, UNSEEN, Picture, mosaic, read_images, tile
from regrow.stages import make_figures, make_tables
from tests.unit.paper_inputs import (
    CHAINS,
    LABELS,
    PUBLISHED,
    RIGHT,
    N,
    plain,
    write,
    write_both_sides,
    write_paper,
    write_scores,
)

FIGURES = {
    "grid.png",
    "bars.png",
    "signs.png",
    "layers.png",
    "alignment.png",
    "reliability.png",
    "ladder.png",
    "spectrum.png",
}
FIGURES |= {"concept_church.png", "concept_spider-web.png"}


def draw(folder: Path, both_sides: bool = True) -> Path:
    write_paper(folder, both_sides)
    return folder / "figures"


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("figures"))


def test_all_figures_are_there(figures: Path) -> None:
    assert {path.name for path in figures.iterdir()} == FIGURES


def test_same_numbers_same_bytes(figures: Path, tmp_path: Path) -> None:
    again = draw(tmp_path)
    for name in FIGURES:
        assert (again / name).read_bytes() == (figures / name).read_bytes(), name


def test_nothing_about_the_machine_inside(figures: Path) -> None:
    for name in FIGURES:
        with Image.open(figures / name) as image:
            assert set(image.info) <= {"dpi"}, name


def test_strip_rows_are_pretrained_erased_and_strongest(figures: Path) -> None:
    """Church: 18, 1 and 12 of 20 are right, so of the first two pictures one of the erased model's is unseen."""
    strip = Image.open(figures / "concept_church.png")
    assert strip.size == (2 * TILE + GAP, 3 * TILE + 2 * GAP)
    for row, (recipe, seen) in enumerate((("pretrained", [1, 1]), ("pruned", [1, 0]), ("roots_max", [1, 1]))):
        for column, right in enumerate(seen):
            x, y = column * (TILE + GAP), row * (TILE + GAP)
            assert strip.getpixel((x, y)) == (SEEN if right else UNSEEN)
            middle = strip.getpixel((x + TILE // 2, y + TILE // 2))
            assert middle == plain("church", recipe, column, bool(right)).getpixel((0, 0))


def test_grid_has_recipes_across_and_concepts_down(tmp_path: Path) -> None:
    colours = {("a", "x"): "red", ("a", "y"): "lime", ("b", "x"): "blue", ("b", "y"): "black"}
    cells = {key: [Picture(Image.new("RGB", (8, 8), colour), True)] for key, colour in colours.items()}
    draw_grid(cells, ["a", "b"], ["x", "y"], tmp_path / "grid.png")
    pixels = np.asarray(Image.open(tmp_path / "grid.png"))

    def centre(colour: tuple[int, int, int]) -> tuple[float, float]:
        rows, columns = np.nonzero((pixels == colour).all(axis=2))
        assert len(rows) >= SIDE * SIDE
        return float(np.median(rows)), float(np.median(columns))

    red, lime, blue = centre((255, 0, 0)), centre((0, 255, 0)), centre((0, 0, 255))
    assert red[0] == lime[0] < blue[0]
    assert red[1] == blue[1] < lime[1]


def test_small_images_stay_pixels_large_ones_are_averaged() -> None:
    small = Image.new("RGB", (2, 1), "black")
    small.putpixel((1, 0), (255, 255, 255))
    enlarged = np.asarray(tile(Picture(small, False)))[FRAME + 1 : -FRAME - 1, FRAME + 1 : -FRAME - 1]
    assert set(np.unique(enlarged)) == {0, 255}
    checked = Image.fromarray(np.indices((4 * SIDE, 4 * SIDE)).sum(axis=0).astype("uint8") % 2 * 255).convert("RGB")
    reduced = np.asarray(tile(Picture(checked, False)))[FRAME + 8 : -FRAME - 8, FRAME + 8 : -FRAME - 8]
    assert abs(reduced.astype(int) - 127).max() < 12


def test_mosaic_fills_rows_in_order() -> None:
    three = [Picture(Image.new("RGB", (4, 4), colour), True) for colour in ("red", "lime", "blue")]
    canvas = mosaic(three, 2)
    assert canvas.size == (2 * TILE + GAP, 2 * TILE + GAP)
    assert canvas.getpixel((TILE // 2, TILE + GAP + TILE // 2)) == (0, 0, 255)
    assert canvas.getpixel((TILE + GAP + TILE // 2, TILE + GAP + TILE // 2)) == (255, 255, 255)


def test_lost_or_altered_images_are_errors(tmp_path: Path) -> None:
    _, images = write_scores(tmp_path)
    with pytest.raises(UserError, match="1 judged images are in none of the image files"):
        read_images(images, {"0" * 64})
    row = {"image": {"bytes": pictures_png(), "path": None}, "digest": "f" * 64}
    with pytest.raises(UserError, match="an image is not the one its digest names"):
        read_images([write(tmp_path / "altered.parquet", [row])], {"f" * 64})
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="not a readable image shard"):
        read_images([tmp_path / "broken.parquet"], {"f" * 64})


def pictures_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, format="PNG")
    return buffer.getvalue()


def test_figures_without_completion(tmp_path: Path) -> None:
    assert {path.name for path in draw(tmp_path, both_sides=False).iterdir()} == FIGURES


def test_a_failed_chart_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), chart(tmp_path / "bad.png", 1, 1, 40):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_font_does_not_depend_on_the_machine() -> None:
    assert "matplotlib" in str(pictures.font(10).path)


def test_oracles_have_a_figure_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = {"eraser": CHAINS["pruned"]["eraser"], "oracle": {"name": "true_signs_max", "signs": "pretrained"}}
    monkeypatch.setitem(CHAINS, "true_signs_max", oracle)
    for concept in LABELS:
        monkeypatch.setitem(RIGHT, (concept, "true_signs_max"), 15)
    assert {path.name for path in draw(tmp_path).iterdir()} == FIGURES | {"oracles.png"}


def test_every_completer_has_its_panel(figures: Path, tmp_path: Path) -> None:
    scores, images = write_scores(tmp_path)
    both = write_both_sides(tmp_path / "both")
    for path in [path for path in both if path.name != "spectrum.parquet"]:
        again = tmp_path / "again" / path.relative_to(tmp_path / "both")
        both.append(write(again, [row | {"completer": "guess"} for row in pq.read_table(path).to_pylist()]))
    make_tables.run(scores, both, [], LABELS, N, 0.95, tmp_path / "tables", tmp_path / "metrics.json")
    spectra = [path for path in both if path.name == "spectrum.parquet"]
    make_figures.run(images, scores, spectra, tmp_path / "tables", PUBLISHED, LABELS, 2, 0.95, 40, tmp_path / "figures")
    for name in ("signs.png", "alignment.png", "reliability.png"):
        with Image.open(tmp_path / "figures" / name) as two, Image.open(figures / name) as one:
            assert two.width >= 1.4 * one.width, name
    told = (tmp_path / "tables/signs.csv").read_text().splitlines()
    assert told[0] == "eraser,completer,concept,layer,k,part,n,correct,accuracy,low,high,without_sign"
    assert sum(",guess," in line for line in told) == sum(",nuclear," in line for line in told) > 0
    # Table 6 stays that of the first.
    assert len((tmp_path / "tables/table6.csv").read_text().splitlines()) == 10
