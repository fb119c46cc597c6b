# Checked params, wildcards and input functions; no rules.
import json
import re

from snakemake.exceptions import WorkflowError

from regrow.code import modules_of
from regrow.concepts import read_concept
from regrow.errors import UserError
from regrow.params import PRETRAINED, check_params

try:
    config.update(check_params(config))
except UserError as error:
    raise WorkflowError(str(error)) from None

WORLD = config["get_world"][config["world"]]
PROMPT_SETS = ["erased", "preserved"]
OTHER_CONCEPT = config["climb_ladder"]["other"] or ""
SHARED = "any"  # stands for the concept in what is the same for all of them
# Device and batch change no result, so rules take them as resources: a changed param would make everything again.
GPU = int(config["device"] != "cpu")


def one_of(names):
    return "|".join(map(re.escape, filter(None, names))) or "(?!)"


wildcard_constraints:
    world=one_of([config["world"]]),
    concept=one_of([*config["concepts"], OTHER_CONCEPT, SHARED]),
    recipe=one_of(config["recipes"]),
    eraser=one_of(config["erase_concept"]),
    completer=one_of(config["complete_weights"]),
    reviver=one_of(config["revive_concept"]),
    oracle=one_of(config["consult_oracle"]),
    prompt_set="erased|preserved",
    judge="object|style|clip",
    trials="sweep|survey",


def in_repository(path):
    """The path of a file of this repository, seen from the working directory."""
    return os.path.relpath(Path(workflow.basedir).resolve() / path)


def code_of(stage, *methods):
    """The source files that a stage runs, so that editing one of them makes the stage run again."""
    files = modules_of(f"regrow.stages.{stage}", *(f"regrow.{method}" for method in methods))
    return [os.path.relpath(file) for file in files]


def method_code(stage, room, wildcard, section=None):
    """An input function: the code of a stage with the method that the wildcard's entry in params names."""

    def code(wildcards):
        return code_of(stage, f"{room}.{config[section or stage][wildcards[wildcard]]['method']}")

    return code


def method_options(section, wildcard):
    """A params function: the options of an entry as JSON."""

    def options(wildcards):
        entry = config[section][wildcards[wildcard]]
        return json.dumps({key: value for key, value in entry.items() if key not in ("method", "completer")})

    return options


def training(key):
    """A setting of train_world, which an audit does without."""
    if not config.get("train_world"):
        raise WorkflowError("params: the section train_world is missing, which this target needs: add it")
    return config["train_world"][key]


def surveying(wildcards):
    """The eraser's entry that a survey or sweep tries."""
    return config["erase_concept"][training(wildcards.trials)["eraser"]]


def surveyed(wildcards):
    """The concepts of a survey or sweep: those that it names, or all but those of the sweep."""
    packs = sorted(path.parent.name for path in Path(WORLD["concepts"]).glob("*/concept.yaml"))
    return training(wildcards.trials)["concepts"] or [
        name for name in packs if name not in training("sweep")["concepts"]
    ]


def files_in(folder):
    return sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())


def pack_file(name):
    """An input function: a file of the concept pack; what all concepts share has none."""

    def pack(wildcards):
        return [] if wildcards.concept == SHARED else [f"{WORLD['concepts']}/{wildcards.concept}/{name}"]

    return pack


def prompts(wildcards):
    sets = {"erased": pack_file("erased.csv")(wildcards), "preserved": [WORLD["preserved"]]}
    return sets[wildcards.prompt_set] if "prompt_set" in wildcards.keys() else [*sets["erased"], *sets["preserved"]]


def labels():
    """What the judge calls each concept."""
    return {concept: read_concept(Path(WORLD["concepts"], concept)).label for concept in config["concepts"]}


def audited_model(wildcards):
    """The last model of a recipe's chain; the pretrained one is the world's own."""
    recipe = config["recipes"][wildcards.get("recipe", PRETRAINED)]
    place = {"world": wildcards.world, "concept": wildcards.concept}
    if "reviver" in recipe:
        return collect(rules.revive_concept.output.model, **place, **recipe)
    if "oracle" in recipe:
        return collect(rules.consult_oracle.output.model, **place, **recipe)
    return collect(rules.erase_concept.output.model, **place, **recipe) if recipe else []


def completed_weights(wildcards):
    """What the reviver's completer found, for revivers that have one."""
    completer = config["revive_concept"][wildcards.reviver].get("completer")
    return collect(rules.complete_weights.output.completed, completer=completer, **wildcards) if completer else []


def chain_of(recipe):
    """A recipe with every option of its steps, as it stands in each score file."""
    chain = dict(config["recipes"][recipe])
    steps = {step: {"name": name, **config[section][name]} for step, section, name in _steps(chain)}
    return json.dumps(steps)


def _steps(chain):
    if "eraser" in chain:
        yield "eraser", "erase_concept", chain["eraser"]
    if "reviver" in chain:
        completer = config["revive_concept"][chain["reviver"]].get("completer")
        if completer:
            yield "completer", "complete_weights", completer
        yield "reviver", "revive_concept", chain["reviver"]
    if "oracle" in chain:
        yield "oracle", "consult_oracle", chain["oracle"]


def cells(stage, *prompt_sets):
    """The Parquet files of a stage; the pretrained model's preserved images serve all concepts."""
    for recipe in config["recipes"]:
        for prompt_set in prompt_sets:
            shared = recipe == PRETRAINED and prompt_set == "preserved"
            for concept in [SHARED] if shared else config["concepts"]:
                yield f"results/{stage}/{config['world']}/{recipe}/{concept}/{prompt_set}.parquet"


def other_mask(wildcards):
    """The mask of a concept that is not audited, for the attacker who has no better one."""
    place = {"world": wildcards.world, "eraser": wildcards.eraser, "concept": OTHER_CONCEPT}
    return collect(rules.erase_concept.output.mask, **place) if OTHER_CONCEPT else []


def both_sides():
    """The analyses of every eraser and completer that a recipe uses, in the recipes' order, for every concept."""
    chains = [dict((step, name) for step, _, name in _steps(recipe)) for recipe in config["recipes"].values()]
    pairs = dict.fromkeys((chain["eraser"], chain["completer"]) for chain in chains if "completer" in chain)
    everywhere = {"world": config["world"], "concept": config["concepts"]}
    found = []
    for eraser, completer in pairs:
        found += collect(rules.compare_both_sides.output, **everywhere, eraser=eraser, completer=completer)
    for eraser in dict.fromkeys(eraser for eraser, _ in pairs):
        completers = config["climb_ladder"]["completers"]
        found += collect(rules.climb_ladder.output, **everywhere, eraser=eraser, completer=completers)
        found += collect(rules.measure_spectrum.output, **everywhere, eraser=eraser)
    return found


def revived_models():
    """The models that keep a share of recovered signs, which each of them tells."""
    return [
        path
        for recipe in config["recipes"].values()
        if "keep" in config["revive_concept"].get(recipe.get("reviver"), {})
        for path in collect(
            rules.revive_concept.output.model, world=config["world"], concept=config["concepts"], **recipe
        )
    ]


def expected_cost(jobs):
    """Say how many images a run makes at most (those it finds are kept) and how long that takes."""
    settings = config["generate_images"]
    files = sum(len(job.output) for job in jobs if job.rule.name.startswith("generate_"))
    count = files * settings["n"]
    minutes = count / settings["images_per_minute"]
    return f"To make: at most {count:,} images, about {minutes:.0f} minutes.\n" if count else ""
