"""Which images are never kept as they are: those of sensitive prompts that go to a detector."""

from regrow.plan.audit import Audit


def judged_in_memory(audit: Audit, prompt_set: str) -> bool:
    """Return whether the images of a prompt set are judged in memory."""
    return is_hidden(audit, prompt_set) and has_detector(audit, prompt_set)


def is_hidden(audit: Audit, prompt_set: str) -> bool:
    """Return whether the images of a prompt set must not be kept as they are."""
    return audit.world.prompt_sets[prompt_set].sensitive and prompt_set not in audit.world.keep_images


def has_detector(audit: Audit, prompt_set: str) -> bool:
    """Return whether a detector looks at the images of a prompt set."""
    judges = audit.world.prompt_sets[prompt_set].judges
    return any("detections" in audit.judge_columns(judge) for judge in judges)
