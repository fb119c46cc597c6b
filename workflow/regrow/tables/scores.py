"""Read what judges said of cells, and compare it with the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from regrow.dependencies import constant
from regrow.errors import UserError
from regrow.images.index import INDEX
from regrow.images.prompts import distinct, read_learned
from regrow.images.screen.apply import screen_rows
from regrow.io.parquet import check_types, read_table
from regrow.judge._scoring import ARROW
from regrow.judges import read_protocol
from regrow.plan import paths
from regrow.plan.addresses import ANY, Cell
from regrow.plan.audit import Audit
from regrow.plan.jobs import judges_sets, parts_of
from regrow.plan.judges import judge_folder
from regrow.plan.screening import drawn_rows, lists_of
from regrow.tables.accuracy import ADDRESS
from regrow.tables.checks import ExpectedCell, check_cell, check_complete, check_settings
from regrow.tables.records import checked_record, world_of

if TYPE_CHECKING:
    import pandas as pd

    from regrow.images.prompts import Prompt

OF_AN_IMAGE = {name: INDEX.field(name).type for name in INDEX.names if name != "key"}
OF_A_SET = {**{name: pa.string() for name in (*ADDRESS, "model")}, "n": pa.int64(), "n_distinct": pa.int64()}


def read_scores(audit: Audit, judge: str, cells: Sequence[Cell]) -> pd.DataFrame:
    """Return the rows of cells by one judge; a shared cell stands once under each concept, with the concept's rows.

    Raises
    ------
    UserError
        A file is missing, damaged, stale or of something else.
    """
    import pandas as pd

    reader = ScoreReader(audit, judge)
    parts = []
    for cell in cells:
        if reader.per_set:
            parts.append(reader.line(cell))
            continue
        rows = reader.rows(cell)
        concepts = audit.concepts if cell.concept == ANY else [cell.concept]
        parts += [_of_concept(audit, rows, cell, concept) for concept in concepts]
    frame = pd.concat(parts, ignore_index=True)
    concepts_rank = {name: place for place, name in enumerate(audit.concepts)}
    models = {model.key: None for concept in audit.concepts for model in audit.models(concept)}
    models_rank = {key: place for place, key in enumerate(models)}
    rank = [
        (concepts_rank.get(row[0], -1), models_rank[row[1:]])
        for row in frame[ADDRESS[:-1]].itertuples(index=False, name=None)
    ]
    return frame.iloc[sorted(range(len(frame)), key=rank.__getitem__)].reset_index(drop=True)


class ScoreReader:
    """Reads the scores of one judge, every file once.

    Parameters
    ----------
    audit : Audit
        The plan, with which every file is compared.
    judge : str
        A judge of the world.
    """

    def __init__(self, audit: Audit, judge: str) -> None:
        self.per_set = judges_sets(audit, judge)
        self._audit, self._judge = audit, judge
        self._settings = {**image_settings(audit), "judge": judge, "protocol_digest": protocol_digest(audit, judge)}
        self._groups: dict[tuple[str, str], dict[tuple[str, ...], pd.DataFrame]] = {}

    def rows(self, cell: Cell) -> pd.DataFrame:
        """Return a row per image of a cell, in the order of the prompt set."""
        files, mend = self._files(cell)
        rows = self._group(cell, files, mend, OF_AN_IMAGE).get(tuple(cell.address.values()))
        if rows is None:
            raise UserError(
                f"{files[0]} holds no rows of {' / '.join(cell.address.values())}: make it anew with `{mend}` and run "
                "the workflow again"
            )
        check_cell(files[0], rows, expected_cell(self._audit, cell), mend)
        return rows.reset_index(drop=True)

    def line(self, cell: Cell) -> pd.DataFrame:
        """Return the one row of a cell by a judge of sets."""
        path = paths.set_score(self._audit.world_name, self._audit.name, self._judge, cell.prompt_set, cell.group)
        mend = f"snakemake --force {path}"
        line = self._group(cell, [path], mend, OF_A_SET).get(tuple(cell.address.values()))
        expected = expected_cell(self._audit, cell)
        if line is None or len(line) != 1:
            raise UserError(
                f"{path} holds {0 if line is None else len(line)} lines of {expected.name} where it needs one: make it "
                f"anew with `{mend}` and run the workflow again"
            )
        counts = {"n": len(expected.prompts), "n_distinct": len(distinct(expected.prompts)), "model": expected.model}
        check_settings(path, {name: line[name].iloc[0] for name in counts}, counts, mend)
        return line.reset_index(drop=True)

    def _files(self, cell: Cell) -> tuple[list[Path], str]:
        """Return the score files of a cell's group, and the command that makes them and their indexes anew."""
        world, name = self._audit.world_name, self._audit.name
        parts = parts_of(self._audit, cell.prompt_set, cell.group)
        scores = [paths.score(world, name, self._judge, cell.prompt_set, cell.group, part) for part in parts]
        indexes = [paths.index(world, name, cell.prompt_set, cell.group, part) for part in parts]
        return scores, f"snakemake --force {' '.join(path.as_posix() for path in (*indexes, *scores))}"

    def _judged(self, prompt_set: str) -> dict[str, pa.DataType]:
        """Return the columns of the judge, and `correct` where its first answer is compared with labels."""
        declared = self._audit.judge_columns(self._judge)
        compared = "top1" in declared and self._audit.prompt_sets[prompt_set].labels != "none"
        columns = {name: ARROW[kind] for name, kind in declared.items()}
        return {**columns, "correct": pa.bool_()} if compared and not self.per_set else columns

    def _group(
        self, cell: Cell, files: Sequence[Path], mend: str, columns: Mapping[str, pa.DataType]
    ) -> dict[tuple[str, ...], pd.DataFrame]:
        """Return the rows of every cell of a group by its address."""
        import pandas as pd

        key = (cell.prompt_set, cell.group)
        if key not in self._groups:
            frames, again = [], f"make it anew with `{mend}` and run the workflow again"
            types = {**columns, **self._judged(cell.prompt_set)}
            for path in files:
                table, metadata = read_table(path, columns)
                check_settings(path, metadata, self._settings, mend)
                check_types(path, table, types, again)
                frames.append(table.to_pandas())
                check_complete(path, frames[-1], again)
            whole = pd.concat(frames, ignore_index=True)
            self._groups[key] = {tuple(map(str, name)): rows for name, rows in whole.groupby(ADDRESS, sort=False)}
        return self._groups[key]


def expected_cell(audit: Audit, cell: Cell) -> ExpectedCell:
    """Return what the rows of a cell must be now."""
    prompts = drawn_rows(audit, cell.prompt_set, cell.group)
    if cell.prompts is not None:
        learned = _attacked_prompts(cell.prompts, prompts)
        prompts = screen_rows(learned, lists_of(audit, cell.prompt_set, cell.group, learned=True)).rows
    # An attack on prompts leaves the published model as it is, so its record has that model's digest.
    model = checked_record(audit, cell.model, cell.record)["model"] if cell.record else world_of(audit).base
    return ExpectedCell(cell.address, prompts, str(model))


def image_settings(audit: Audit) -> dict[str, Any]:
    """Return what every index and score file must say of how images are drawn."""
    world, settings = world_of(audit), audit.params.generate_images
    return {
        "world": audit.world_name,
        "base": world.base,
        "settings": world.settings,
        "sampler": {"scheduler": world.scheduler, "steps": settings.steps, "guidance": settings.guidance},
        "numerics": {"dtype": settings.dtype, "vae_tiling": settings.vae_tiling, "compiled": False},
        # Read from the source: importing the renderer would load torch.
        "renderer": constant("regrow.images.renderer", "RENDERER_VERSION"),
    }


def protocol_digest(audit: Audit, judge: str) -> str:
    """Return the digest of a judge's settings, files and code as they are now."""
    return _protocol_digest(judge_folder(audit.world, judge))


@lru_cache(maxsize=32)
def _protocol_digest(folder: Path) -> str:
    return read_protocol(folder).digest()


def _of_concept(audit: Audit, rows: pd.DataFrame, cell: Cell, concept: str) -> pd.DataFrame:
    """Return the rows that count for a concept: all of its own, and of shared ones those selected for it."""
    if cell.concept != ANY:
        return rows
    cases = [row.case for row in drawn_rows(audit, cell.prompt_set, concept)]
    return rows.set_index("case", drop=False).loc[cases].assign(concept=concept).reset_index(drop=True)


def _attacked_prompts(path: Path, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the rows with the prompts that an attack found in their places."""
    found = read_learned(path)
    if missing := [row.case for row in prompts if row.case not in found]:
        raise UserError(f"{path} has no prompt for case {missing[0]}: make it anew with `snakemake --force {path}`")
    return [replace(row, prompt=found[row.case]) for row in prompts]
