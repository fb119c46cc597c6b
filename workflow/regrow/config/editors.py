"""JSON schemas of params, worlds and audits, from which editors complete and check them."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from regrow.config.files import AuditFile, WorldFile
from regrow.config.schema import Params
from regrow.io.files import write_text
from regrow.methods import RETURNS, ROOMS, load_method, method_names

# pydantic writes limits by its own words where a validator stands before them.
LIMITS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """Return the text of each schema by the name of its file."""
    params = _schema(Params)
    for section in ROOMS:
        stated = params["properties"][section]
        (names,) = stated.pop("patternProperties")
        stated["patternProperties"] = {names: {"oneOf": _entries(section, params["$defs"])}}
        stated["additionalProperties"] = False
    world = _schema(WorldFile)
    # A prompt set's name is its key, and the params of a world are some of those of params.yaml.
    named = world["$defs"]["StatedPromptSet"]
    del named["properties"]["name"]
    named["required"].remove("name")
    audit = _schema(AuditFile)
    return {
        f"{name}.json": json.dumps(schema, indent=2) + "\n"
        for name, schema in (("params", params), ("world", world), ("audit", audit))
    }


def write_schemas(folder: Path) -> None:
    """Write all schemas into a folder."""
    for name, text in schemas().items():
        write_text(folder / name, text)


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    schema: dict[str, Any] = _limited(model.model_json_schema())
    return {"$schema": DIALECT, **schema}


def _limited(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_limited(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    limits = LIMITS if schema.get("type") in ("number", "integer") else {}
    return {limits.get(key, key): _limited(value) for key, value in schema.items()}


def _entries(section: str, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schema of an entry by each method that its section can run."""
    found = []
    for method in method_names(section):
        module = load_method(ROOMS[section], method)
        if section in RETURNS and RETURNS[section] != module.RETURNS:
            continue
        schema = _limited(module.Options.model_json_schema())
        definitions.update(schema.pop("$defs", {}))
        properties = {"method": {"const": method, "description": f"The file {ROOMS[section]}/{method}.py"}}
        if getattr(module, "NEEDS_COMPLETER", False):
            properties["completer"] = {"type": "string", "description": "An entry of complete_weights"}
        required = [*properties, *schema.get("required", [])]
        if section == "complete_weights":
            properties["mask"] = {"type": "string", "description": "An entry of infer_mask; without it: exact zeros"}
        found.append(
            {
                "title": method,
                "type": "object",
                "additionalProperties": False,
                "properties": {**properties, **schema.get("properties", {})},
                "required": required,
            }
        )
    return found or [{"type": "object", "required": ["method"]}]
