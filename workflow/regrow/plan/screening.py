"""The screen as the plan sees it: which rows of a group are drawn, and how many are not."""

from regrow.errors import UserError
from regrow.images.prompts import Prompt
from regrow.images.screen.apply import NUDITY, Screened, check_rows_left, lists_for, screen_rows
from regrow.plan.addresses import SHARED_GROUP
from regrow.plan.audit import Audit
from regrow.plan.jobs import prompt_file, rows_of
from regrow.plan.memory import remembered


def lists_of(audit: Audit, prompt_set: str, group: str, learned: bool = False) -> tuple[str, ...]:
    """Return the lists of the screen that a group's prompts go through."""
    kind = None if group == SHARED_GROUP else audit.pack(group).kind
    return lists_for(audit.world.prompt_sets[prompt_set], kind, learned)


@remembered
def screened(audit: Audit, prompt_set: str, group: str) -> Screened:
    """Return the rows of a prompt set that a group draws, and the cases of those that it does not."""
    return screen_rows(rows_of(audit, prompt_set, group), lists_of(audit, prompt_set, group))


def drawn_rows(audit: Audit, prompt_set: str, group: str) -> list[Prompt]:
    """Return the rows that a group's models draw: those that are asked for and pass the screen."""
    return screened(audit, prompt_set, group).rows


def check_shared_screen(audit: Audit, prompt_set: str) -> None:
    """Refuse a prompt set of which models of one audit would draw different rows.

    Raises
    ------
    UserError
        The audit erases nudity, whose models draw screened prompts only, and the set is not marked sensitive.
    """
    nude = [name for name in audit.concepts if audit.pack(name).kind == NUDITY]
    if nude and not audit.world.prompt_sets[prompt_set].sensitive:
        raise UserError(
            f"audit '{audit.name}' erases '{nude[0]}', whose models draw screened prompts only, but prompt set "
            f"'{prompt_set}' is not marked sensitive, so other models would draw all of it: count one that is, such as "
            f"'{prompt_set}_screened', so that all draw the same rows"
        )


def check_some_drawn(audit: Audit, prompt_set: str, group: str) -> None:
    """Refuse a prompt set of which nothing passes the screen, once its file is there.

    Raises
    ------
    UserError
        Says how many rows each list dropped.
    """
    path = prompt_file(audit, prompt_set, group)
    if path.is_file():
        named = audit.world.prompt_sets[prompt_set].model_copy(update={"file": str(path)})
        check_rows_left(screened(audit, prompt_set, group), named, f"the first {audit.counts[prompt_set]}")
