"""Where every result lies; the rules of workflow/rules write the same paths with wildcards."""

from pathlib import Path

RESULTS = Path("results")


def fetched(world: str, part: str) -> Path:
    """Return what fetch_world writes last of a part, beside the folder of the same name that it fetched."""
    return RESULTS / world / "fetch_world" / f"{part}.json"


def fetched_prompts(world: str, name: str) -> Path:
    """Return a file of prompts of fetch_prompts."""
    return RESULTS / world / "fetch_prompts" / f"{name}.csv"


def fetched_reference(world: str, reference: str) -> Path:
    """Return the list of photographs of fetch_reference."""
    return RESULTS / world / "fetch_reference" / reference / "photographs.json"


def measured_reference(world: str, judge: str, reference: str) -> Path:
    """Return what a judge of sets compares with; its judge.yaml names this very file."""
    return RESULTS / world / "measure_reference" / judge / f"{reference}.safetensors"


def index_world(world: str) -> Path:
    """Return world.json."""
    return RESULTS / world / "index_world/world.json"


def control(world: str) -> Path:
    """Return the control model as a delta against the base."""
    return RESULTS / world / "index_control/model.safetensors"


def cut_control(world: str, eraser: str, concept: str) -> Path:
    """Return the control cut where an eraser pruned the base, in the format of `erased`."""
    return RESULTS / world / "cut_control" / eraser / concept / "erased.safetensors"


def erased(world: str, eraser: str, defence: str | None, concept: str) -> Path:
    """Return the publisher's own file: what the eraser, and then the defence, made."""
    stage = ("defend_model", eraser, defence) if defence else ("erase_concept", eraser)
    return RESULTS.joinpath(world, *stage, concept, "erased.safetensors")


def model(world: str, stage: str, published: str, attack: str | None, concept: str) -> Path:
    """Return a model's delta; `attack` is None for a published one."""
    return RESULTS.joinpath(world, stage, published, *([attack] if attack else []), concept, "model.safetensors")


def record_of(model: Path) -> Path:
    """Return the record of what was done to a model, beside its delta."""
    return model.with_name("record.json")


def prompts(world: str, published: str, attack: str, concept: str, prompt_set: str) -> Path:
    """Return the prompts of an attack on prompts."""
    return RESULTS / world / "attack_prompts" / published / attack / concept / prompt_set / "prompts.csv"


def completed(world: str, published: str, completer: str, concept: str) -> Path:
    """Return the completed weights of a published model."""
    return RESULTS / world / "complete_weights" / published / completer / concept / "completed.safetensors"


def evaluation(world: str, stage: str, published: str, completer: str | None, concept: str, name: str) -> Path:
    """Return a Parquet file of an evaluation, such as signs of evaluate_recovery."""
    return RESULTS.joinpath(world, stage, published, *([completer] if completer else []), concept, f"{name}.parquet")


def index(world: str, audit: str, prompt_set: str, group: str, part: int) -> Path:
    """Return the index of a job's images."""
    return RESULTS / world / "generate_images" / audit / prompt_set / group / f"{part}.parquet"


def score(world: str, audit: str, judge: str, prompt_set: str, group: str, part: int) -> Path:
    """Return the scores that a judge of single images gave to a job's images."""
    return RESULTS / world / "score_images" / audit / judge / prompt_set / group / f"{part}.parquet"


def set_score(world: str, audit: str, judge: str, prompt_set: str, group: str) -> Path:
    """Return the scores that a judge of whole sets gave to a group."""
    return RESULTS / world / "score_sets" / audit / judge / prompt_set / f"{group}.parquet"


def store(world: str) -> Path:
    """Return the folder of images and scores by content, which Snakemake does not know."""
    return RESULTS / world / "store"


def work(world: str, stage: str, *names: str) -> Path:
    """Return a scratch folder that a killed job takes up again; no result."""
    return RESULTS.joinpath(world, "work", stage, *names)


def audit_folder(audit: str) -> Path:
    """Return the folder of tables, figures, metrics and the report of an audit."""
    return RESULTS / "audits" / audit


def table(audit: str, name: str) -> Path:
    """Return a table such as roots/table1."""
    return audit_folder(audit) / "tables" / f"{name}.csv"


def figure(audit: str, name: str, suffix: str = ".png") -> Path:
    """Return the figure of a table."""
    return audit_folder(audit) / "figures" / f"{name}{suffix}"
