"""The rows of a file of prompts that is not fetched yet, as many as its origin says: an audit is planned by them."""

from itertools import count

from regrow.config.origins import PromptOrigin
from regrow.images.prompts import Prompt


def expected_rows(origin: PromptOrigin) -> list[Prompt]:
    """Return rows of a file's labels and counts; their prompts are placeholders, which nothing may draw."""
    labels = origin.labels or {"": (origin.rows, origin.distinct or origin.rows)}
    case = count()
    return [
        Prompt(next(case), f"{label} {number % distinct}", 0, label)
        for label, (rows, distinct) in labels.items()
        for number in range(rows)
    ]
