"""Stage make_metrics: the few numbers that `dvc metrics diff` compares between two runs."""

from pathlib import Path

from regrow.io.files import write_json
from regrow.plan.audit import Audit
from regrow.plan.tables import table_module
from regrow.tables.made import read_made
from regrow.tables.revival import revival_rates
from regrow.tables.selection import concept_sets
from regrow.tables.verdict import verdict_metrics, verdicts

TABLE1 = "roots/table1"


def run(out: Path, audit: str | None = None) -> None:
    """Write the metrics of the audit's tables, and of Table 1 how many concepts grow back.

    Parameters
    ----------
    out : Path
        JSON of flat numbers.
    audit : str or None
        A file of config/audits, without .yaml; without it the audit of this run, or of params.yaml.

    Raises
    ------
    UserError
        A table that is missing or has other columns than its module declares.
    """
    plan = Audit.current(audit)
    found: dict[str, float] = {}
    for name in plan.tables:
        module, table = table_module(name), read_made(plan, name)
        found |= module.metrics(table) if hasattr(module, "metrics") else {}
        if name == TABLE1:
            for prompt_set in concept_sets(plan)[:1]:
                found |= revival_rates(table, prompt_set)
                for published in plan.handed_out:
                    found |= verdict_metrics(verdicts(table, prompt_set, published, plan.level), published)
    write_json(out, found)
