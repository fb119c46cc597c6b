"""Check the entries of params.yaml that name a method, by the class of options in the method's own file."""

from collections.abc import Mapping
from typing import Any

from regrow.config.schema import Params, Published
from regrow.errors import UserError, nearest
from regrow.methods import ROOMS, check_entry, load_method, parse_options

ATTACKS = ("attack_weights", "attack_model", "attack_prompts")
NAMED = {"completer": "complete_weights", "mask": "infer_mask"}  # the section of an entry that another one names
MAY_NAME = {**dict.fromkeys(ATTACKS, "completer"), "complete_weights": "mask"}


def options_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an entry: all but the method and the entries that it names."""
    return {key: value for key, value in entry.items() if key not in ("method", *NAMED)}


def check_entries(params: Params) -> Params:
    """Return the params with every option of every entry of its declared type, those that may be left out as None.

    Raises
    ------
    UserError
        An entry without a method, an unknown method, option, completer, mask, eraser or defence, a value out of range,
        options that contradict one another, or one name for two attacks.
    """
    checked = {section: {name: _entry(params, section, name) for name in getattr(params, section)} for section in ROOMS}
    _refuse_twins([(name, section) for section in (*ATTACKS, "apply_oracle") for name in checked[section]])
    for name, published in params.publish_model.items():
        where = f"publish_model.{name}"
        _known(published.eraser, checked["erase_concept"], "eraser", where)
        if published.defence is not None:
            _known(published.defence, checked["defend_model"], "defence", where)
        if published.is_control:
            _check_control(published, checked["erase_concept"][published.eraser]["method"], where)
    return params.model_copy(update=checked)


def _entry(params: Params, section: str, name: str) -> dict[str, Any]:
    entry, where = getattr(params, section)[name], f"{section}.{name}"
    method = entry.get("method")
    if not isinstance(method, str):
        raise UserError(f"params: {where} lacks the key 'method': name a file of workflow/regrow/{ROOMS[section]}")
    named = {key: entry[key] for key in [MAY_NAME.get(section, "")] if key in entry}
    for key, value in named.items():
        _known(value, getattr(params, NAMED[key]), key, where)
    try:
        options = parse_options(section, method, {k: v for k, v in entry.items() if k != "method" and k not in named})
        modules = {key: load_method(NAMED[key], _method(params, NAMED[key], value)) for key, value in named.items()}
        check_entry(section, method, options, modules)
    except UserError as error:
        raise UserError(f"params: {where}: {error}") from error
    return {"method": method, **named, **options.model_dump(mode="json")}


def _method(params: Params, section: str, name: str) -> str:
    return str(getattr(params, section)[name].get("method"))


def _check_control(published: Published, eraser: str, where: str) -> None:
    if published.defence is not None:
        raise UserError(f"params: {where} hides a cut of the control, which nobody publishes: take its defence out")
    if load_method("erase_concept", eraser).KIND != "pruning":
        raise UserError(f"params: {where} cuts the control, but its eraser prunes nothing: name one that does")


def _refuse_twins(entries: list[tuple[str, str]]) -> None:
    for number, (name, section) in enumerate(entries):
        for twin, other in entries[:number]:
            if twin.casefold() == name.casefold():
                raise UserError(
                    f"params: '{name}' stands in {other} and in {section}, where tables know both by that name: rename"
                )


def _known(word: Any, valid: Mapping[str, Any], what: str, where: str) -> None:
    if word not in valid:
        raise UserError(f"params: unknown {what} '{word}' in {where}: {nearest(str(word), valid)}")
