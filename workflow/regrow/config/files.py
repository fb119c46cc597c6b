"""The typed schema of world files and audit files."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from regrow.config.origins import Origin, PromptOrigin, ReferenceOrigin
from regrow.config.schema import Folder, Name, Names, Section, Text, distinct
from regrow.images.prompts import PromptSet
from regrow.methods import Count, Positive, Seed


class StatedPromptSet(PromptSet, Section):
    """A prompt set of a world file, with the hints that all sections give."""


def _named(sets: Any) -> Any:
    """Tell each prompt set its name, which is its key in the file."""
    if not isinstance(sets, Mapping):
        return sets
    return {key: {"name": key, **value} if isinstance(value, Mapping) else value for key, value in sets.items()}


class Training(Section):
    """A training run of one model of the emoji world; see `regrow.emoji.training.Schedule`."""

    steps: Count = Field(description="Optimiser steps")
    batch: Count = Field(description="Pictures per step")
    learning_rate: Positive = Field(description="Peak learning rate")
    seed: Seed = Field(description="Of weights and pictures")
    ema: float = Field(ge=0, lt=1, description="Decay of the averaged weights, 0 = none")
    checkpoint_every: Count = Field(description="Steps between checkpoints")


class Denoiser(Training):
    """A training run of a UNet of the emoji world."""

    pictures: Count = Field(description="Scenes that are encoded once and trained on")
    exclude: list[str] = Field(description="Objects and icon sets that no picture and no caption of it holds")
    start: str | None = Field(
        description="Another of the denoisers, or a pipeline, whose weights it begins with; null: untrained"
    )
    frozen: Folder | None = Field(
        description="Pipeline whose autoencoder and text encoder it uses; null: those that are trained here"
    )


class Trials(Section):
    """Trials of an eraser before any attack; see the stage survey_concepts."""

    eraser: str = Field(description="An entry of erase_concept")
    concepts: Names = Field(description="Concepts to try; an empty list stands for all that the sweep does not try")
    skip: int = Field(ge=0, description="Rows at the beginning of each prompt file that are left to audits")
    n: Count = Field(description="Images per accuracy")
    values: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        description="Options of the eraser with the values to try in place of its own"
    )


class TrainWorld(Section):
    """How the emoji world is made again and measured; only its own rules read it."""

    sprites: str = Field(description="Parquet file of sprites")
    autoencoder: Training
    text_encoder: Training
    denoisers: Annotated[dict[Name, Denoiser], AfterValidator(distinct)]
    object: Training
    style: Training
    clip: Training
    attack_clip: Training
    report_n: Count = Field(description="Images per concept of the report that compares the world with its bars")
    sweep: Trials
    survey: Trials


class Control(Section):
    """A model trained as the base was, but without some concepts: what an attack brings to it was not there before."""

    pipeline: Folder = Field(description="Folder of a diffusers pipeline with the base's text encoder and autoencoder")
    never_saw: Names = Field(min_length=1, description="Concepts that it never saw")


class WorldFile(Section):
    """A world: a base model with its judges, concept packs and prompt sets. Paths: from the working directory."""

    title: Text = Field(description="What the report calls it")
    description: Text = Field(description="What the report says of it")
    pipeline: Folder = Field(description="Folder of a diffusers pipeline")
    concepts: Folder = Field(description="Folder with one concept pack per folder")
    judges: Annotated[dict[Name, Folder], AfterValidator(distinct)] = Field(
        description="Judges: a folder with a judge.yaml each"
    )
    control: Control | None = Field(None, description="A model that never saw some concepts, as a row of the tables")
    siblings: Annotated[dict[Name, Folder], AfterValidator(distinct)] = Field(
        {}, description="Pipelines that went on from the same weights as the base, for attacks that know one"
    )
    attack_clip: Folder | None = Field(
        None, description="Folder of the CLIP by which attacks are steered, with a judge.yaml; never one that judges"
    )
    prompt_sets: Annotated[dict[Name, StatedPromptSet], BeforeValidator(_named), AfterValidator(distinct)] = Field(
        min_length=1, description="Prompts with seeds, and what is done with their images"
    )
    licence: Text | None = Field(
        None, description="Of what the repository brings of it; what is fetched states its own"
    )
    structural_zeros: Folder | None = Field(
        None, description="Safetensors file of zeros that are no cut: the base model was trained with them"
    )
    train_world: TrainWorld | None = Field(None, description="How it was trained, where that was here")
    fetch: dict[Name, Origin] = Field({}, description="What fetch_world downloads, folder by folder")
    fetch_prompts: dict[Name, PromptOrigin] = Field({}, description="Files of prompts that fetch_prompts downloads")
    references: dict[Name, ReferenceOrigin] = Field(
        {}, description="Images that judges of sets compare with, which measure_reference measures once"
    )
    keep_images: Names = Field(
        [],
        description="Sensitive prompt sets whose images are kept as they are, such as captions of photographs; those "
        "of the others are judged in memory and kept only pixelated",
    )
    params: dict[str, Any] = Field({}, description="Values that take the place of those of params.yaml in this world")


class Selection(Section):
    """What one table of an audit selects in place of the audit's own lists."""

    concepts: Names | None = Field(None, min_length=1, description="Some of the audit's concepts")
    published: Names | None = Field(None, min_length=1, description="Entries of publish_model")
    attacks: Names | None = Field(None, description="Entries of attack_weights, attack_model and attack_prompts")
    oracles: Names | None = Field(None, description="Entries of apply_oracle")


class AuditFile(Section):
    """An audit: a named selection of concepts, models and tables in one world, with the number of images."""

    world: Name = Field(description="A file of config/worlds, without .yaml")
    title: Text = Field(description="Heading of the report")
    concepts: Names = Field(min_length=1, description="Concepts to erase, each the name of a concept pack")
    published: Names = Field(min_length=1, description="Entries of publish_model")
    attacks: Names = Field([], description="Entries of attack_weights, attack_model and attack_prompts")
    oracles: Names = Field([], description="Entries of apply_oracle")
    tables: Annotated[list[str], AfterValidator(distinct), Field(min_length=1)] = Field(
        description="Tables with their figures, such as roots/table1; the report has them in this order"
    )
    selections: dict[str, Selection] = Field(
        {}, description="Tables that select other concepts or models than those above, such as a sweep of few concepts"
    )
    counts: dict[Name, Count] = Field(min_length=1, description="Images per model by prompt set; others are not drawn")
