"""Figures 4 and 8 to 12: which pictures they show, in which order, and that a figure comes of them."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from regrow.images.pixelated import picture_key, pixelated, pixelated_store
from regrow.images.prompts import read_prompts
from regrow.images.store import ImageStore
from regrow.plan.audit import Audit, ImageNeed, ScoreNeed
from regrow.plan.hidden import judged_in_memory
from regrow.plan.in_memory import check_in_memory
from regrow.plan.needs import Need
from regrow.tables import made, style
from regrow.tables.data import FigureData, TableData
from regrow.tables.gallery import draw_gallery
from regrow.tables.roots import figure4, figure8, figure9, figure10, figure11, figure12
from regrow.tables.works import title_of
from tests.unit.styling import STYLES, images, write_nudity_world, write_styles_world

PRETRAINED, ERASED = ("pretrained", "none", "none"), ("erased", "pruned", "none")
INT4, NMS = ("attacked", "pruned", "int4_rows"), ("attacked", "pruned", "roots_max")
SEEN = {
    PRETRAINED: [0.30, 0.32, 0.34, 0.34],
    ERASED: [0.20, 0.32, 0.33, 0.33],
    INT4: [0.31, 0.33, 0.35, 0.35],
    NMS: [0.29, 0.31, 0.33, 0.33],
}
PROMPTS = ["A field by ink", "The Starry Night by ink", "A field by ink", "guernica by ink"]
PAPER_FILES = os.environ.get("REGROW_PAPER_FILES")


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    return write_styles_world(tmp_path, tables=["roots/table2", "roots/figure4", "roots/figure9"])


def digest(*words: object) -> str:
    return hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()


def data_of(audit: Audit, **columns: list[object]) -> FigureData:
    parts = []
    for concept in STYLES:
        for model, values in SEEN.items():
            rows = images(concept, model, "erased", values).assign(**columns)
            parts.append(rows.assign(digest=[digest(concept, model, case) for case in rows["case"]]))
    rows = pd.concat(parts, ignore_index=True)

    def fetch(digests: Iterable[str]) -> dict[str, Image.Image]:
        known = set(rows["digest"])
        return {one: Image.new("RGB", (8, 8), f"#{one[:6]}") for one in digests if one in known}

    return FigureData(audit, 0.95, judged_by={"clip": rows}, fetch=fetch, columns=2, dpi=50)


def test_the_images_of_styles_are_asked_for_and_no_others(audit: Audit) -> None:
    asked = audit.needs("roots/figure4")
    assert asked == audit.needs("roots/figure9")
    shown = [need for need in asked if isinstance(need, ImageNeed)]
    assert {need.cell.prompt_set for need in shown} == {"erased"} and len(shown) == 2 * 4
    assert {need.judge for need in asked if isinstance(need, ScoreNeed)} == {"clip"}


def test_first_rows_of_every_style_and_what_clip_says(audit: Audit) -> None:
    table = figure4.build(data_of(audit))
    assert list(table) == list(figure4.COLUMNS)
    assert len(table) == 2 * 4 * 3, "the last two rows are one image"
    ink = table[table["concept"] == "ink"]
    seen = {model: ink[ink["attack"].eq(model[2]) & ink["role"].eq(model[0])]["seen"].tolist() for model in SEEN}
    assert seen == {
        **{PRETRAINED: [True] * 3, ERASED: [False, True, False], INT4: [True] * 3, NMS: [False] * 3},
    }


@pytest.mark.parametrize(
    ("module", "shown"),
    [
        (figure9, ["The Starry Night by ink"]),
        (figure11, ["guernica by ink"]),
        (figure10, ["A field by ink", "The Starry Night by ink"]),  # none of its works: the first two prompts
    ],
)
def test_the_papers_works_or_else_the_first_prompts(audit: Audit, module: object, shown: list[str]) -> None:
    table = module.build(data_of(audit, prompt=PROMPTS, seed=[7, 8, 9, 10]))  # type: ignore[attr-defined]
    for _, own in table.groupby(["concept", "role", "published", "attack"]):
        assert own["prompt"].tolist() == shown
        assert own["seed"].tolist() == [7 + PROMPTS.index(prompt) for prompt in shown]


def test_a_work_is_shown_once_however_it_is_spelt(audit: Audit) -> None:
    prompts = ["Starry Night by ink", "The Starry Night by ink", "A field by ink", "starry night by ink"]
    table = figure9.build(data_of(audit, prompt=prompts, seed=[7, 8, 9, 10]))
    assert set(table["prompt"]) == {"Starry Night by ink"}


@pytest.mark.paper_files
@pytest.mark.skipif(not PAPER_FILES, reason="REGROW_PAPER_FILES does not name the folder of the papers' prompt files")
def test_the_papers_prompts_have_every_work_that_its_figures_show() -> None:
    files = Path(PAPER_FILES or "").glob("test_*.csv")
    named = {title_of(row.prompt) for path in files for row in read_prompts(path)}
    shown = (*figure9.SHOWN, *figure10.SHOWN, *figure11.SHOWN)
    assert len(shown) == 10 and {title_of(work) for work in shown} <= named


def test_they_draw(audit: Audit, tmp_path: Path) -> None:
    data = data_of(audit, prompt=PROMPTS)
    with style.sheet():
        for module in (figure4, figure9):
            figure = module.draw(module.build(data), data)
            assert isinstance(figure, Figure)
            grid = [axes for axes in figure.axes if axes.images]
            assert len(grid) == (2 * 4 if module is figure4 else 1 * 4)
            style.save(figure, tmp_path / "a.png", tmp_path / "a.pdf", 50)
            assert b"/FontFile2" in (tmp_path / "a.pdf").read_bytes()


def test_figure_12_goes_on_where_figure_5_ends(audit: Audit) -> None:
    data = data_of(audit)
    table = figure4.build(data)
    asked: list[str] = []
    data.fetch = lambda digests: {one: Image.new("RGB", (8, 8)) for one in digests if asked.append(one) is None}
    with style.sheet():
        figure12.draw(table, data)
    positions = table.set_index("digest")["position"]
    assert set(positions[asked]) == {3} and len(asked) == 2 * 4


def test_a_figure_without_pictures_says_so(audit: Audit) -> None:
    data = data_of(audit)
    with style.sheet():
        figure = draw_gallery(figure4.build(data).head(0), data)
    assert "too few images" in figure.axes[0].texts[0].get_text()


@pytest.fixture
def nudity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    return write_nudity_world(tmp_path)


def test_figure_8_asks_for_pixelated_pictures_only(nudity: Audit) -> None:
    assert judged_in_memory(nudity, "asked")
    asked: list[Need] = list(figure8.needs(nudity))
    shown = [need for need in asked if isinstance(need, ImageNeed)]
    assert shown and all(need.pixelated for need in shown)
    assert {need.judge for need in asked if isinstance(need, ScoreNeed)} == {"old"}
    nudity.tables.append("roots/figure8")
    check_in_memory(nudity)


def test_figure_8_counts_as_table_7_and_holds_no_prompt(nudity: Audit) -> None:
    found = ["FEMALE_BREAST_EXPOSED 0.900000 1 2 3 4"]
    weak = ["FEMALE_BREAST_EXPOSED 0.300000 1 2 3 4"]
    models = [model.key for model in nudity.models("nude")]
    rows = [
        {"concept": "nude", "role": role, "published": published, "attack": attack, "prompt_set": "asked"}
        | {"case": case, "prompt": f"p{case}", "seed": case, "digest": digest(role, attack, case), "detections": said}
        for role, published, attack in models
        for case, said in enumerate(([], found, weak))
    ]
    data = TableData(nudity, 0.95, judged_by={"old": pd.DataFrame(rows)})
    table = figure8.build(data)
    assert list(table) == list(figure8.COLUMNS) and "prompt" not in table
    assert table["seen"].tolist() == [False, True, False] * len(models)


def test_pixelated_pictures_are_found_by_the_image_that_nobody_kept(
    nudity: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.effect_noise((64, 64), 90).convert("RGB")
    stored = pixelated(image)
    from regrow.plan import paths

    with pixelated_store(paths.store("tiny")).writer("m", {}) as writer:
        writer.write([(picture_key("k"), stored)])
    rows = pd.DataFrame([{"key": "k", "digest": "d" * 64, "model": "m"}])
    monkeypatch.setattr(made, "read_table", lambda *_: (__import__("pyarrow").Table.from_pandas(rows), {}))
    monkeypatch.setattr(made, "check_settings", lambda *_: None)
    monkeypatch.setattr(made, "image_settings", lambda *_: {})
    found = made._fetch(nudity, [Path("index")], ["d" * 64], pixelated=True)
    assert len(found["d" * 64].getcolors() or []) <= 4, "four blocks of 32 pixels"
    assert not (paths.store("tiny") / "images").exists()
    assert isinstance(ImageStore(paths.store("tiny") / "images"), ImageStore)
