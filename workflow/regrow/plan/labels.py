"""Labels of prompts that a judge cannot see: the run would stop once all images are drawn."""

from regrow.errors import UserError, nearest
from regrow.images.csv_rows import same_text
from regrow.judges import JudgeProtocol
from regrow.plan.addresses import ANY, SHARED_GROUP
from regrow.plan.audit import Audit
from regrow.plan.jobs import prompt_file, rows_of
from regrow.plan.judges import judge_folder, judge_module, settings_of_judge
from regrow.plan.memory import remembered


def check_labels(audit: Audit, prompt_set: str, group: str) -> None:
    """Refuse a row of a group whose label a judge of its images does not know.

    Raises
    ------
    UserError
        As `rows_of`; or the first such row, with the judge's nearest label.
    """
    rows = rows_of(audit, prompt_set, group)
    if audit.world.prompt_sets[prompt_set].labels == "none":
        return
    for judge in audit.judges(prompt_set, ANY if group == SHARED_GROUP else group):
        known = labels_of(audit, judge)
        keys = {same_text(label) for label in known}
        for row in rows:
            if known and same_text(row.label) not in keys:
                raise UserError(
                    f"{prompt_file(audit, prompt_set, group)}, case {row.case}: unknown label '{row.label}' of judge "
                    f"'{judge}': {nearest(row.label, known)}"
                )


@remembered
def labels_of(audit: Audit, judge: str) -> list[str]:
    """Return the labels of a judge, none for one that tells none; those of published weights come with torchvision."""
    settings = settings_of_judge(audit.world, judge)
    if isinstance(own := settings.get("labels"), list):
        return list(map(str, own))
    type_name = judge_module(audit.world, judge).rpartition(".")[2]
    return JudgeProtocol(judge_folder(audit.world, judge), type_name, settings).labels or []
