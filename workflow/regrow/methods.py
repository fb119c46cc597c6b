"""Find a method by name: one module per method in a package, one public function of the same name in it."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from regrow.errors import UserError, nearest

# For annotations of options: what they say is checked in params.yaml before any job runs.
Share = Annotated[float, Field(gt=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Guidance = Annotated[float, Field(gt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what a torch.Generator takes


def method_names(package: str) -> list[str]:
    """Return the methods of a package such as ``regrow.erase``, sorted; a leading underscore marks a helper."""
    path = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(path) if not module.name.startswith("_"))


def find_method(package: str, kind: str, method: str, options: Mapping[str, Any]) -> Callable[..., Any]:
    """Import ``{package}.{method}`` and return its function `method` after checking the options against its keywords.

    Parameters
    ----------
    package : str
        Dotted name of the package, e.g. ``regrow.erase``.
    kind : str
        What the methods are called in an error, e.g. ``eraser``.
    method : str
        Name of the module and of its public function.
    options : mapping
        Keyword-only arguments the caller means to pass.

    Raises
    ------
    UserError
        Unknown method or option (with the nearest known one), a missing option, or one of a wrong type.
    """
    valid = method_names(package)
    if method not in valid:
        raise UserError(f"unknown {kind} '{method}': {nearest(method, valid)}")
    function: Callable[..., Any] = getattr(importlib.import_module(f"{package}.{method}"), method)
    keywords = {n: p for n, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY}
    for name in options:
        if name not in keywords:
            raise UserError(f"{kind} '{method}' has no option '{name}': {nearest(name, keywords)}")
    for name, parameter in keywords.items():
        if parameter.default is parameter.empty and name not in options:
            raise UserError(f"{kind} '{method}' needs the option '{name}': add it to the method's entry in params.yaml")
    types = get_type_hints(function)  # without the ranges, of which the method itself tells
    for name, value in options.items():
        try:
            TypeAdapter(types[name]).validate_python(value, strict=True)
        except ValidationError as error:
            if isinstance(value, str) and any(found["type"] == "literal_error" for found in error.errors()):
                continue  # the method tells the nearest word
            wanted = ", or ".join(found["msg"].removeprefix("Input ") for found in error.errors())
            raise UserError(f"{kind} '{method}': {name} is {value!r}, but {wanted}") from error
    return function
