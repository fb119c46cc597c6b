"""The typed schema of params.yaml, world files and audit files: every key, its type and range, and no value.

The options of a method stand in the method's own file (`regrow.methods`); unknown keys are errors everywhere.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from regrow.errors import nearest
from regrow.methods import Count, Positive, Seed, Share

UNKNOWN_KEY = "unknown_key"
NO_VALUE = "no_value"
REFUSED = "refused"

RESERVED = ("none", "all", "any", "mean", "pretrained", "control")  # rows and folders that stand for no entry
# Names become parts of paths, so they hold nothing that has a meaning there and leave room for what is put around them.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"


def _usable(name: str) -> str:
    if name.casefold() in RESERVED:
        raise PydanticCustomError(
            REFUSED, "a word with a meaning of its own ({words}): choose another name", {"words": ", ".join(RESERVED)}
        )
    return name


def distinct(names: Any) -> Any:
    """Refuse names that stand twice or differ only by case."""
    seen: dict[str, str] = {}
    for name in names:
        if (twin := seen.get(name.casefold())) is not None:
            problem = (
                "stands twice"
                if twin == name
                else f"differs from '{twin}' only by case, which some file systems ignore"
            )
            raise PydanticCustomError(REFUSED, "'{name}' {problem}: leave one", {"name": name, "problem": problem})
        seen[name.casefold()] = name
    return names


def _without_braces(text: str) -> str:
    if "{" in text or "}" in text:
        raise PydanticCustomError(REFUSED, "text with braces, which Snakemake takes for a wildcard: leave them out")
    return text


Name = Annotated[str, Field(pattern=NAME, max_length=60), AfterValidator(_usable)]
Names = Annotated[list[Name], AfterValidator(distinct)]
Text = Annotated[str, Field(min_length=1, pattern=r"\S"), AfterValidator(_without_braces)]
Folder = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A mapping of a YAML file: keys that it does not declare are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys_and_values(cls, data: Any) -> Any:
        """Refuse unknown keys with a hint, a boolean where a number is meant, and a word where a whole number is."""
        for key, value in data.items() if isinstance(data, Mapping) else ():
            if key not in cls.model_fields:
                raise PydanticCustomError(
                    UNKNOWN_KEY, "unknown key", {"key": str(key), "hint": nearest(str(key), cls.model_fields)}
                )
            kind = cls.model_fields[key].annotation
            values = value if isinstance(value, list) else [value]
            if bool not in (kind, *get_args(kind)) and any(isinstance(one, bool) for one in values):
                problem = "true and false are no value here: write a number, or the word in quotes"
            elif kind is int and isinstance(value, str) and value.strip("+-").isdigit():
                problem = "write a whole number without quotes and leading zeros, in a file: --config makes it a word"
            else:
                continue
            raise PydanticCustomError(NO_VALUE, "no value", {"key": key, "value": repr(value), "problem": problem})
        return data


class Published(Section):
    """A published model: what the publisher hands out."""

    eraser: str = Field(description="An entry of erase_concept")
    defence: str | None = Field(
        None, description="An entry of defend_model; without it the erased model is published as it is"
    )
    base: Literal["pretrained", "control"] = Field(
        "pretrained",
        description="What is cut: the base model, or the world's control at the entries that the eraser found in the "
        "base, so that what an attack brings back was learned by it",
    )

    @property
    def is_control(self) -> bool:
        """Whether the control is cut: no model that a publisher would hand out."""
        return self.base == "control"


class GenerateImages(Section):
    """Settings of the sampler; an image is a function of model, prompt, seed, sampler and numerics."""

    steps: Count = Field(description="Sampling steps")
    guidance: float = Field(ge=1, description="Scale of classifier-free guidance, 1 = none")
    dtype: Literal["float32", "float16", "bfloat16"] = Field(description="Numeric type of weights and activations")
    vae_tiling: bool = Field(False, description="Decode in tiles, for images that do not fit into memory")
    batch: Count = Field(
        description="Images drawn at once, or half as many until they fit; changes time and memory, and images by a "
        "grey level at most"
    )
    attention_slicing: bool = Field(
        False, description="Attention head by head and decoding image by image: less memory, more time"
    )
    cpu_offload: bool = Field(False, description="Keep on the GPU only the part that computes: less memory, more time")
    rows_per_job: Count = Field(description="Prompts per job; a job draws them with all models of one concept")


class ScoreImages(Section):
    """Settings of the judges."""

    batch: Count = Field(description="Images judged at once; changes time and memory, and scores by rounding only")


class EvaluateRecovery(Section):
    """Settings of the measures that read the base and the published model."""

    k: Annotated[list[Share], AfterValidator(lambda values: _increasing(values))] = Field(
        min_length=1, description="Shares K of the largest recovered entries, Table 6"
    )
    quantiles: int = Field(ge=2, description="Ranks R and P of the alignment matrix, Table 5")
    bins: int = Field(ge=2, description="Bins of equal count by certainty, for predicted against observed accuracy")


class AblateMaskKnowledge(Section):
    """Settings of the ladder: what an attack owes to knowing the mask."""

    completers: Names = Field(min_length=1, description="Entries of complete_weights")
    other: Name | None = Field(
        description="A concept that is not audited, whose mask serves for every other one's; null: no such rung"
    )
    threshold: Positive = Field(description="Smallest magnitudes that are taken for pruned, per pruned weight")


class MeasureSpectrum(Section):
    """Settings of the layers' spectra."""

    copies: Count = Field(description="Permuted copies whose largest singular value is the edge of noise")


class RankWords(Section):
    """Settings of the search for the erased concept's word."""

    draws: Count = Field(description="Noise images per word, each a call of the UNet")
    batch: Count = Field(description="Words at once; changes time and memory, and last digits")


class MakeTable(Section):
    """Settings of the tables."""

    level: float = Field(gt=0, lt=1, description="Level of every interval")


class MakeFigure(Section):
    """Settings of the figures."""

    columns: Count = Field(description="Images per row of a grid; at most as many as an audit counts are shown")
    dpi: int = Field(ge=1, le=1200, description="Dots per inch")


# An entry of a method: `method` and its options, which `regrow.config.entries` checks against the method's own class.
Entries = Annotated[dict[Name, dict[str, Any]], AfterValidator(distinct)]


class Params(Section):
    """All of params.yaml."""

    audit: Name = Field(description="A file of config/audits, without .yaml")
    seed: Seed = Field(description="Of every random draw that has no seed of its own")
    device: str = Field(pattern=r"^(cpu|cuda(:[0-9]+)?)$", description="cpu, cuda or cuda:1; changes time, not results")
    erase_concept: Entries = Field(description="Erasers: how a concept is taken out of the base model")
    defend_model: Entries = Field({}, description="Defences: how a publisher hides what was erased")
    publish_model: Annotated[dict[Name, Published], AfterValidator(distinct)] = Field(
        description="Published models: an eraser, and a defence where there is one"
    )
    infer_mask: Entries = Field({}, description="How an attacker tells which published weights were pruned")
    complete_weights: Entries = Field({}, description="Completers: fill the missing entries of a weight matrix")
    attack_weights: Entries = Field({}, description="Attacks that see the published weights and nothing else")
    attack_model: Entries = Field({}, description="Attacks that run the model and return another one")
    attack_prompts: Entries = Field({}, description="Attacks that run the model and return prompts")
    apply_oracle: Entries = Field(
        {}, description="Oracles: what an attack would reach if it knew the pretrained signs or sizes"
    )
    generate_images: GenerateImages
    score_images: ScoreImages
    evaluate_recovery: EvaluateRecovery
    ablate_mask_knowledge: AblateMaskKnowledge
    measure_spectrum: MeasureSpectrum
    rank_words: RankWords
    make_table: MakeTable
    make_figure: MakeFigure


def _increasing(values: list[float]) -> list[float]:
    if sorted(set(values)) != values:
        raise PydanticCustomError(REFUSED, "not in rising order, each once: sort it")
    return values


METHOD_SECTIONS = [
    name for name, field in Params.model_fields.items() if field.annotation == dict[Name, dict[str, Any]]
]
