"""The stages that read weights and call no UNet, at Stable Diffusion 1.5's full shapes: rows of `full_shape.py`."""

import argparse
from pathlib import Path

POSTERIOR = {"magnitudes": "large", "shrinkage": None, "tolerance": 1e-3, "max_steps": 30}
NUCLEAR = {"tolerance": 1e-4, "max_steps": 200, "solver": "fast"}
COMBINED = {"posterior": POSTERIOR, "nuclear": NUCLEAR, "share": 0.25, "draws": 1, "strength": 25.0}
ROOTS = {"retain": 0.6, "magnitude": "max", "rank": "certainty", "seed": 2021}
AMPLIFIED = {"match": "gain", "scope": "model", "factor": 1.0, "share": 0.25, "draws": 2, "seed": 0, "tuned_on": []}
COMPLETER = {"name": "gaussian_posterior", "method": "gaussian_posterior", **POSTERIOR}
NOISE = {"std": 1e-3, "unit": "absolute", "bound": "none"}
MIXTURE = {"name": "mixture", "method": "mixture", "probability": 0.5}
ORACLE = {"signs": "pretrained", "magnitude": "max", "seed": 2021}
WORLD, ERASED, PUBLISHED = Path("world.json"), Path("erased.safetensors"), Path("published.safetensors")
COMPLETED, DEFENDED, HIDDEN = Path("completed.safetensors"), Path("defended.safetensors"), Path("hidden.safetensors")
GUESSED = Path("guessed.safetensors")
BOTH = {"published": "pruned", "concept": "church"}
ALL = "16 matrices"


def complete(args: argparse.Namespace) -> str:
    """Complete the matrices by their posterior."""
    from regrow.stages import complete_weights

    told = PUBLISHED, "gaussian_posterior", POSTERIOR, COMPLETED, Path("trace.parquet")
    complete_weights.run(*told, 0, args.device, args.jobs)
    return ALL


def combined(args: argparse.Namespace) -> str:
    """Complete them by both completers, with a second cut."""
    from regrow.stages import complete_weights

    told = PUBLISHED, "combined", COMBINED, Path("combined.safetensors"), Path("trace.parquet")
    complete_weights.run(*told, 0, args.device, args.jobs)
    return ALL


def attack(_: argparse.Namespace) -> str:
    """Attack with neuron-max scaling."""
    return _attack("roots", ROOTS, "attacked")


def amplified(_: argparse.Namespace) -> str:
    """Attack by what second cuts tell."""
    return _attack("amplified", AMPLIFIED, "amplified")


def _attack(method: str, options: dict[str, object], name: str) -> str:
    from regrow.stages import attack_weights

    out = Path(f"{name}.safetensors"), Path(f"{name}.json")
    attack_weights.run(PUBLISHED, COMPLETED, method, method, options, COMPLETER, *out)
    return ALL


def oracle(_: argparse.Namespace) -> str:
    """Put the true signs back."""
    from regrow.stages import apply_oracle

    out = Path("oracle.safetensors"), Path("oracle.json")
    apply_oracle.run(WORLD, PUBLISHED, ERASED, "true_signs_max", "true_values", ORACLE, *out)
    return ALL


def defend(args: argparse.Namespace) -> str:
    """Put noise in the place of the cut, and publish."""
    from regrow.stages import defend_model, publish_model

    defend_model.run(WORLD, ERASED, "church", "gaussian", NOISE, "gaussian_1e_3", args.device, 0, DEFENDED)
    publish_model.run(WORLD, DEFENDED, "hidden", HIDDEN, Path("hidden.json"))
    return ALL


def guess(args: argparse.Namespace) -> str:
    """Tell the noise from the weights, and complete."""
    from regrow.stages import complete_weights

    told = HIDDEN, "gaussian_posterior", POSTERIOR, GUESSED, Path("trace.parquet")
    complete_weights.run(*told, 0, args.device, args.jobs, MIXTURE)
    return ALL


def recovery(_: argparse.Namespace) -> str:
    """Compare what was completed with the base."""
    from regrow.stages import evaluate_recovery

    out = (Path(f"{name}.parquet") for name in ("signs", "alignment", "reliability"))
    shares = [0.2, 0.3, 0.5, 0.7, 0.9]
    evaluate_recovery.run(WORLD, PUBLISHED, COMPLETED, "pruned", "posterior", "church", shares, 5, 10, *out)
    return ALL


def inference(_: argparse.Namespace) -> str:
    """Compare the mask that was guessed with the cut."""
    from regrow.stages import evaluate_inference

    out = Path("inference.parquet")
    evaluate_inference.run(WORLD, HIDDEN, DEFENDED, GUESSED, "hidden", "posterior", "church", out)
    return ALL


def ablate(args: argparse.Namespace) -> str:
    """Complete with worse and worse masks."""
    from regrow.stages import ablate_mask_knowledge

    ablate_mask_knowledge.run(
        world=WORLD,
        model=PUBLISHED,
        erased=ERASED,
        completed=None,
        other_erased=None,
        other_concept=None,
        completer="gaussian_posterior",
        method="gaussian_posterior",
        options=POSTERIOR,
        threshold=1.1,
        seed=0,
        device=args.device,
        jobs=args.jobs,
        out=Path("ladder.parquet"),
        **BOTH,
    )
    return "3 completions of 16 matrices"


def spectrum(_: argparse.Namespace) -> str:
    """Take singular values of the base, the published model and noise."""
    from regrow.stages import measure_spectrum

    measure_spectrum.run(WORLD, PUBLISHED, ERASED, "church", "pruned", 3, 0, Path("spectrum.parquet"))
    return ALL


def detectability(_: argparse.Namespace) -> str:
    """Look for the cut that noise hides."""
    from regrow.stages import measure_detectability

    out = Path("detectors.parquet"), Path("premise.parquet")
    measure_detectability.run(WORLD, HIDDEN, DEFENDED, "church", "hidden", *out)
    return ALL


# In the order of the workflow: name of the row, and what it runs.
ROWS = {
    "complete_weights, gaussian_posterior": complete,
    "complete_weights, combined": combined,
    "attack_weights, roots": attack,
    "attack_weights, amplified": amplified,
    "apply_oracle": oracle,
    "defend_model, publish_model": defend,
    "complete_weights, mask inferred": guess,
    "evaluate_recovery": recovery,
    "evaluate_inference": inference,
    "ablate_mask_knowledge": ablate,
    "measure_spectrum": spectrum,
    "measure_detectability": detectability,
}
