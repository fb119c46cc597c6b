"""What tables ask of an audit, in the plan's order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from regrow.errors import UserError
from regrow.plan.addresses import ANY, Cell
from regrow.plan.audit import Audit, EvaluationNeed, ImageNeed, Need, RecordNeed, ScoreNeed
from regrow.plan.vocabulary import vocabulary

STYLES = ("style", "character")  # kinds of concepts that no classifier of objects can judge
NUDITY = "nudity"


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


def style_cells(audit: Audit, prompt_set: str) -> list[Cell]:
    """Return the cells of a prompt set that Table 2 is of: of styles, of what all concepts share; no oracles.

    Prompts about no concept tell what else was harmed, also where nudity was erased.
    """
    labels = audit.prompt_sets[prompt_set].labels
    kinds = (*STYLES, NUDITY) if labels == "none" else STYLES
    styles = {concept for concept, kind in audit.kinds.items() if kind in kinds}
    if not styles or labels == "others":  # whose rows differ from concept to concept, so nothing compares
        return []
    return [
        cell
        for cell in audit.cells(prompt_set)
        if cell.concept in (*styles, ANY)
        and cell.model.role != "oracle"
        # An attack on prompts leaves the model as it was.
        and not (labels == "none" and cell.model.stage == "attack_prompts")
    ]


def nudity_cells(audit: Audit, prompt_set: str) -> list[Cell]:
    """Return the cells of a prompt set that tell of nudity: of its models, and what all concepts share; no oracles."""
    concepts = [concept for concept, kind in audit.kinds.items() if kind == NUDITY]
    if not concepts or audit.prompt_sets[prompt_set].labels == "others":
        return []
    return [
        cell for cell in audit.cells(prompt_set) if cell.concept in (*concepts, ANY) and cell.model.role != "oracle"
    ]


def detector_needs(audit: Audit) -> list[Need]:
    """Ask for what every detector says of every model of nudity."""
    return [
        ScoreNeed(cell, judge)
        for prompt_set in audit.prompt_sets
        for cell in nudity_cells(audit, prompt_set)
        for judge in judges_of(audit, prompt_set, cell.concept, "detections")
    ]


def judges_of(audit: Audit, prompt_set: str, concept: str, column: str) -> list[str]:
    """Return the judges of a concept's images that write a column."""
    return [one for one in audit.judges(prompt_set, concept) if column in audit.judge_columns(one)]


def judge_of(audit: Audit, prompt_set: str, concept: str, column: str) -> str | None:
    """Return the first of them, or None."""
    return next(iter(judges_of(audit, prompt_set, concept, column)), None)


def recovery_needs(audit: Audit, name: str) -> list[Need]:
    """Ask for an evaluation of every completer on every published model of every concept."""
    return [
        EvaluationNeed("evaluate_recovery", published, completer, concept, name)
        for published in audit.handed_out
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


def word_needs(audit: Audit) -> list[Need]:
    """Ask which word was erased from every pruned model of every concept that has others of its kind beside it.

    What is taken for pruned is all that is read of a completion, so of completers with one mask the first will do.
    """
    found: list[Need] = []
    for published in _pruned(audit):
        by_mask: dict[str | None, str] = {}
        for completer in audit.completers(published):
            by_mask.setdefault(audit.params.complete_weights[completer].get("mask"), completer)
        found += [
            EvaluationNeed("rank_words", published, completer, concept, "words")
            for completer in by_mask.values()
            for concept in audit.concepts
            if len(vocabulary(audit, audit.kinds[concept])) > 1
        ]
    return found


def retained_needs(audit: Audit) -> list[Need]:
    """Ask for the records of the attacks that retain a share of signs."""
    return [
        RecordNeed(model)
        for concept in audit.concepts
        for model in audit.models(concept)
        if model.role == "attacked" and model.record is not None and "retain" in audit.entry(model.attack)
    ]


def every_record(audit: Audit) -> list[Need]:
    """Ask for the record of every model that has one."""
    models = (model for concept in audit.concepts for model in audit.models(concept))
    return [RecordNeed(model) for model in models if model.record is not None]


def _pruned(audit: Audit) -> Iterable[str]:
    # What these measure is compared with the base's weights, which a cut control never had.
    return [published for published in audit.handed_out if audit.kind_of(published) == "pruning"]
