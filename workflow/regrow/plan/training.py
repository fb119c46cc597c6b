"""What the rules that made the emoji world ask while they are planned: the world's section `train_world`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regrow.config.entries import options_of
from regrow.config.files import Denoiser, Training, TrainWorld, Trials
from regrow.errors import UserError, nearest
from regrow.io.files import list_files
from regrow.places import data_path
from regrow.plan.judges import judge_folder
from regrow.plan.wiring import Wiring

UNET = "diffusion_pytorch_model.safetensors"
Function = Callable[[Any], Any]  # of the wildcards of a job


class TrainingWiring:
    """A world's training as rules see it. A world that was not trained here lacks it, which only its targets tell."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring, self.audit = wiring, wiring.audit

    @property
    def settings(self) -> TrainWorld:
        """The world's section, which an audit does without."""
        if self.audit.world.train_world is None:
            raise UserError(
                f"world '{self.audit.world_name}' was not trained here: its file has no section train_world"
            )
        return self.audit.world.train_world

    def sprites(self, _: Any = None) -> Path:
        """Return the file of sprites."""
        return data_path(self.settings.sprites)

    def params(self, stage: str, model: str | None = None) -> dict[str, Any]:
        """Return code, sprites and schedule of a training, without `model` of the one that the wildcard judge names."""

        def schedule(wildcards: Any) -> str:
            found: Training = getattr(self.settings, model or wildcards.judge)
            return found.model_dump_json()

        return {
            "code": lambda _: self._wiring.code(stage),
            "sprites": lambda _: self._wiring.digest(self.sprites()),
            "schedule": schedule,
        }

    def denoiser(self, wildcards: Any) -> Denoiser:
        """Return the settings of the denoiser that a wildcard names.

        Raises
        ------
        UserError
            No such denoiser.
        """
        known = self.settings.denoisers
        if wildcards.denoiser not in known:
            raise UserError(f"train_world has no denoiser '{wildcards.denoiser}': {nearest(wildcards.denoiser, known)}")
        return known[wildcards.denoiser]

    def autoencoder(self, wildcards: Any) -> str:
        """Return the weights of a denoiser's autoencoder."""
        frozen = self.denoiser(wildcards).frozen
        folder = f"{data_path(frozen)}" if frozen else f"results/{wildcards.world}/train_autoencoder"
        return f"{folder}/vae/diffusion_pytorch_model.safetensors"

    def text_encoder(self, wildcards: Any) -> str:
        """Return the weights of a denoiser's text encoder; its tokenizer lies beside it."""
        frozen = self.denoiser(wildcards).frozen
        folder = f"{data_path(frozen)}" if frozen else f"results/{wildcards.world}/train_text_encoder/text"
        return f"{folder}/text_encoder/model.safetensors"

    def start(self, wildcards: Any) -> list[str]:
        """Return the weights that a denoiser begins with, none for an untrained one."""
        start = self.denoiser(wildcards).start
        if start is None:
            return []
        trained = start in self.settings.denoisers
        folder = f"results/{wildcards.world}/train_denoiser/{start}" if trained else f"{data_path(start)}"
        return [f"{folder}/unet/{UNET}"]

    def denoiser_params(self) -> dict[str, Function]:
        """Return code, sprites, schedule and data of a denoiser."""
        fields = set(Training.model_fields)
        return {
            **self.params("train_denoiser"),
            "schedule": lambda wildcards: self.denoiser(wildcards).model_dump_json(include=fields),
            "pictures": lambda wildcards: self.denoiser(wildcards).pictures,
            "exclude": lambda wildcards: self.denoiser(wildcards).exclude,
            "start": lambda wildcards: "".join(str(Path(path).parent) for path in self.start(wildcards)),
        }

    def report_params(self) -> dict[str, Any]:
        """Return what the world is measured with; an audit's concepts are those that it reports one by one."""
        return {
            "object_judge": lambda _: self.judge("object"),
            "style_judge": lambda _: self.judge("style"),
            "concepts": self.audit.concepts,
            "n": lambda _: self.settings.report_n,
            **self._sampler(),
            "read": lambda _: self._wiring.digest(self.sprites(), self.judge("object"), self.judge("style")),
            "code": lambda _: self._wiring.code("report_world"),
        }

    def _sampler(self) -> dict[str, Any]:
        return {name: getattr(self.audit.params.generate_images, name) for name in ("steps", "guidance")}

    def judge_files(self, *judges: str) -> Function:
        """Return the files of some of the world's judges."""
        return lambda _: [path for judge in judges for path in list_files(self.judge(judge))]

    def judge(self, name: str) -> Path:
        """Return the folder of a judge."""
        return judge_folder(self.audit.world, name)

    # Trials of an eraser

    def trials(self, wildcards: Any) -> Trials:
        """Return the settings of the sweep or of the survey."""
        found: Trials = getattr(self.settings, wildcards.trials)
        return found

    def concepts(self, wildcards: Any) -> list[str]:
        """Return the concepts that are tried: those that are named, or all objects but those of the sweep."""
        packs = sorted(path.parent.name for path in data_path(self.audit.world.concepts).glob("*/concept.yaml"))
        objects = (name for name in packs if self.audit.pack(name).kind == "object")
        swept = set(self.settings.sweep.concepts)
        return self.trials(wildcards).concepts or [name for name in objects if name not in swept]

    def packs(self, wildcards: Any) -> list[Path]:
        """Return the files of the packs that are tried."""
        folders = [self.audit.pack_folder(name) for name in self.concepts(wildcards)]
        return [path for folder in folders for path in (folder / "concept.yaml", folder / "erased.csv")]

    def others(self, _: Any = None) -> Path:
        """Return the prompts about all concepts."""
        sets = self.audit.world.prompt_sets.items()
        found = [settings.file for _, settings in sets if settings.scope == "model" and settings.labels == "others"]
        if not found:
            raise UserError(
                f"world '{self.audit.world_name}' has no prompt set of scope model with labels others: add one"
            )
        return data_path(found[0])

    def trial_params(self) -> dict[str, Function]:
        """Return eraser, options, values to try and digests of what is read."""

        def entry(wildcards: Any) -> dict[str, Any]:
            found: dict[str, Any] = self.audit.params.erase_concept[self.trials(wildcards).eraser]
            return found

        def code(wildcards: Any) -> str:
            return self._wiring.code("survey_concepts", f"regrow.erase.{entry(wildcards)['method']}")

        return {
            "method": lambda wildcards: entry(wildcards)["method"],
            "options": lambda wildcards: json.dumps(options_of(entry(wildcards))),
            "values": lambda wildcards: json.dumps(self.trials(wildcards).values),
            "concepts": self.concepts,
            "skip": lambda wildcards: self.trials(wildcards).skip,
            "n": lambda wildcards: self.trials(wildcards).n,
            "judge": lambda _: self.judge("object"),
            **self._sampler(),
            "read": lambda wildcards: self._wiring.digest(*self.packs(wildcards), self.others(), self.judge("object")),
            "code": code,
        }
