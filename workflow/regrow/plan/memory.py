"""Remember what a method returned: a plan is asked the same of every job, and its config never changes."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def remembered(method: Method) -> Method:
    """Return a method that computes each answer once per object; callers must not change what it returns."""

    @wraps(method)
    def once(self: Any, *arguments: Any) -> Any:
        known = self.__dict__.setdefault("_remembered", {})
        key = (method, *arguments)  # not its name, which two modules may use
        if key not in known:
            known[key] = method(self, *arguments)
        return known[key]

    return once  # type: ignore[return-value]
