"""Find a method by its file and read its options; nothing here, and nothing at the top of a method file, imports torch.

A method is one file in a room, named like its function: ``erase/conceptprune.py`` holds `conceptprune`, a class
`Options` and the constants of its room (`CONSTANTS`). A file with a leading underscore is a helper.
"""

import difflib
import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from regrow.errors import UserError, nearest

# Sections of params.yaml that hold entries of methods, and the room in which the methods are.
ROOMS = {
    "erase_concept": "erase",
    "defend_model": "defend",
    "infer_mask": "infer",
    "complete_weights": "complete",
    "attack_weights": "attack",
    "attack_model": "attack",
    "attack_prompts": "attack",
    "apply_oracle": "oracle",
}
RETURNS = {"attack_weights": "weights", "attack_model": "model", "attack_prompts": "prompts"}
KINDS = {
    "erase": "eraser",
    "defend": "defence",
    "infer": "mask inference",
    "complete": "completer",
    "attack": "attack",
    "oracle": "oracle",
}
MODELS = ("pruning", "training")  # what an eraser does, and to which published models an attack applies
KNOWLEDGE = ("nothing", "word", "public_base", "sibling", "data", "training")


def _number(value: Any) -> Any:
    """Read 1e-5, which YAML 1.1 takes for a word."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value) else value


Number = Annotated[float, BeforeValidator(_number)]
Share = Annotated[Number, Field(gt=0, le=1)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Guidance = Annotated[Number, Field(gt=1)]  # of an eraser that reads both halves of classifier-free guidance
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what a torch.Generator takes


class MethodOptions(BaseModel):
    """Options of a method: every field with a type, a range and a description, no default but None.

    An entry of params.yaml states them all, so that it is the whole record of what ran.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _one_of(words: tuple[str, ...]) -> Callable[[Any], bool]:
    return lambda value: value in words


def _some_of(words: tuple[str, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and bool(value) and set(value) <= set(words)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


# What a method's file must declare: the constant, a test of it, and what it may be in words.
CONSTANTS: dict[str, dict[str, tuple[Callable[[Any], bool], str]]] = {
    "erase": {"KIND": (_one_of(MODELS), f"one of {MODELS}")},
    "defend": {},
    "infer": {},
    "complete": {"TELLS_PROBABILITY": (_is_bool, "True or False")},
    "attack": {
        "RETURNS": (_one_of(tuple(RETURNS.values())), f"one of {tuple(RETURNS.values())}"),
        "KNOWLEDGE": (_some_of(KNOWLEDGE), f"a tuple of some of {KNOWLEDGE}"),
        "NEEDS_COMPLETER": (_is_bool, "True or False"),
        "APPLIES_TO": (_some_of(MODELS), f"a tuple of some of {MODELS}"),
    },
    "oracle": {},
}


def method_names(room: str) -> list[str]:
    """Return the names of a room's methods, sorted, without importing them; a section of params.yaml names its room."""
    folder = Path(__file__).parent / ROOMS.get(room, room)
    return sorted(module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_"))


def load_method(room: str, name: str) -> ModuleType:
    """Import a method's file.

    Parameters
    ----------
    room : str
        A room such as ``attack``, or a section such as ``attack_weights``, which takes only what it can run.
    name : str
        The method.

    Raises
    ------
    UserError
        No such method (with the nearest), one of another section, or a file that breaks the contract of its room.
    """
    folder = ROOMS.get(room, room)
    known = method_names(folder)
    if name not in known:
        raise UserError(f"unknown {KINDS[folder]} '{name}': {nearest(name, known)}")
    module = importlib.import_module(f"regrow.{folder}.{name}")
    where = f"workflow/regrow/{folder}/{name}.py"
    options = getattr(module, "Options", None)
    if not (isinstance(options, type) and issubclass(options, MethodOptions)):
        raise UserError(f"{where} has no class Options(MethodOptions): declare its options; see CONTRIBUTING.md")
    if not callable(getattr(module, name, None)):
        raise UserError(f"{where} has no function '{name}': name it like its file; see CONTRIBUTING.md")
    for constant, (fits, words) in CONSTANTS[folder].items():
        if not fits(getattr(module, constant, None)):
            raise UserError(f"{where} must declare {constant} = {words}; see CONTRIBUTING.md")
    for field, info in options.model_fields.items():
        if not info.description or not (info.is_required() or info.default is None):
            raise UserError(f"{where}: the option '{field}' needs a description and no default; see CONTRIBUTING.md")
    if (wanted := RETURNS.get(room)) and wanted != module.RETURNS:
        section = next(section for section, returns in RETURNS.items() if returns == module.RETURNS)
        raise UserError(f"attack '{name}' returns {module.RETURNS}, not {wanted}: move its entry to {section}")
    return module


def knowledge_of(*modules: ModuleType) -> tuple[str, ...]:
    """Return what methods that work together are told beyond the published weights; ``nothing`` is no knowledge."""
    told = {word for module in modules for word in getattr(module, "KNOWLEDGE", ())} - {"nothing"}
    return tuple(word for word in KNOWLEDGE if word in told) or ("nothing",)


def parse_options(room: str, name: str, options: Mapping[str, Any]) -> MethodOptions:
    """Read the options of a method.

    Raises
    ------
    UserError
        As `load_method`; an unknown option (with the nearest), a missing one, or one of a wrong type or value.
    """
    module = load_method(room, name)
    kind = KINDS[ROOMS.get(room, room)]
    try:
        parsed: MethodOptions = module.Options.model_validate(dict(options))
    except ValidationError as error:
        raise UserError(f"{kind} '{name}'{_explain(error, module.Options)}") from error
    return parsed


def check_entry(room: str, name: str, options: MethodOptions, entries: Mapping[str, ModuleType]) -> None:
    """Check an entry against the other entries that it names, as a method's own function ``check(options, entries)``.

    Parameters
    ----------
    room, name
        As for `load_method`.
    options : MethodOptions
        Of the entry, parsed.
    entries : mapping
        The method's file of each entry that this one names, by key: ``completer`` or nothing.

    Raises
    ------
    UserError
        A completer that is missing or not needed, or what the method's own check says.
    """
    module = load_method(room, name)
    needs = getattr(module, "NEEDS_COMPLETER", False)
    if needs and "completer" not in entries:
        raise UserError(f"attack '{name}' needs completed weights: name an entry of complete_weights as its completer")
    if not needs and "completer" in entries:
        raise UserError(f"{KINDS[ROOMS.get(room, room)]} '{name}' uses no completed weights: remove its completer")
    if hasattr(module, "check"):
        module.check(options, entries)


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the rest of a sentence that tells the first thing that is wrong with the options."""
    errors = error.errors()
    first = errors[0]
    option = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return f" has no option '{option}': {nearest(option, model.model_fields)}"
    if first["type"] == "missing":
        return f" needs the option '{option}': add it to the method's entry in params.yaml"
    if not option:  # a rule between options
        return f": {first['msg'].removeprefix('Value error, ')}"
    value = first["input"] if len(first["loc"]) == 1 else _input(errors, option)
    same = [found for found in errors if found["loc"][:1] == (option,)]
    wanted = ", or ".join(found["msg"].removeprefix("Input ").removeprefix("Value error, ") for found in same)
    words = re.findall(r"'([^']+)'", wanted)
    near = difflib.get_close_matches(value, words, n=1, cutoff=0.5) if isinstance(value, str) else []
    hint = f": did you mean '{near[0]}'?" if near else ""
    return f": {option} is {value!r}, but {wanted}{hint}"


def _input(errors: list[Any], option: str) -> Any:
    return next(found["input"] for found in errors if found["loc"][:1] == (option,))
