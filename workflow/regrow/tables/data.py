"""What a table's module is given: checked frames, and words for models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from regrow.errors import UserError
from regrow.tables.accuracy import accuracy_table

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from regrow.plan.audit import Audit


@dataclass
class TableData:
    """Everything that a table asked for, read and compared with the plan by `regrow.tables.frames`.

    Attributes
    ----------
    audit : Audit
        The plan.
    level : float
        Of every interval.
    judged_by : mapping of DataFrame
        Judge to its rows: a line per image (or per set) of each cell that was asked for, with the address, case,
        prompt, label, seed, digest and the judge's columns. What all concepts share stands once under each of
        them; of a judge of sets it is one line, of concept ``any``.
    evaluations : mapping of DataFrame
        Name (signs, alignment, reliability, ladder, spectrum) to rows with published, completer and concept.
    records : mapping
        (published, attack, concept) to what was done to the model; the attack of a published model is ``none``.
    printed : DataFrame or None
        What the paper prints.
    other : callable
        Builds another table of the audit; see `built`.
    """

    audit: Audit
    level: float
    judged_by: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    evaluations: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    records: Mapping[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    printed: pd.DataFrame | None = None
    other: Callable[[str], tuple[pd.DataFrame, TableData]] | None = None

    @property
    def kinds(self) -> dict[str, str]:
        """The audit's concepts, in order, with their kinds."""
        return self.audit.kinds

    def scores(self, judge: str) -> pd.DataFrame:
        """Return what a judge said, cells in the plan's order and rows in the prompt set's."""
        if judge not in self.judged_by:
            raise UserError(f"a table uses judge '{judge}' without a ScoreNeed for it: add it to the table's needs")
        return self.judged_by[judge]

    def judged(self, prompt_sets: Sequence[str]) -> pd.DataFrame:
        """Return, for prompt sets with labels, the rows of every judge that compares with them, with `correct`."""
        import pandas as pd

        parts = [rows[rows["prompt_set"].isin(prompt_sets)] for rows in self.judged_by.values() if "correct" in rows]
        if not parts:
            raise UserError("no judge compared the images with labels: give the prompt set a judge of a type with top1")
        rows = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        return rows.reset_index(drop=True)

    def accuracy(self, prompt_sets: Sequence[str], rows: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return accuracies of every cell and their means over concepts; see `regrow.tables.accuracy`.

        `rows` are those of `judged` with another `correct`, for a table that counts something else.
        """
        rows = self.judged(prompt_sets) if rows is None else rows
        # A table without oracles has no blanks of oracles either.
        roles = {"attacked", *rows["role"]}
        blanks = [key for key in self.audit.blanks() if key[0] in roles]
        return accuracy_table(rows, self.kinds, self.models, blanks, prompt_sets, self.level)

    @property
    def models(self) -> list[tuple[str, str, str]]:
        """The models as (role, published, attack) in the audit's order, also those that do not exist."""
        audit = self.audit
        found = [("pretrained", "none", "none"), ("control", "none", "none")]
        for published in audit.listed_published:
            found.append(("erased", published, "none"))
            found += [("attacked", published, attack) for attack in audit.listed_attacks]
            found += [("oracle", published, oracle) for oracle in audit.oracles]
        return found

    def evaluation(self, name: str) -> pd.DataFrame:
        """Return counts of an evaluation, published models, completers and concepts in the plan's order."""
        if name not in self.evaluations:
            raise UserError(f"a table uses '{name}' without an EvaluationNeed for it: add it to the table's needs")
        return self.evaluations[name]

    def built(self, table: str) -> tuple[pd.DataFrame, TableData]:
        """Return another table of the audit and what it was given, for a table whose needs hold all of that one's."""
        if self.other is None:
            raise UserError(f"a figure's data builds no other table such as {table}: put what it draws into its table")
        return self.other(table)

    def reported(self) -> pd.DataFrame | None:
        """Return what the paper prints, or None."""
        return self.printed

    def label(self, role: str, published: str, attack: str) -> str:
        """Return a model's name for a reader; one published model alone is not named."""
        if role in ("pretrained", "control"):
            return role
        if role == "erased":
            return published
        of = f" on {published}" if len(self.audit.listed_published) > 1 else ""
        return f"{attack}{of}" + (" (oracle)" if role == "oracle" else "")

    def reason(self, published: str, attack: str) -> str:
        """Return why an attack does not apply to a published model."""
        found = {key[1:]: reason for key, reason in self.audit.blanks().items()}
        return found.get((published, attack), "not made")


@dataclass
class FigureData(TableData):
    """What a figure is given besides: settings, and pictures by their digest."""

    columns: int = 6
    dpi: int = 150
    fetch: Callable[[Iterable[str]], dict[str, Image.Image]] = field(default=lambda digests: {})

    def pictures(self, digests: Iterable[str]) -> dict[str, Image.Image]:
        """Return images by digest; one that is in no index of the table's ImageNeeds is an error."""
        wanted = list(dict.fromkeys(digests))
        found = self.fetch(wanted)
        missing = [digest for digest in wanted if digest not in found]
        if missing:
            raise UserError(
                f"{len(missing)} images of the table are in no index that it asked for (the first is "
                f"{missing[0][:12]}): make the table again"
            )
        return found
