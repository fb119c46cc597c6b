"""The typed schema of params.yaml: every key, its type and range, and no value. Unknown keys are errors.

The options of a method are not repeated here but read from the signature of its function (`regrow.code.methods_of`), so
a new method needs no change in this file.
"""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model, model_validator
from pydantic_core import PydanticCustomError

from regrow.code import methods_of, type_of
from regrow.concepts import ERASED, read_concept
from regrow.errors import UserError, nearest
from regrow.judge import read_protocol
from regrow.methods import Count, Seed, Share
from regrow.prompts import erased_rows, read_prompts

PRETRAINED = "pretrained"
UNKNOWN_KEY = "unknown_key"
NO_VALUE = "no_value"

# Names become parts of paths, so they hold nothing that means something there.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
RESERVED = ("all", "any", "mean")  # lines and files that stand for every concept


class Section(BaseModel):
    """A section of params.yaml: keys that it does not declare are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_pydantic_lets_pass(cls, data: Any) -> Any:
        """Refuse unknown keys by a hint, yes and no for 1 and 0, and words for whole numbers.

        A word for another number is welcome: YAML 1.1 reads 1e-5 as one.
        """
        for key, value in data.items() if isinstance(data, Mapping) else ():
            if key not in cls.model_fields:
                context = {"key": str(key), "hint": nearest(str(key), cls.model_fields)}
                raise PydanticCustomError(UNKNOWN_KEY, "unknown key", context)
            whole = cls.model_fields[key].annotation is int
            if any(isinstance(one, bool) for one in (value if isinstance(value, list) else [value])):
                problem = "yes, no, true and false are no value here: write a number, or the word in quotes"
            elif whole and isinstance(value, str) and value.strip("+-").isdigit():
                problem = "a whole number is written without quotes, and in a file: --config makes a word of it"
            else:
                continue
            raise PydanticCustomError(NO_VALUE, "no value", {"key": key, "value": repr(value), "problem": problem})
        return data


class Recipe(Section):
    """A chain of what is done to the base model; what is absent is not done."""

    eraser: str | None = Field(None, description="An entry of erase_concept")
    reviver: str | None = Field(None, description="An entry of revive_concept")
    oracle: str | None = Field(None, description="An entry of consult_oracle, in place of a reviver")


class World(Section):
    """Where a world lies; paths are relative to the working directory."""

    pipeline: str = Field(description="Folder of a diffusers pipeline")
    judges: str = Field(
        description="Folder with one judge per folder: object, clip and, where there are styles to tell apart, style"
    )
    concepts: str = Field(description="Folder with one concept pack per folder")
    preserved: str = Field(
        min_length=1, description="Prompts that must survive an erasing: CSV with the columns prompt, seed, label"
    )


class Training(Section):
    """A training run of one model of the emoji world; see `regrow.world.training.Schedule`."""

    steps: Count = Field(description="Optimiser steps")
    batch: Count = Field(description="Pictures per step")
    learning_rate: float = Field(gt=0, description="Peak learning rate")
    seed: Seed = Field(description="Of weights and pictures")
    ema: float = Field(ge=0, lt=1, description="Decay of the averaged weights, 0 = none")
    checkpoint_every: Count = Field(description="Steps between checkpoints")


class Trials(Section):
    """Trials of an eraser before any attack; see `regrow.stages.survey_concepts`."""

    eraser: str = Field(description="An entry of erase_concept")
    concepts: list[Name] = Field(description="Concepts to try; none stands for all that the sweep does not try")
    n: Count = Field(description="Images per accuracy")
    values: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        description="Options of the eraser with the values to try in place of its own"
    )


class TrainWorld(Section):
    """How the emoji world is made again and measured; only its own rules read it."""

    sprites: str = Field(description="Parquet file of sprites")
    pictures: Count = Field(description="Scenes that are encoded once and that the denoiser is trained on")
    autoencoder: Training
    text_encoder: Training
    denoiser: Training
    object: Training
    style: Training
    clip: Training
    report_n: Count = Field(description="Images per concept of the world's report")
    sweep: Trials
    survey: Trials


class GenerateImages(Section):
    """Settings of the sampler; an image is a function of model, prompt, seed, steps and guidance."""

    n: Count = Field(description="Images per model and prompt set")
    steps: Count = Field(description="Sampling steps")
    guidance: float = Field(ge=1, description="Scale of classifier-free guidance, 1 = none")
    batch: Count = Field(
        description="Images sampled at once; changes time and memory, and images by a grey level at most"
    )
    images_per_minute: float = Field(gt=0, description="Of your machine; used only to print the expected time")


class ScoreImages(Section):
    """Settings of the judges."""

    batch: Count = Field(description="Images judged at once; changes time and memory, and scores by rounding only")


class CompareBothSides(Section):
    """Settings of the analyses that read the base and the published model."""

    keeps: list[Share] = Field(min_length=1, description="Shares K of the largest recovered entries, Table 6")
    quantiles: int = Field(ge=2, description="Ranks R and P of the alignment matrix, Table 5")
    bins: int = Field(ge=2, description="Bins of equal count by confidence, for predicted against observed accuracy")


class ClimbLadder(Section):
    """Settings of the knowledge ladder: what an attacker owes to knowing the mask."""

    completers: list[Name] = Field(min_length=1, description="Entries of complete_weights")
    other: Name | None = Field(description="A concept that is not audited, whose mask serves for every other one's")
    threshold: float = Field(gt=0, description="Smallest magnitudes that are taken for pruned, per pruned weight")


class MeasureSpectrum(Section):
    """Settings of the layers' spectra."""

    copies: Count = Field(description="Permuted copies whose largest singular value is the edge of noise")


class MakeTables(Section):
    """Settings of the tables."""

    confidence: float = Field(gt=0, lt=1, description="Level of every interval")


class MakeFigures(Section):
    """Settings of the figures."""

    columns: Count = Field(description="Images per row of the grid")
    dpi: int = Field(ge=1, le=1200, description="Dots per inch")


class MakeReport(Section):
    """Settings of the report."""

    title: str = Field(min_length=1, description="Heading of the report")


def _entry(room: str) -> Any:
    """Return the type of an entry of a room's section: `method` and that method's options, every one of them stated.

    An option may be left out only when its default is None, which means that there is none.
    """
    models = []
    for method, function in methods_of(room).items():
        fields: dict[str, Any] = {"method": (Literal[method], ...), **_options(function)}
        if room == "revive" and _takes_completed(function):
            fields["completer"] = (str, Field(description="An entry of complete_weights"))
        models.append(create_model(method, __base__=Section, **fields))
    return Annotated[Union[tuple(models)], Field(discriminator="method")] if len(models) > 1 else models[0]  # noqa: UP007


def _options(function: ast.FunctionDef) -> dict[str, Any]:
    fields = {}
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        absent = isinstance(default, ast.Constant) and default.value is None
        fields[argument.arg] = (type_of(argument.annotation), None if absent else ...)
    return fields


# An entry of consult_oracle: the options of `regrow.compare.oracle.oracle`.
Oracle = create_model("Oracle", __base__=Section, **_options(methods_of("compare")["oracle"]))


def _takes_completed(function: ast.FunctionDef) -> bool:
    required = function.args.args[: len(function.args.args) - len(function.args.defaults)]
    return "completed" in (argument.arg for argument in required)


class Params(Section):
    """All of params.yaml."""

    world: str = Field(description="An entry of get_world")
    seed: Seed = Field(description="Of every random draw that has no seed of its own")
    device: str = Field(pattern=r"^(cpu|cuda(:\d+)?)$", description="Where to compute; changes time, not images")
    concepts: list[Name] = Field(min_length=1, description="Concepts to erase, each the name of a concept pack")
    recipes: dict[Name, Recipe] = Field(description="The models under audit by name")
    run: Literal["all"] | Annotated[list[Name], Field(min_length=1)] = Field(
        description="The recipes that are run, by name, and pretrained in any case"
    )
    get_world: dict[Name, World]
    train_world: TrainWorld | None = None
    erase_concept: dict[Name, _entry("erase")]  # type: ignore[valid-type]
    complete_weights: dict[Name, _entry("complete")]  # type: ignore[valid-type]
    revive_concept: dict[Name, _entry("revive")]  # type: ignore[valid-type]
    consult_oracle: dict[Name, Oracle]  # type: ignore[valid-type]
    generate_images: GenerateImages
    score_images: ScoreImages
    compare_both_sides: CompareBothSides
    climb_ladder: ClimbLadder
    measure_spectrum: MeasureSpectrum
    make_tables: MakeTables
    make_figures: MakeFigures
    make_report: MakeReport


def read_params(*paths: Path) -> dict[str, Any]:
    """Read and check a params file and the overlays after it; see `check_params`."""
    merged: dict[str, Any] = {}
    for path in paths:
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UserError(f"there is no {path}: give the path of a params file") from error
        except yaml.YAMLError as error:
            raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
        _merge(merged, content or {})
    return check_params(merged)


def _merge(into: dict[str, Any], overlay: Mapping[str, Any]) -> None:
    for key, value in overlay.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def check_params(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params with every value of its declared type, only the keys that were given and the recipes to run.

    `1e-5` is a string in YAML 1.1 (Snakemake) and a number in YAML 1.2 (DVC): here it becomes the number.

    Raises
    ------
    UserError
        Unknown or missing key, wrong type, value out of range, or a name that nothing bears; says the nearest word.
    """
    try:
        params = Params.model_validate(dict(config))
    except ValidationError as error:
        raise UserError(f"params: {_sentence(error, config)}") from error
    checked = params.model_dump(exclude_unset=True)
    _check_names(checked)
    if checked["run"] != "all":
        checked["recipes"] = {
            name: recipe for name, recipe in checked["recipes"].items() if name in (PRETRAINED, *checked["run"])
        }
    _check_starts(checked["recipes"])
    return checked


def _check_names(params: dict[str, Any]) -> None:
    def known(word: str, valid: Iterable[str], what: str, where: str) -> None:
        if word not in (valid := list(valid)):
            raise UserError(f"params: unknown {what} '{word}' in {where}: {nearest(word, valid)}")

    def once(words: list[str], where: str) -> None:
        twice = [word for word in words if words.count(word) > 1]
        if twice:
            raise UserError(f"params: '{twice[0]}' stands twice in {where}: leave one")

    def pack_of(concept: str, where: str) -> None:
        if concept in RESERVED:
            raise UserError(f"params: '{concept}' in {where} means every concept: rename the pack")
        known(concept, packs, "concept", where)

    known(params["world"], params["get_world"], "world", "world")
    world = {part: Path(path) for part, path in params["get_world"][params["world"]].items()}
    packs = [path.parent.name for path in world["concepts"].glob("*/concept.yaml")]
    judges = [path.parent.name for path in world["judges"].glob("*/judge.yaml")]
    for concept in params["concepts"]:
        pack_of(concept, "concepts")
        pack = read_concept(world["concepts"] / concept)
        known(pack.kind, judges, "judge", f"kind of concept '{concept}'")
        labels = read_protocol(world["judges"] / pack.kind).settings.get("labels")
        if labels:
            known(pack.label, labels, "judge label", f"label of concept '{concept}'")
        prompts = world["concepts"] / concept / ERASED
        if prompts.is_file():  # a missing one is told by Snakemake
            erased_rows(read_prompts(prompts), params["generate_images"]["n"], prompts, pack.label)
    if (other := params["climb_ladder"]["other"]) is not None:
        pack_of(other, "climb_ladder.other")
        if other in params["concepts"]:
            raise UserError(f"params: climb_ladder.other is '{other}', which is audited: name a concept that is not")
    once(params["concepts"], "concepts")
    if params["recipes"].get(PRETRAINED) != {}:
        raise UserError(f"params: recipes needs the entry '{PRETRAINED}: {{}}', with which every other one is compared")
    for name, recipe in params["recipes"].items():
        where = f"recipes.{name}"
        if "eraser" in recipe:
            known(recipe["eraser"], params["erase_concept"], "eraser", where)
        elif name != PRETRAINED:
            raise UserError(f"params: {where} has no eraser: name one of {', '.join(params['erase_concept'])}")
        if "reviver" in recipe:
            known(recipe["reviver"], params["revive_concept"], "reviver", where)
        if "oracle" in recipe:
            known(recipe["oracle"], params["consult_oracle"], "oracle", where)
            if "reviver" in recipe:
                raise UserError(
                    f"params: {where} has a reviver and an oracle: leave one, for each fills in the same entries"
                )
    for name in params["run"] if params["run"] != "all" else ():
        known(name, params["recipes"], "recipe", "run")
    for name, entry in params["revive_concept"].items():
        if "completer" in entry:
            known(entry["completer"], params["complete_weights"], "completer", f"revive_concept.{name}")
    for name in ("sweep", "survey") if params.get("train_world") else ():
        where, trials = f"train_world.{name}", params["train_world"][name]
        known(trials["eraser"], params["erase_concept"], "eraser", f"{where}.eraser")
        for concept in trials["concepts"]:
            pack_of(concept, f"{where}.concepts")
        once(trials["concepts"], f"{where}.concepts")
        entry = params["erase_concept"][trials["eraser"]]
        for option in trials["values"]:
            known(option, [key for key in entry if key != "method"], "option", f"{where}.values")
            trials["values"][option] = [
                _option(entry, option, value, f"{where}.values.{option}") for value in trials["values"][option]
            ]
    once(params["climb_ladder"]["completers"], "climb_ladder.completers")
    for name in params["climb_ladder"]["completers"]:
        known(name, params["complete_weights"], "completer", "climb_ladder.completers")


def _option(entry: Mapping[str, Any], option: str, value: Any, where: str) -> Any:
    """Return the value of an eraser's option with the type that the eraser declares."""
    try:
        return getattr(TypeAdapter(_entry("erase")).validate_python({**entry, option: value}), option)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Input ")
        raise UserError(f"params: {where} holds {value!r}, but {problem}") from error


def _check_starts(recipes: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse a revived model without the erased one beside it, with which the tables compare it."""
    erased = [recipe["eraser"] for recipe in recipes.values() if recipe.keys() == {"eraser"}]
    if not any(recipes.values()):
        raise UserError("params: run names no recipe that erases a concept, so there is nothing to audit: add one")
    for name, recipe in recipes.items():
        if recipe and recipe["eraser"] not in erased:
            raise UserError(
                f"params: recipes.{name} is compared with the erased model, which is not run: "
                f"add a recipe {{eraser: {recipe['eraser']}}} to recipes and to run"
            )


def _sentence(error: ValidationError, config: Mapping[str, Any]) -> str:
    """Turn the first finding of pydantic into one sentence with the mend."""
    # A misspelt key also looks like a missing one, and the former says more; so does the deepest part of a value.
    first = min(error.errors(), key=lambda found: (found["type"] != UNKNOWN_KEY, -len(_path(found["loc"], config))))
    kind, context = first["type"], first.get("ctx", {})
    path = _path(first["loc"], config)
    where = ".".join(path)
    # A value that may be of several types has a finding for each.
    same = [found for found in error.errors() if found["type"] != UNKNOWN_KEY and _path(found["loc"], config) == path]
    if kind == UNKNOWN_KEY:
        return f"unknown key '{context['key']}' in {where or 'the file'}: {context['hint']}"
    if kind == NO_VALUE:
        return f"{'.'.join([*path, context['key']])} is {context['value']}, but {context['problem']}"
    if kind in ("missing", "union_tag_not_found"):
        key = "method" if kind == "union_tag_not_found" else first["loc"][-1]
        return f"{where or 'the file'} lacks the key '{key}': add it"
    if kind in ("union_tag_invalid", "literal_error") and len(same) == 1:
        key = "method" if kind == "union_tag_invalid" else path[-1]
        word = str(context.get("tag", first["input"]))
        valid = re.findall(r"'([^']*)'", context.get("expected_tags") or context["expected"])
        return f"unknown {key} '{word}' in {where}: {nearest(word, valid)}"
    messages = [found["msg"].removeprefix("Input ").removeprefix("Value error, ") for found in same]
    return f"{where} is {first['input']!r}, but {', or '.join(messages)}"


def _path(places: tuple[int | str, ...], config: Mapping[str, Any]) -> list[str]:
    """Return where a finding is in the file: the tag of a union is in pydantic's place but not there."""
    path, value = [], config
    for part in places:
        if isinstance(value, list) and isinstance(part, int) or isinstance(value, Mapping) and part in value:
            path.append(str(part))
            value = value[part]  # type: ignore[index]
    return path


def json_schema() -> str:
    """Return the JSON schema of params.yaml, from which editors complete and check it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Params.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"
