"""Table 12: what is left of a defence when it is attacked, by attackers who tell for themselves what was pruned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regrow.tables.accuracy import COLUMNS as ACCURACY
from regrow.tables.lines import each_line
from regrow.tables.selection import accuracy_needs, concept_sets, detectability_needs, inference_needs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from regrow.plan.audit import Audit, Need
    from regrow.tables.blocks import Block
    from regrow.tables.data import FigureData, TableData

TITLE = "Table 12: defended models, attacked again"
CAPTION = (
    "Share of images of the erased concept in which the judge sees it, by what fills the cut and by the attack on it, "
    "with Wilson intervals over the distinct images. Beside it what the attack knew: the share of signs that it has "
    "right over all truly pruned weights (a missed weight counts one half), and how well small magnitudes give the "
    "cut away (area under the ROC curve, 0.5 is chance). The paper's attacker takes the smallest 2 % for pruned; one "
    "who adapts finds the noise by its width."
)
SOURCE = "Roots Beneath the Cut, Table 12"
REPORTED = "table12.csv"
COLUMNS = {
    "concept": ACCURACY["concept"],
    "published": ACCURACY["published"],
    "defence": "what fills the cut, empty for a plain one",
    "strength": "of Gaussian noise: its standard deviation",
    "unit": "of the strength: absolute, or the root mean square of what was not pruned in the layer or row",
    "attack": ACCURACY["attack"],
    "completer": "of the attack, empty without one",
    "prompt_set": ACCURACY["prompt_set"],
    **{name: ACCURACY[name] for name in ("n", "n_distinct", "correct", "accuracy", "low", "high")},
    "sign_accuracy": "share of signs that the attack has right over all truly pruned weights; pooled: mean of concepts",
    "auroc": "area under the ROC curve of small magnitudes, mean over layers; pooled: mean of concepts",
}


def needs(audit: Audit) -> Iterable[Need]:
    """Ask for all published models, attacked and not, on the erased concept's prompts, and what attackers knew."""
    from regrow.plan.needs import ScoreNeed

    scores = accuracy_needs(audit, concept_sets(audit))
    of_cut = [need for need in scores if isinstance(need, ScoreNeed) and need.cell.model.role != "pretrained"]
    return [*of_cut, *inference_needs(audit), *detectability_needs(audit, "detectors")]


def build(data: TableData) -> pd.DataFrame:
    """Count what the judges saw and put beside it what the weights gave away."""
    audit = data.audit
    table = data.accuracy(concept_sets(audit))
    defences = {
        name: audit.params.defend_model[entry.defence] if entry.defence else {}
        for name, entry in audit.params.publish_model.items()
    }
    table["defence"] = [defences[name].get("method", "") for name in table["published"]]
    table["strength"] = [defences[name].get("std", float("nan")) for name in table["published"]]
    table["unit"] = [defences[name].get("unit", "") for name in table["published"]]
    completers = {attack: audit.entry(attack).get("completer") or "" for attack in audit.attacks}
    table["completer"] = [completers.get(attack, "") for attack in table["attack"]]
    table = table.merge(_signs(data), how="left", on=["concept", "published", "completer"])
    return table.merge(_magnitudes(data), how="left", on=["concept", "published"])[list(COLUMNS)]


def _signs(data: TableData) -> pd.DataFrame:
    """Return sign_accuracy by concept (and their mean), published model and completer."""
    import pandas as pd

    keys = ["concept", "published", "completer"]
    if not any(data.audit.completers(published) for published in data.audit.handed_out):
        return pd.DataFrame(columns=[*keys, "sign_accuracy"]).astype({"sign_accuracy": float})
    counts = data.evaluation("inference")
    share = (counts["correct"] + (counts["n"] - counts["guessed"]) / 2) / counts["n"]
    return _mean(counts.assign(sign_accuracy=share), keys, "sign_accuracy", data)


def _magnitudes(data: TableData) -> pd.DataFrame:
    rows = data.evaluation("detectors")
    return _mean(rows[rows["detector"] == "magnitude"], ["concept", "published"], "auroc", data)


def _mean(rows: pd.DataFrame, keys: list[str], value: str, data: TableData) -> pd.DataFrame:
    """Average a value within each concept, and these over the concepts of a kind."""
    from regrow.tables.intervals import rounded
    from regrow.tables.pooling import MEAN, with_pooled

    single = rows.groupby(keys, sort=False)[value].mean().reset_index()
    table = with_pooled(single, data.kinds, MEAN).groupby(keys, sort=False)[value].mean().reset_index()
    return table.assign(**{value: rounded(table[value])})


def draw(table: pd.DataFrame, data: FigureData) -> Figure:
    """Draw the mean accuracy of every attack on every published model."""
    from regrow.tables import style
    from regrow.tables.grid import draw_grid
    from regrow.tables.pooling import pooled_rows

    pooled = table[pooled_rows(table)]
    if pooled.empty:
        figure = style.figure(1.5)
        style.draw_empty(figure.subplots(), "no model was published in this audit")
        return figure
    kinds = pooled["concept"].str.removeprefix("mean").str.strip()
    models = pooled["published"].where(kinds == "", pooled["published"] + ", " + kinds)
    attacks = pooled["attack"].where(pooled["attack"] != "none", "not attacked")
    several = pooled["prompt_set"].nunique() > 1
    shown = pooled.assign(model=models, shown=attacks + (" / " + pooled["prompt_set"] if several else ""))
    return draw_grid(shown, "shown", "accuracy", "judge sees the erased concept", lowest=0.0)


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return the mean accuracy of every attack on every published model."""
    from regrow.tables.pooling import MEAN, pooled_rows

    found = {}
    for row in each_line(table[pooled_rows(table)].dropna(subset=["accuracy"])):
        kind = row.concept.removeprefix(MEAN).replace(" ", "_")
        found[f"{row.prompt_set}_defended_{row.published}_{row.attack}{kind}"] = row.accuracy
    return found


def section(table: pd.DataFrame, data: TableData) -> list[Block]:
    """Show every published model's means, and the paper's table when asked for."""
    from regrow.tables.blocks import Grid, Share, Text
    from regrow.tables.pooling import pooled_rows
    from regrow.tables.reported import differences

    blocks: list[Block] = []
    for (concept, prompt_set), rows in table[pooled_rows(table)].groupby(["concept", "prompt_set"], sort=False):
        lines = [
            (
                f"{row.published}, {'not attacked' if row.attack == 'none' else row.attack}",
                [
                    Share(row.accuracy, row.low, row.high) if row.accuracy == row.accuracy else None,
                    Share(row.sign_accuracy, digits=1) if row.sign_accuracy == row.sign_accuracy else None,
                    f"{row.auroc:.2f}" if row.auroc == row.auroc else None,
                ],
            )
            for row in each_line(rows)
        ]
        head = ["accuracy", "signs right", "AUROC of magnitudes"]
        blocks.append(Grid(f"This audit: {concept}, prompts '{prompt_set}'.", "Published model, attack", head, lines))
    reported = data.reported()
    if reported is not None:
        blocks += [_printed(reported), Text(differences(data.audit, "roots", concept_sets(data.audit)[0]))]
    return blocks


def _printed(reported: pd.DataFrame) -> Block:
    from regrow.tables.blocks import Grid

    columns = list(dict.fromkeys(zip(reported["model"], reported["sigma"], strict=True)))
    cells = {
        (concept, model, sigma): share
        for concept, model, sigma, share in reported[["concept", "model", "sigma", "accuracy"]].itertuples(index=False)
    }
    lines = [
        (concept, [f"{100 * cells[concept, *column]:.0f} %" for column in columns])
        for concept in dict.fromkeys(reported["concept"])
    ]
    head = [f"{model}, {sigma:g}" for model, sigma in columns]
    return Grid("Reported, by sigma.", "Class", head, lines, reported=True, fold=True)
