"""The registry: files by name, contracts of the rooms, options in one sentence, and nothing heavy at import."""

import subprocess
import sys
from types import ModuleType
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, model_validator

from regrow import methods
from regrow.dependencies import PACKAGE
from regrow.errors import UserError
from regrow.methods import (
    ROOMS,
    Count,
    MethodOptions,
    NonNegative,
    Positive,
    Seed,
    Share,
    check_entry,
    load_method,
    method_names,
    parse_options,
)

ALL = [(room, name) for room in sorted(set(ROOMS.values())) for name in method_names(room)]


def test_methods_are_files_and_helpers_are_not() -> None:
    for room in set(ROOMS.values()):
        files = {path.stem for path in (PACKAGE / room).glob("*.py")}
        assert method_names(room) == sorted(file for file in files if not file.startswith("_")), room
    assert "roots" in method_names("attack") and (PACKAGE / "attack/_retain.py").is_file()
    assert method_names("attack_weights") == method_names("attack")


@pytest.mark.parametrize(("room", "name"), ALL)
def test_every_method_keeps_the_contract_of_its_room(room: str, name: str) -> None:
    module = load_method(room, name)
    for field in module.Options.model_fields.values():
        assert field.description
        assert field.is_required() or field.default is None
    schema = module.Options.model_json_schema()
    assert not schema["additionalProperties"]
    assert all("description" in option for option in schema["properties"].values())


def test_nothing_heavy_is_imported_with_a_method() -> None:
    lines = [f"load_method({room!r}, {name!r})" for room, name in ALL]
    heavy = "torch pandas pyarrow matplotlib diffusers transformers numpy".split()
    script = "\n".join(
        [
            "import sys",
            "from regrow.methods import load_method",
            *lines,
            f"print([name for name in {heavy} if name in sys.modules])",
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="workflow")
    assert done.stdout.strip() == "[]"


class Options(MethodOptions):
    """Options of a made-up attack."""

    share: Share = Field(description="a share")
    steps: Count = Field(description="steps")
    least: NonNegative = Field(description="a number")
    seed: Seed = Field(description="a seed")
    augment: bool = Field(description="a truth")
    kind: Literal["plain", "fancy"] = Field(description="a word")
    rate: Positive | None = Field(None, description="may be left out")

    @model_validator(mode="after")
    def _rule(self) -> "Options":
        if self.kind == "fancy" and self.rate is None:
            raise ValueError("kind fancy needs a rate: add it")
        return self


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A method `made_up` of the room attack, as if it had a file."""
    module = ModuleType("regrow.attack.made_up")
    module.Options, module.made_up = Options, lambda *_: {}  # type: ignore[attr-defined]
    module.RETURNS, module.KNOWLEDGE = "model", ("word", "training")  # type: ignore[attr-defined]
    module.NEEDS_COMPLETER, module.APPLIES_TO = False, ("pruning", "training")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "regrow.attack.made_up", module)
    monkeypatch.setattr(methods, "method_names", lambda _room: ["made_up", "roots"])
    return module


GOOD: dict[str, Any] = {"share": 0.5, "steps": 3, "least": 0, "seed": 1, "augment": True, "kind": "plain"}


def test_good_options(made_up: ModuleType) -> None:
    found = parse_options("attack_model", "made_up", GOOD)
    assert found.model_dump() == {**GOOD, "rate": None}
    assert parse_options("attack", "made_up", {**GOOD, "share": 1, "rate": "1e-5"}).rate == 1e-5  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="frozen"):
        found.steps = 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"share": 0}, "share is 0, but should be greater than 0"),
        ({"share": True}, "share is True, but should be a valid number"),
        ({"share": "0.5"}, "share is '0.5', but should be a valid number"),
        ({"share": float("inf")}, "share is inf, but should be"),
        ({"steps": 2.0}, "steps is 2.0, but should be a valid integer"),
        ({"steps": "3"}, "steps is '3', but should be a valid integer"),
        ({"least": -1e-9}, "least is -1e-09, but should be greater than or equal to 0"),
        ({"seed": 2**63}, "seed is 9223372036854775808, but should be less than"),
        ({"augment": 1}, "augment is 1, but should be a valid boolean"),
        ({"augment": "yes"}, "augment is 'yes', but should be a valid boolean"),
        ({"kind": "fanzy"}, "kind is 'fanzy', but should be 'plain' or 'fancy': did you mean 'fancy'?"),
        ({"kind": "fancy"}, ": kind fancy needs a rate: add it"),
        ({"rate": None, "augmnt": True}, "attack 'made_up' has no option 'augmnt': did you mean 'augment'?"),
    ],
)
def test_bad_options_are_one_sentence(made_up: ModuleType, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_options("attack_model", "made_up", {**GOOD, **changes})
    assert said in str(caught.value)
    assert str(caught.value).startswith("attack 'made_up'")
    assert "\n" not in str(caught.value)


def test_a_missing_option(made_up: ModuleType) -> None:
    with pytest.raises(UserError, match="attack 'made_up' needs the option 'seed': add it to the method's entry"):
        parse_options("attack_model", "made_up", {key: value for key, value in GOOD.items() if key != "seed"})


def test_a_section_takes_what_it_can_run(made_up: ModuleType) -> None:
    with pytest.raises(UserError, match="attack 'made_up' returns model, not weights: move its entry to attack_model"):
        load_method("attack_weights", "made_up")
    with pytest.raises(UserError, match="unknown attack 'madeup': did you mean 'made_up'?"):
        load_method("attack_weights", "madeup")
    with pytest.raises(UserError, match="attack 'made_up' uses no completed weights: remove its completer"):
        check_entry("attack_model", "made_up", Options(**GOOD), {"completer": ModuleType("nuclear")})


class Undescribed(MethodOptions):
    """One option without a description."""

    share: Share


class Defaulted(MethodOptions):
    """One option with a default."""

    share: Annotated[float, Field(description="a share")] = 0.5


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("Options", None, "attack/made_up.py has no class Options"),
        ("Options", dict, "has no class Options"),
        ("Options", Undescribed, "the option 'share' needs a description and no default"),
        ("Options", Defaulted, "the option 'share' needs a description and no default"),
        ("made_up", 3, "has no function 'made_up'"),
        ("RETURNS", "images", "must declare RETURNS = one of"),
        ("KNOWLEDGE", (), "must declare KNOWLEDGE = a tuple of some of"),
        ("KNOWLEDGE", "word", "must declare KNOWLEDGE"),
        ("KNOWLEDGE", ("everything",), "must declare KNOWLEDGE"),
        ("NEEDS_COMPLETER", 0, "must declare NEEDS_COMPLETER = True or False"),
        ("APPLIES_TO", None, "must declare APPLIES_TO"),
    ],
)
def test_a_file_that_breaks_the_contract_is_named(made_up: ModuleType, attribute: str, value: Any, said: str) -> None:
    setattr(made_up, attribute, value)
    with pytest.raises(UserError, match=said) as caught:
        load_method("attack", "made_up")
    assert "workflow/regrow/attack/made_up.py" in str(caught.value)
