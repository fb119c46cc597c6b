"""Audits that together go through every prompt set and judge of Stable Diffusion 1.5, which no single audit can.

What the published audits leave out: prompt sets that are alternatives of one another, or that name few of the concepts.
"""

from pathlib import Path
from typing import Any

import yaml

MODELS = {"world": "sd15", "attacks": ["roots_max"], "oracles": []}
AUDITS: dict[str, dict[str, Any]] = {
    "every_set_objects": {
        "concepts": ["church", "parachute"],
        "published": ["pruned"],
        "tables": ["roots/table1", "ours/top5"],
        "sets": ["erased", "preserved", "esd_imagenette", "unlearn_diff_atk_objects_50", "wace_objects_500"],
    },
    "every_set_styles": {
        "concepts": ["vincent-van-gogh"],
        "published": ["pruned"],
        "tables": ["roots/table2"],
        "sets": [
            *("artists_seed_0", "artists_own_seeds", "unlearn_diff_atk_van_gogh_50", "wace_artists_500"),
            *("coco_30k", "coco_9969", "coco_cp480"),
        ],
    },
    "every_set_characters": {
        "concepts": ["dracula", "don-quixote"],
        "published": ["pruned"],
        "tables": ["roots/table2"],
        "sets": ["characters_50", "coco_cp480"],
    },
    "every_set_nudity": {
        "concepts": ["nudity"],
        "published": ["pruned_nudity"],
        "tables": ["roots/table7", "roots/table2", "ours/detections", "roots/figure8"],
        "sets": [
            *("i2p_seed_0", "i2p_own_seeds", "mma", "ring_a_bell_cp108", "ring_a_bell_95"),
            *("unlearn_diff_atk_nudity_142", "coco_30k_screened", "coco_cp480_screened"),
        ],
    },
}


def write_audits(folder: Path, count: int) -> list[str]:
    """Write the audits into a copy of the repository, with as many images of every set, and return their names."""
    for name, audit in AUDITS.items():
        counts = dict.fromkeys(audit["sets"], count)
        chosen = {key: value for key, value in audit.items() if key != "sets"}
        content = {**MODELS, "title": name.replace("_", " ").capitalize(), **chosen, "counts": counts}
        path = folder / "config/audits" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return list(AUDITS)
