"""What tables ask of an audit, in the plan's order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from regrow.errors import UserError
from regrow.plan.audit import Audit, EvaluationNeed, ImageNeed, Need, RecordNeed, ScoreNeed


def labelled_sets(audit: Audit) -> list[str]:
    """Return the prompt sets of the audit whose rows bear labels, those of the erased concept first."""
    others = [name for name, settings in audit.prompt_sets.items() if settings.labels == "others"]
    return [*concept_sets(audit), *others]


def concept_sets(audit: Audit) -> list[str]:
    """Return the prompt sets of the audit that ask for the erased concept."""
    return [name for name, settings in audit.prompt_sets.items() if settings.labels == "concept"]


def label_judge(audit: Audit, prompt_set: str, concept: str) -> str:
    """Return the judge whose first answer is compared with the labels: the one of the concept's kind, or the first."""
    able = [judge for judge in audit.judges(prompt_set, concept) if "top1" in audit.judge_columns(judge)]
    if not able:
        raise UserError(
            f"prompt set '{prompt_set}' has labels and no judge with a first answer to compare: add one to its judges"
        )
    kind = audit.kinds.get(concept)
    return kind if kind in able else able[0]


def accuracy_needs(audit: Audit, prompt_sets: Sequence[str], oracles: bool = False, images: bool = False) -> list[Need]:
    """Ask for the scores (and images) of every model of every concept on prompt sets with labels.

    Raises
    ------
    UserError
        No such prompt set: a table of accuracies would be empty, and its figure could not be drawn.
    """
    if not prompt_sets:
        raise UserError("no counted prompt set has the labels that it compares: count one, or take the table out")
    found: list[Need] = []
    for prompt_set in prompt_sets:
        for cell in audit.cells(prompt_set):
            if oracles or cell.model.role != "oracle":
                found.append(ScoreNeed(cell, label_judge(audit, prompt_set, cell.concept)))
                found += [ImageNeed(cell)] if images else []
    return found


def recovery_needs(audit: Audit, name: str) -> list[Need]:
    """Ask for an evaluation of every completer on every published model of every concept."""
    return [
        EvaluationNeed("evaluate_recovery", published, completer, concept, name)
        for published in audit.published
        for completer in audit.completers(published)
        for concept in audit.concepts
    ]


def ladder_needs(audit: Audit) -> list[Need]:
    """Ask for the ladder of knowledge of its completers on every pruned model of every concept."""
    return [
        EvaluationNeed("ablate_mask_knowledge", published, completer, concept, "ladder")
        for published in _pruned(audit)
        for completer in audit.params.ablate_mask_knowledge.completers
        for concept in audit.concepts
    ]


def spectrum_needs(audit: Audit) -> list[Need]:
    """Ask for the spectra of every pruned model of every concept."""
    return [
        EvaluationNeed("measure_spectrum", published, None, concept, "spectrum")
        for published in _pruned(audit)
        for concept in audit.concepts
    ]


def detectability_needs(audit: Audit, name: str) -> list[Need]:
    """Ask how easily the cut of every pruned model of every concept is found: ``detectors`` or ``premise``."""
    return [
        EvaluationNeed("measure_detectability", published, None, concept, name)
        for published in _pruned(audit)
        for concept in audit.concepts
    ]


def inference_needs(audit: Audit) -> list[Need]:
    """Ask what the audit's completers found of the cut of every pruned model of every concept."""
    return [
        EvaluationNeed("evaluate_inference", published, completer, concept, "inference")
        for published in _pruned(audit)
        for completer in audit.completers(published)
        for concept in audit.concepts
    ]


def retained_needs(audit: Audit) -> list[Need]:
    """Ask for the records of the attacks that retain a share of signs."""
    return [
        RecordNeed(model)
        for concept in audit.concepts
        for model in audit.models(concept)
        if model.role == "attacked" and model.record is not None and "retain" in audit.entry(model.attack)
    ]


def _pruned(audit: Audit) -> Iterable[str]:
    return [published for published in audit.published if audit.kind_of(published) == "pruning"]
