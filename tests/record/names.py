"""The first edition's names for models, and what they are called now."""

import pandas as pd

ATTACKS = {"quantized": "int4_rows"}  # others kept their names
POOLED = ("all", "mean")
ADDRESS = ["concept", "role", "published", "attack", "prompt_set"]


def model(recipe: str) -> tuple[str, str, str]:
    """Return role, published model and attack of a recipe of the first edition."""
    if recipe == "pretrained":
        return "pretrained", "none", "none"
    if recipe == "pruned":
        return "erased", "pruned", "none"
    return "oracle" if recipe.startswith("true_") else "attacked", "pruned", ATTACKS.get(recipe, recipe)


def renamed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of the first edition in today's columns."""
    if "eraser" in table:
        return table.assign(published="pruned").drop(columns="eraser")
    if "recipe" not in table:
        return table
    models = pd.DataFrame([model(recipe) for recipe in table["recipe"]], columns=["role", "published", "attack"])
    return pd.concat([table.drop(columns="recipe"), models], axis=1)
