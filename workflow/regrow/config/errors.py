"""Turn what pydantic finds into one sentence: what is wrong, where, and what to do."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from regrow.config.schema import NO_VALUE, REFUSED, UNKNOWN_KEY
from regrow.errors import UserError, nearest

Model = TypeVar("Model", bound=BaseModel)


def validate(schema: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """Return checked values; `where` names the file in an error.

    Raises
    ------
    UserError
        Unknown or missing key, wrong type, or value out of range; says the nearest word.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{where}: {_sentence(error, values)}") from error


def _sentence(error: ValidationError, values: Mapping[str, Any]) -> str:
    # A misspelt key also looks like a missing one, and the former says more; so does the deepest part of a value.
    first = min(error.errors(), key=lambda found: (found["type"] != UNKNOWN_KEY, -len(_path(found["loc"], values))))
    kind, context = first["type"], first.get("ctx", {})
    path = _path(first["loc"], values)
    where = ".".join(path) or "the file"
    # A value that may be of several types has a finding for each.
    same = [found for found in error.errors() if found["type"] != UNKNOWN_KEY and _path(found["loc"], values) == path]
    if kind == UNKNOWN_KEY:
        return f"unknown key '{context['key']}' in {where}: {context['hint']}"
    if kind == NO_VALUE:
        return f"{'.'.join([*path, context['key']])} is {context['value']}, but {context['problem']}"
    if kind == REFUSED:
        return (
            f"{where} is {first['input']!r}, {first['msg']}"
            if isinstance(first["input"], str)
            else f"{where}: {first['msg']}"
        )
    if kind == "missing":
        return f"{where} lacks the key '{first['loc'][-1]}': add it"
    if kind == "literal_error" and len(same) == 1:
        valid = re.findall(r"'([^']*)'", context["expected"])
        return f"unknown {path[-1]} '{first['input']}' in {where}: {nearest(str(first['input']), valid)}"
    messages = [found["msg"].removeprefix("Input ") for found in same]
    return f"{where} is {first['input']!r}, but {', or '.join(messages)}: correct it"


def _path(places: tuple[int | str, ...], values: Any) -> list[str]:
    """Return where a finding is in the file; pydantic's own path also names types."""
    path = []
    for part in places:
        if isinstance(values, list) and isinstance(part, int) or isinstance(values, Mapping) and part in values:
            path.append(str(part))
            values = values[part]  # type: ignore[index]
        elif part == "[key]":
            break
    return path
