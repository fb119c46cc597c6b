"""params.schema.json is generated from the typed schema and agrees with it."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from regrow.params import json_schema

ROOT = Path(__file__).parents[2]


def test_the_schema_file_is_up_to_date():
    assert (ROOT / "params.schema.json").read_text() == json_schema(), "run `regrow schema`"


@pytest.mark.parametrize("name", ["params.yaml", "tests/tiny/params.yaml"])
def test_shipped_params_fit_the_schema_and_name_it(name):
    text = (ROOT / name).read_text()
    reference = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (ROOT / name).parent.joinpath(reference).resolve() == ROOT / "params.schema.json"
    jsonschema.validate(yaml.safe_load(text), yaml.safe_load(json_schema()))


@pytest.mark.parametrize(
    "section", ["generate_images", "recipes/pruned", "erase_concept/conceptprune", "revive_concept/roots_max"]
)
def test_the_schema_refuses_unknown_keys_everywhere(section):
    params = yaml.safe_load((ROOT / "tests/tiny/params.yaml").read_text())
    place = params
    for name in section.split("/"):
        place = place[name]
    place["nonsense"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(params, yaml.safe_load(json_schema()))
