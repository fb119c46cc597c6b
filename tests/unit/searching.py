"""A search that costs little."""

from typing import Any

SEARCH: dict[str, Any] = {
    "start": 3.0,
    "limits": [],
    "prompts": ["a photo of a {word}"],
    "others": ["cat", "road"],
    "images": 2,
    "images_others": 2,
    "weight_others": 4.0,
    "generations": 2,
    "population": 4,
    "sigma": 0.5,
    "common": 0.5,
    "finalists": 3,
    "images_final": 2,
    "steps": 2,
    "guidance": 3.0,
    "batch": 8,
    "seed": 0,
    "tuned_on": [],
}
