"""What is checked before the first job, on disk and between files: whatever would otherwise fail hours later."""

from collections.abc import Iterable

from regrow.errors import UserError, nearest
from regrow.images.csv_rows import same_text
from regrow.images.screen.packs import check_pack
from regrow.places import data_path, shown
from regrow.plan.attack_clip import check_attack_clip
from regrow.plan.audit import Audit
from regrow.plan.judges import declared
from regrow.plan.labels import check_labels, labels_of
from regrow.plan.not_yet import reasons
from regrow.plan.references import reference_name
from regrow.plan.screening import check_shared_screen, check_some_drawn
from regrow.plan.tables import reported_file, table_names
from regrow.plan.together import check_together


def check_audit(audit: Audit) -> None:
    """Refuse an audit that cannot run to its end.

    Raises
    ------
    UserError
        A name that nothing bears, a missing or broken file, too few prompts, a label that no judge knows, or an attack
        that applies to nothing.
    """
    where = f"audit '{audit.name}'"
    _check_world(audit)
    _check_concepts(audit, where)
    _check_selections(audit, where)
    for view in audit.views:
        _check_models(view, where if view is audit else f"selections of {where}")
    _check_ladder(audit)
    _known(audit.counts, audit.world.prompt_sets, "prompt set", f"counts of {where}")
    for prompt_set in audit.counts:
        _check_prompt_set(audit, prompt_set)
    for table in audit.tables:
        if (reported := reported_file(table)) is not None and not reported.is_file():
            raise UserError(f"there is no {shown(reported)}, which {table} compares with: restore it")
        _check_needs(audit, table)
    check_together(audit)
    wanted = audit.wanted_cells
    for prompt_set, concept in dict.fromkeys((cell.prompt_set, cell.concept) for cell in wanted):
        _check_label(audit, prompt_set, concept)
    for prompt_set, group in dict.fromkeys((cell.prompt_set, cell.group) for cell in wanted):
        check_labels(audit, prompt_set, group)
        check_some_drawn(audit, prompt_set, group)


def _check_selections(audit: Audit, where: str) -> None:
    _known(audit.tables, [*table_names(), *reasons("tables")], "table", where)
    if not audit.tables:
        raise UserError(f"{where}: no table of it can be made yet ({_first(audit, 'tables')}): add one that can")
    for table, selection in audit.config.audit.selections.items():
        _known([table], audit.config.audit.tables, "table", f"selections of {where}")
        _known(selection.concepts or [], audit.concepts, "concept", f"selections.{table} of {where}")


def _check_models(audit: Audit, where: str) -> None:
    params = audit.params
    _known(audit.published, [*params.publish_model, *reasons("published")], "published model", where)
    attacks = [*params.attack_weights, *params.attack_model, *params.attack_prompts]
    _known(audit.attacks, [*attacks, *reasons("attacks")], "attack", where)
    _known(audit.oracles, params.apply_oracle, "oracle", where)
    if not audit.published:
        raise UserError(f"{where}: no published model of it can be made yet ({_first(audit, 'published')}): add one")
    if steered := [attack for attack in audit.attacks if audit.needs_clip(attack) and not audit.world.attack_clip]:
        raise UserError(
            f"{where}: attack '{steered[0]}' is steered by a CLIP of its own, and world '{audit.world_name}' names "
            "none: add attack_clip to its file, or take the attack out"
        )
    _check_control(audit, where)
    _check_siblings(audit, where)
    for attack in (*audit.attacks, *audit.oracles):
        found = [audit.applies(published, attack) for published in audit.published]
        if all(found):
            raise UserError(f"{where}: '{attack}' applies to no published model ({found[0]}): take it out")


def _check_control(audit: Audit, where: str) -> None:
    cut = [name for name in audit.published if audit.params.publish_model[name].is_control]
    if not cut:
        return
    if audit.world.control is None:
        raise UserError(f"{where}: '{cut[0]}' cuts a control, and world '{audit.world_name}' has none: take it out")
    if seen := [concept for concept in audit.concepts if concept not in audit.world.control.never_saw]:
        raise UserError(
            f"{where}: '{cut[0]}' is of a control that saw '{seen[0]}': it tells of {_listed(audit)} alone, so select "
            "these concepts"
        )


def _check_siblings(audit: Audit, where: str) -> None:
    """Refuse an attack that knows a sibling which the world lacks, or which is its base under another name."""
    known, base = audit.world.siblings, data_path(audit.world.pipeline)
    for attack in audit.attacks:
        completer = audit.entry(attack).get("completer")
        for name in (audit.sibling(attack), completer and audit.sibling_of_completer(completer)):
            if name is None:
                continue
            if name not in known:
                raise UserError(
                    f"{where}: attack '{attack}' knows the sibling '{name}' of the base, and world "
                    f"'{audit.world_name}' names no such model: add it to siblings, or take the attack out"
                )
            folder = data_path(known[name])
            if folder.resolve() == base.resolve():
                raise UserError(
                    f"world '{audit.world_name}': its sibling '{name}' is the base itself, and who has that knows "
                    "every pruned weight: name another model"
                )
            if not (folder / "unet").is_dir() and not audit.fetched_part(known[name]):
                raise UserError(f"world '{audit.world_name}' has no sibling in {folder}: fetch it or correct the path")


def _listed(audit: Audit) -> str:
    assert audit.world.control is not None
    return ", ".join(audit.world.control.never_saw)


def _first(audit: Audit, kind: str) -> str:
    return next(f"{name}: {reason}" for name, reason in audit.unmade[kind].items())


def _check_world(audit: Audit) -> None:
    if audit.world_name.casefold() == "audits":
        raise UserError("a world cannot be named 'audits', the folder of tables and reports: rename its file")
    pipeline = data_path(audit.world.pipeline)
    if not (pipeline / "model_index.json").is_file() and not audit.fetched_part(audit.world.pipeline):
        raise UserError(
            f"world '{audit.world_name}' has no pipeline in {pipeline}: see data/README.md, or correct the path"
        )
    zeros = audit.world.structural_zeros
    if zeros and not data_path(zeros).is_file():
        raise UserError(f"world '{audit.world_name}': there is no {zeros}: restore it or correct structural_zeros")
    if (control := audit.world.control) and not audit.fetched_part(control.pipeline):
        folder = data_path(control.pipeline)
        if not (folder / "model_index.json").is_file():
            raise UserError(f"world '{audit.world_name}' has no control in {folder}: train it, or correct the path")
    check_attack_clip(audit)


def _check_concepts(audit: Audit, where: str) -> None:
    packs = audit.packs
    _known(audit.concepts, [*packs, *reasons("concepts")], "concept", where)
    if not audit.concepts:
        raise UserError(f"{where}: no concept of it can be made ({_first(audit, 'concepts')}): add one that can")
    for concept in audit.concepts:
        twins = [pack for pack in packs if pack.casefold() == concept.casefold() and pack != concept]
        if twins:
            raise UserError(
                f"the concept packs '{concept}' and '{twins[0]}' differ only by case, which some file systems "
                "ignore: rename one"
            )
        check_pack(audit.pack(concept), audit.pack_folder(concept) / "concept.yaml")


def _check_ladder(audit: Audit) -> None:
    settings = audit.params.ablate_mask_knowledge
    _known(
        settings.completers, audit.params.complete_weights, "completer", "ablate_mask_knowledge.completers of params"
    )
    if masked := [name for name in settings.completers if audit.params.complete_weights[name].get("mask")]:
        raise UserError(
            f"params: completer '{masked[0]}' of ablate_mask_knowledge tells by itself what was pruned, but the ladder "
            "gives it every mask: name a completer without a mask"
        )
    if settings.other is None:
        return
    _known([settings.other], audit.packs, "concept", "ablate_mask_knowledge.other of params")
    if settings.other in audit.concepts:
        raise UserError(
            f"params: ablate_mask_knowledge.other is '{settings.other}', which is audited: name a concept that is not"
        )
    check_pack(audit.pack(settings.other), audit.pack_folder(settings.other) / "concept.yaml")


def _check_prompt_set(audit: Audit, name: str) -> None:
    settings, where = audit.world.prompt_sets[name], f"prompt set '{name}' of world '{audit.world_name}'"
    check_shared_screen(audit, name)
    if settings.labels == "none" and settings.balance != "none":
        raise UserError(f"{where}: rows without labels cannot be balanced over labels: set balance to none")
    if not settings.judges:
        raise UserError(f"{where}: no judge sees its images: name some")
    _known(settings.judges, audit.world.judges, "judge", where)
    for judge in settings.judges:
        reference_name(audit, judge)
    origin = audit.fetched_prompts(name)
    if origin and settings.labels != "none" and not audit.world.fetch_prompts[origin].labels:
        raise UserError(
            f"{where}: its rows are chosen by their labels, but fetch_prompts.{origin} does not count them: add labels"
        )
    for judge in settings.judges:
        if settings.labels == "none" and "label" in declared(audit.world, judge, "NEEDS"):
            raise UserError(f"{where}: the judge '{judge}' compares labels, which it has none of: take the judge out")


def _check_label(audit: Audit, prompt_set: str, concept: str) -> None:
    label = audit.label(concept)
    if audit.world.prompt_sets[prompt_set].labels != "concept" or label is None:
        return
    for judge in audit.judges(prompt_set, concept):
        labels = labels_of(audit, judge)
        if labels and same_text(label) not in map(same_text, labels):
            pack = audit.pack_folder(concept) / "concept.yaml"
            raise UserError(f"{pack}: unknown label '{label}' of judge '{judge}': {nearest(label, labels)}")


def _check_needs(audit: Audit, table: str) -> None:
    try:
        audit.needs(table)
    except UserError as error:
        raise UserError(f"audit '{audit.name}', table {table}: {error}") from error


def _known(words: Iterable[str], valid: Iterable[str], what: str, where: str) -> None:
    valid = list(valid)
    for word in words:
        if word not in valid:
            raise UserError(f"unknown {what} '{word}' in {where}: {nearest(word, valid)}")
