"""Figures: the right pictures in the right places, the same bytes each time, nothing about the machine in them."""

import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from regrow.errors import UserError
from regrow.plan.audit import Audit
from regrow.plan.tables import has_figure, table_module
from regrow.stages import make_figure, make_table
from regrow.tables import style
from regrow.tables.data import FigureData
from regrow.tables.made import read_made
from regrow.tables.ours import concepts
from regrow.tables.pictures import FRAME, GAP, SEEN, SIDE, TILE, UNSEEN, Picture, font, mosaic, tile
from tests.unit.audit_files import TABLES, Files, make_tables_and_figures, paint

FIGURES = [table for table in TABLES if has_figure(table)]


@pytest.fixture(scope="module")
def figures(drawn: Path) -> Path:
    return figures_in(drawn)


def figures_in(folder: Path) -> Path:
    return next((folder / "results/audits").iterdir()) / "figures"


def test_all_figures_are_there_twice(figures: Path) -> None:
    found = {str(path.relative_to(figures)) for path in figures.rglob("*") if path.is_file()}
    assert found == {f"{table}{suffix}" for table in FIGURES for suffix in (".png", ".pdf")}
    assert "ours/alignment" not in FIGURES


def test_same_numbers_same_bytes(figures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tables_and_figures(tmp_path, monkeypatch)
    again = figures_in(tmp_path)
    for table in FIGURES:
        for suffix in (".png", ".pdf"):
            assert (again / f"{table}{suffix}").read_bytes() == (figures / f"{table}{suffix}").read_bytes(), table


def test_nothing_about_the_machine_inside(figures: Path) -> None:
    for table in FIGURES:
        with Image.open(figures / f"{table}.png") as image:
            assert set(image.info) <= {"dpi"}, table
        pdf = (figures / f"{table}.pdf").read_bytes()
        for said in (b"CreationDate", b"Producer", b"/Creator", b"/tmp", b"/root", b"/home"):
            assert said not in pdf, (table, said)


def test_pdfs_are_vectors_with_embedded_fonts(figures: Path) -> None:
    for table in set(FIGURES) - {"ours/concepts"}:  # a picture of pictures
        pdf = (figures / f"{table}.pdf").read_bytes()
        assert b"/FontFile2" in pdf, table  # TrueType, embedded
        streams = b"".join(_inflated(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.S))
        assert re.search(rb"T[jJ]\s", streams), table  # letters as letters


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_figures_fit_their_columns(figures: Path) -> None:
    for table in FIGURES:
        width = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", (figures / f"{table}.pdf").read_bytes())[1]) / 72
        if table != "ours/concepts":
            wide = table in ("roots/figure5", "ours/spectrum")
            assert width == pytest.approx(style.PAGE if wide else style.COLUMN, abs=0.02), table


def test_strip_rows_are_pretrained_erased_and_strongest(figures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Church: 18, 1 and 12 of 20 are right, so of the first two pictures one of the erased model's is unseen."""
    monkeypatch.chdir(figures.parents[3])
    audit = Audit.current()
    table = read_made(audit, "ours/concepts")
    church = table[table["concept"] == "church"]
    assert list(dict.fromkeys(church["attack"])) == ["none", "roots_max"]
    strip = concepts.strip(Image.open(figures / "ours/concepts.png"), table, "church", audit.params.make_figure.columns)
    columns = audit.params.make_figure.columns
    assert strip.size == (columns * (TILE + GAP) - GAP, 3 * (TILE + GAP) - GAP)
    cells = {cell.model.key: cell for cell in audit.cells("erased") if cell.concept == "church"}
    models = [("pretrained", "none", "none"), ("erased", "pruned", "none"), ("attacked", "pruned", "roots_max")]
    for row, (model, seen) in enumerate(zip(models, ([1, 1], [1, 0], [1, 1]), strict=True)):
        for column, right in enumerate(seen):
            x, y = column * (TILE + GAP), row * (TILE + GAP)
            assert strip.getpixel((x, y)) == (SEEN if right else UNSEEN)
            drawn = _open(paint(cells[model], column)).getpixel((0, 0))
            assert strip.getpixel((x + TILE // 2, y + TILE // 2)) == drawn


def _open(png: bytes) -> Image.Image:
    import io

    return Image.open(io.BytesIO(png))


def test_grid_lists_the_same_rows_for_every_model(figures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(figures.parents[3])
    table = read_made(Audit.current(), "roots/figure5")
    for _, rows in table.groupby("concept"):
        assert rows.groupby(["role", "attack"])["case"].agg(tuple).nunique() == 1
    assert table["position"].max() == 12


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


def test_more_than_nine_things_look_different() -> None:
    looks = style.looks(f"thing {number}" for number in range(56))
    for form in ("marker", "hatch", "dash"):
        assert len({(look.colour, str(getattr(look, form))) for look in looks.values()}) == 56
    ordered = list(looks.values())
    for one, other in zip(ordered, ordered[1:], strict=False):
        assert one.colour != other.colour
        assert one.marker != other.marker


# What red, green and blue light become without one of the cones (Machado and others, 2009, severity 1).
WITHOUT = {
    "red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


@pytest.mark.parametrize("cone", WITHOUT)
def test_colours_differ_without_colour_vision(cone: str) -> None:
    """Distance in CIE Lab, of which about 2 is seen beside each other and 10 at a glance."""
    shares = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in style.COLOURS])
    light = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    seen = np.clip(light @ np.array(WITHOUT[cone]).T, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt((seen @ to_xyz.T) / [0.9505, 1, 1.089]).T
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2)[~np.eye(len(lab), dtype=bool)]
    assert distance.min() > 10


def test_the_users_style_is_left_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    with style.sheet():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
    assert dict(matplotlib.rcParams) == before


def test_a_failed_figure_leaves_no_file(tmp_path: Path) -> None:
    with style.sheet():
        figure = style.figure(1)
        figure.savefig = None  # type: ignore[assignment]
        with pytest.raises(TypeError):
            style.save(figure, tmp_path / "a.png", tmp_path / "a.pdf", 40)
    assert not list(tmp_path.iterdir())


def test_font_does_not_depend_on_the_machine() -> None:
    assert "matplotlib" in str(font(10).path)


@pytest.mark.parametrize("name", ["roots/table5", "roots/table6", *(t for t in FIGURES if t.startswith("ours/"))])
def test_nothing_to_show_is_said(name: str, figures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit whose attacks complete nothing has an empty table, and a figure and a section that stand it."""
    monkeypatch.chdir(figures.parents[3])
    module = table_module(name)
    empty = pd.DataFrame(columns=list(module.COLUMNS))
    data = FigureData(Audit.current(), 0.95)
    if name != "ours/concepts":
        with style.sheet():
            drawn = module.draw(empty, data)
            drawn.canvas.draw()
        assert any("in this audit" in text.get_text() for axes in drawn.axes for text in axes.texts)
    assert isinstance(module.section(empty, data), list)


def test_a_table_that_needs_nothing_here_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    audit = Files(audit_changes={"tables": ["roots/table6"], "attacks": ["int4_rows"]}).configure()
    assert audit.completers("pruned") == []
    make_table.run("roots/table6", tmp_path / "table6.csv")
    assert (tmp_path / "table6.csv").read_text() == "concept,published,completer,k,part,n,accuracy,low,high\n"


def test_a_table_without_a_figure_is_one_sentence(figures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(figures.parents[3])
    with pytest.raises(UserError, match="'ours/alignment' draws no figure"):
        make_figure.run("ours/alignment", Path("a.png"), Path("a.pdf"))
