"""The editors' schemas are generated from the typed ones and agree with them."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from regrow.config.editors import schemas
from regrow.config.reader import read_yaml

ROOT = Path(__file__).parents[2]
FILES = {
    "params": ["params.yaml", "tests/tiny/params.yaml"],
    "world": [
        "tests/tiny/config/worlds/tiny.yaml",
        *(f"config/worlds/{p.name}" for p in (ROOT / "config/worlds").glob("*")),
    ],
    "audit": [
        "tests/tiny/config/audits/tiny.yaml",
        *(f"config/audits/{p.name}" for p in (ROOT / "config/audits").glob("*")),
    ],
}
SHIPPED = [(kind, name) for kind, names in FILES.items() for name in names]


def schema(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(schemas()[f"{kind}.json"])
    return found


def test_the_schema_files_are_up_to_date():
    for name, text in schemas().items():
        assert (ROOT / "config/schema" / name).read_text() == text, "run `regrow schema`"


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_shipped_files_fit_their_schema_and_name_it(kind, name):
    first = (ROOT / name).read_text().splitlines()[0]
    reference = first.removeprefix("# yaml-language-server: $schema=")
    assert (ROOT / name).parent.joinpath(reference).resolve() == ROOT / f"config/schema/{kind}.json"
    jsonschema.validate(read_yaml(ROOT / name), schema(kind))


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("params", "generate_images"),
        ("params", "publish_model/pruned"),
        ("params", "erase_concept/conceptprune"),
        ("params", "attack_weights/roots_max"),
        ("world", "prompt_sets/erased"),
        ("world", ""),
        ("audit", ""),
    ],
)
def test_the_schemas_refuse_unknown_keys_everywhere(kind, place):
    content = read_yaml(ROOT / FILES[kind][-1 if kind == "params" else 0])
    section = content
    for name in filter(None, place.split("/")):
        section = section[name]
    jsonschema.validate(content, schema(kind))
    section["nonsense"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema(kind))


def test_an_option_of_a_method_is_described_and_checked():
    params = schema("params")
    (allowed,) = params["properties"]["attack_weights"]["patternProperties"].values()
    entries = {entry["title"]: entry for entry in allowed["oneOf"]}
    assert "completer" in entries["roots"]["properties"] and "completer" not in entries["quantize"]["properties"]
    assert all("description" in option for option in entries["roots"]["properties"].values())
    content = read_yaml(ROOT / "params.yaml")
    content["attack_weights"]["roots_max"]["retain"] = 1.5
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, params)


def test_every_key_of_params_worlds_and_audits_is_described():
    for kind in FILES:
        for name, key in schema(kind)["properties"].items():
            assert "description" in key or "$ref" in key, f"{kind}: {name}"
