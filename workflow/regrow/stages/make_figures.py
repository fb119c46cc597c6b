"""Stage make_figures: the image grid of Fig. 5, a strip per concept and the charts."""

from pathlib import Path

from regrow.files import write_folder
from regrow.paper.alignment import LayerAlignment
from regrow.paper.both_sides import read_both_sides
from regrow.paper.figure_alignment import draw_alignment
from regrow.paper.figure_bars import draw_bars
from regrow.paper.figure_grid import draw_grid
from regrow.paper.figure_ladder import draw_ladder
from regrow.paper.figure_layers import draw_layers
from regrow.paper.figure_oracles import draw_oracles
from regrow.paper.figure_reliability import draw_reliability
from regrow.paper.figure_signs import draw_signs
from regrow.paper.figure_spectrum import draw_spectrum
from regrow.paper.figure_strip import draw_strip
from regrow.paper.ladder import Rung
from regrow.paper.pictures import Picture, read_images
from regrow.paper.published import read_published
from regrow.paper.recipes import oracles, published_order, roles
from regrow.paper.reliability import Reliability
from regrow.paper.rows import read_rows
from regrow.paper.scores import ERASED, read_scores
from regrow.paper.signs import SignAccuracy
from regrow.paper.table1 import Accuracy
from regrow.paper.verdict import shown_recipes, verdicts


def run(
    images: list[Path],
    scores: list[Path],
    spectra: list[Path],
    tables: Path,
    published: Path,
    labels: dict[str, str],
    columns: int,
    confidence: float,
    dpi: int,
    out_dir: Path,
) -> None:
    """Write grid, bars, signs, layers, alignment, reliability, ladder, spectrum and concept_{concept} (each), all PNG.

    When a recipe consults an oracle also oracles.png, Fig. 2 of the paper; its bars are not among those of bars.png.

    Parameters
    ----------
    images : list of Path
        Files of generate_images, prompt set ``erased``, every recipe's.
    scores : list of Path
        Their files of score_images; a picture is found by the digest that was judged.
    spectra : list of Path
        Files of measure_spectrum; empty when no recipe completes weights.
    tables : Path
        Folder of make_tables.
    published : Path
        Folder data/published.
    labels : dict
        Concept to the judge's label, in the audit's order.
    columns : int
        Pictures of a cell: the first ones by case.
    confidence : float
        Level of the intervals in the tables.
    dpi : int
        Dots per inch of the charts.
    out_dir : Path
        Folder of the figures.

    Raises
    ------
    UserError
        When a picture was not found or a table is missing.
    """
    judged = read_scores(scores)
    recipes, parts, concepts = published_order(judged.recipes), roles(judged.recipes), list(labels)
    picked = {
        (concept, recipe): judged.cell(concept, recipe, ERASED, label, columns).scores
        for concept, label in labels.items()
        for recipe in recipes
    }
    found = read_images(images, {score.digest for cell in picked.values() for score in cell})
    pictures = {key: [Picture(found[score.digest], score.correct) for score in cell] for key, cell in picked.items()}
    accuracies, paper = read_rows(tables / "table1.csv", Accuracy), read_published(published)

    def draw(folder: Path) -> None:
        draw_grid(pictures, concepts, recipes, folder / "grid.png")
        knowing = oracles(judged.recipes)
        draw_bars(accuracies, [recipe for recipe in recipes if recipe not in knowing], folder / "bars.png", dpi)
        if knowing:
            draw_oracles(accuracies, judged.recipes, folder / "oracles.png", dpi)
        signs = read_rows(tables / "signs.csv", SignAccuracy)
        draw_signs(signs, paper.table6, folder / "signs.png", dpi)
        draw_layers(signs, folder / "layers.png", dpi)
        draw_alignment(read_rows(tables / "alignment.csv", LayerAlignment), paper.table5, folder / "alignment.png", dpi)
        draw_reliability(read_rows(tables / "reliability.csv", Reliability), folder / "reliability.png", dpi)
        draw_ladder(read_rows(tables / "ladder.csv", Rung), folder / "ladder.png", dpi)
        draw_spectrum(read_both_sides(spectra, labels).spectra, folder / "spectrum.png", dpi)
        judgements = [verdicts(accuracies, concepts, parts, chain, confidence) for chain in parts.chains]
        for number, concept in enumerate(concepts):
            rows = shown_recipes([found[number] for found in judgements])
            draw_strip([pictures[concept, recipe] for recipe in rows], folder / f"concept_{concept}.png")

    write_folder(out_dir, draw)  # figures of recipes and concepts that are no longer run do not stay
