"""params.yaml: what is accepted, what is refused and in which words."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from regrow.code import methods_of
from regrow.errors import UserError
from regrow.paper.recipes import PUBLISHED_ORDER
from regrow.params import check_params, read_params

ROOT = Path(__file__).parents[2]
SHIPPED = ["params.yaml", "demo.yaml", "tests/tiny/params.yaml"]


def write_packs(folder: Path, concepts: dict[str, dict[str, str]]) -> None:
    for name, changes in concepts.items():
        pack = {"name": name, "kind": "object", "label": name, "find": {"base": ["a road"], "target": [f"a {name}"]}}
        (folder / "concepts" / name).mkdir(parents=True)
        (folder / "concepts" / name / "concept.yaml").write_text(yaml.safe_dump({**pack, **changes}))
    (folder / "judges/object").mkdir(parents=True)
    (folder / "judges/object/judge.yaml").write_text(yaml.safe_dump({"labels": ["church", "rocket"]}))


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = {"sphinx": {"label": "sphinx"}, "nude": {"kind": "nudity"}, "noto": {"kind": "style"}}
    write_packs(tmp_path / "data/tiny", {"church": {}, "rocket": {}, "cat": {}, **odd})
    return yaml.safe_load((ROOT / "tests/tiny/params.yaml").read_text())


def edited(params, key, value):
    changed = copy.deepcopy(params)
    *sections, last = key.split("/")
    section = changed
    for name in sections:
        section = section[name]
    if value is None:
        del section[last]
    else:
        section[last] = value
    return changed


def test_the_tiny_params_come_back_unchanged(params):
    assert check_params(params) == params


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("sed", 1, "params: unknown key 'sed' in the file: did you mean 'seed'?"),
        ("generate_images/stepz", 3, "params: unknown key 'stepz' in generate_images: did you mean 'steps'?"),
        ("generate_images/steps", None, "params: generate_images lacks the key 'steps': add it"),
        ("generate_images/steps", 0, "params: generate_images.steps is 0, but should be greater than or equal to 1"),
        ("generate_images/steps", "many", "params: generate_images.steps is 'many', but should be a valid integer"),
        (
            "generate_images/steps",
            True,
            "params: generate_images.steps is True, but yes, no, true and false are no value",
        ),
        ("generate_images/steps", "4", "params: generate_images.steps is '4', but a whole number is written without"),
        ("revive_concept/roots_max/keep", True, "params: revive_concept.roots_max.keep is True, but yes, no, true"),
        ("concepts", "church", "params: concepts is 'church', but should be a valid list"),
        ("concepts", [False], "params: concepts is [False], but yes, no, true and false are no value here"),
        ("concepts", [7], "params: concepts.0 is 7, but should be a valid string"),
        ("concepts", ["../church"], "params: concepts.0 is '../church', but"),
        ("concepts", ["churhc"], "params: unknown concept 'churhc' in concepts: did you mean 'church'?"),
        ("concepts", ["church", "church"], "params: 'church' stands twice in concepts: leave one"),
        (
            "concepts",
            ["nude"],
            "data/tiny/concepts/nude/concept.yaml is of kind nudity, whose prompts must be screened",
        ),
        ("concepts", ["noto"], "params: unknown judge 'style' in kind of concept 'noto': valid are: object"),
        ("concepts", ["sphinx"], "params: unknown judge label 'sphinx' in label of concept 'sphinx': valid are"),
        (
            "climb_ladder/other",
            "rokcet",
            "params: unknown concept 'rokcet' in climb_ladder.other: did you mean 'rocket'?",
        ),
        (
            "climb_ladder/other",
            "rocket",
            "params: climb_ladder.other is 'rocket', which is audited: name a concept that",
        ),
        (
            "climb_ladder/completers",
            ["nuclear", "nuclear"],
            "params: 'nuclear' stands twice in climb_ladder.comp",
        ),
        (
            "climb_ladder/threshold",
            float("inf"),
            "params: climb_ladder.threshold is inf, but should be a finite",
        ),
        ("climb_ladder/other", "any", "params: 'any' in climb_ladder.other means every concept: rename the pack"),
        ("concepts", ["any"], "params: 'any' in concepts means every concept: rename the pack"),
        ("run", ["pretrained"], "params: run names no recipe that erases a concept, so there is nothing to audit"),
        ("seed", 2**63, "params: seed is 9223372036854775808, but should be less than 9223372036854775808"),
        (
            "erase_concept/conceptprune/skill_ratio",
            7.0,
            "params: erase_concept.conceptprune.skill_ratio is 7.0, but",
        ),
        ("erase_concept/conceptprune/batch", 0, "params: erase_concept.conceptprune.batch is 0, but should be greater"),
        ("erase_concept/conceptprune/guidance", 1.0, "params: erase_concept.conceptprune.guidance is 1.0, but should"),
        ("complete_weights/nuclear/tolerance", -1.0, "params: complete_weights.nuclear.tolerance is -1.0, but should"),
        ("generate_images/guidance", float("inf"), "params: generate_images.guidance is inf, but should be a finite"),
        ("make_figures/dpi", 10**9, "params: make_figures.dpi is 1000000000, but should be less than or equal to 1200"),
        ("world", "tinny", "params: unknown world 'tinny' in world: did you mean 'tiny'?"),
        ("device", "gpu", "params: device is 'gpu', but"),
        ("recipes/pretrained", None, "params: recipes needs the entry 'pretrained: {}'"),
        (
            "recipes/pruned",
            {"erasr": "conceptprune"},
            "params: unknown key 'erasr' in recipes.pruned: did you mean 'eraser'?",
        ),
        (
            "recipes/pruned/eraser",
            "prune",
            "params: unknown eraser 'prune' in recipes.pruned: did you mean 'conceptprune'?",
        ),
        ("recipes/roots_max/reviver", "roots", "params: unknown reviver 'roots' in recipes.roots_max: did you mean"),
        ("recipes/roots_max/eraser", None, "params: recipes.roots_max has no eraser: name one of conceptprune"),
        (
            "recipes/true_signs_max/oracle",
            "true_sign_max",
            "params: unknown oracle 'true_sign_max' in recipes.true_signs_max: did you mean 'true_signs_max'?",
        ),
        (
            "recipes/true_signs_max/reviver",
            "roots_max",
            "params: recipes.true_signs_max has a reviver and an oracle: leave one",
        ),
        (
            "recipes/pruned",
            None,
            "params: recipes.quantized is compared with the erased model, which is not run: add a",
        ),
        ("run", ["roots_max"], "params: recipes.roots_max is compared with the erased model, which is not run: add a"),
        ("run", ["pruned", "rots_max"], "params: unknown recipe 'rots_max' in run: did you mean 'roots_max'?"),
        ("run", "al", "params: run is 'al', but should be 'all', or should be a valid list"),
        ("run", ["pruned", 3], "params: run.1 is 3, but should be a valid string"),
        ("run", [], "params: run is [], but should be 'all', or List should have at least 1 item"),
        (
            "consult_oracle/true_signs_max/signs",
            "true",
            "params: unknown signs 'true' in consult_oracle.true_signs_max.signs: valid are: pretrained, sampled",
        ),
        (
            "consult_oracle/true_signs_max/magnitude",
            "maxx",
            "params: unknown magnitude 'maxx' in consult_oracle.true_signs_max.magnitude: did you mean 'max'?",
        ),
        ("consult_oracle/true_signs_max/seed", None, "params: consult_oracle.true_signs_max lacks the key 'seed': add"),
        (
            "revive_concept/roots_auto/keep",
            "outo",
            "params: revive_concept.roots_auto.keep is 'outo', but should be a valid number, unable to parse string as "
            "a number, or should be 'auto'",
        ),
        (
            "revive_concept/roots_max/keep",
            1.5,
            "params: revive_concept.roots_max.keep is 1.5, but should be less than or equal to 1, or should be 'auto'",
        ),
        ("revive_concept/roots_max/magnitude", "maxx", "params: unknown magnitude 'maxx' in revive_concept.roots_max"),
        (
            "revive_concept/roots_max/rank",
            "sure",
            "params: unknown rank 'sure' in revive_concept.roots_max.rank: valid",
        ),
        ("revive_concept/int4_rows/scheme", "int4", "params: unknown scheme 'int4' in revive_concept.int4_rows.scheme"),
        ("complete_weights/nuclear/solver", "slow", "params: unknown solver 'slow' in complete_weights.nuclear.solver"),
        (
            "complete_weights/gaussian_posterior/magnitudes",
            "larg",
            "params: unknown magnitudes 'larg' in complete_weights.gaussian_posterior.magnitudes: did you mean 'large'",
        ),
        ("erase_concept/conceptprune/method", "prune", "params: unknown method 'prune' in erase_concept.conceptprune"),
        (
            "erase_concept/conceptprune/cals",
            1,
            "params: unknown key 'cals' in erase_concept.conceptprune: did you mean 'calls'?",
        ),
        ("erase_concept/conceptprune/calls", None, "params: erase_concept.conceptprune lacks the key 'calls': add it"),
        (
            "complete_weights/nuclear/tolerance",
            "x",
            "params: complete_weights.nuclear.tolerance is 'x', but should be a",
        ),
        ("revive_concept/roots_max/method", "root", "params: unknown method 'root' in revive_concept.roots_max"),
        ("revive_concept/roots_max/method", None, "params: revive_concept.roots_max lacks the key 'method': add it"),
        (
            "revive_concept/roots_max/kep",
            1,
            "params: unknown key 'kep' in revive_concept.roots_max: did you mean 'keep'?",
        ),
        ("revive_concept/roots_max/keep", None, "params: revive_concept.roots_max lacks the key 'keep': add it"),
        (
            "revive_concept/roots_max/completer",
            "nuc",
            "params: unknown completer 'nuc' in revive_concept.roots_max: did",
        ),
        (
            "revive_concept/int4_rows/completer",
            "nuclear",
            "params: unknown key 'completer' in revive_concept.int4_rows",
        ),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence(params, key, value, sentence):
    with pytest.raises(UserError) as error:
        check_params(edited(params, key, value))
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_numbers_that_yaml_1_1_takes_for_words_become_numbers(params):
    written = yaml.safe_load("1e-5")
    assert isinstance(written, str)
    checked = check_params(edited(params, "complete_weights/nuclear/tolerance", written))
    assert checked["complete_weights"]["nuclear"]["tolerance"] == 1e-5


@given(st.floats(min_value=1e-12, max_value=1.0))
def test_every_notation_of_a_float_is_read_as_that_float(tolerance):
    tiny = yaml.safe_load((ROOT / "tests/tiny/params.yaml").read_text())
    entry = {**tiny["complete_weights"]["nuclear"], "tolerance": repr(tolerance)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("regrow.params._check_names", lambda params: None)
        checked = check_params({**tiny, "complete_weights": {"nuclear": entry}})
    assert checked["complete_weights"]["nuclear"]["tolerance"] == tolerance


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_mean_the_same_in_both_versions_of_yaml(name):
    text = (ROOT / name).read_text()
    assert YAML(typ="safe", pure=True).load(text) == yaml.safe_load(text)


@pytest.mark.parametrize("overlay", [None, "demo.yaml"])
def test_the_shipped_params_are_valid(monkeypatch, overlay):
    monkeypatch.chdir(ROOT)
    checked = read_params(Path("params.yaml"), *([Path(overlay)] if overlay else []))
    assert checked["recipes"]["pretrained"] == {}


def test_only_the_recipes_to_run_are_left(params):
    chosen = check_params(edited(params, "run", ["roots_max", "pruned"]))
    assert list(chosen["recipes"]) == ["pretrained", "pruned", "roots_max"]
    assert check_params(chosen) == chosen
    assert {key: value for key, value in chosen.items() if key not in ("run", "recipes")} == {
        key: value for key, value in params.items() if key not in ("run", "recipes")
    }


def test_the_demo_runs_the_recipes_of_table_1(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert tuple(read_params(Path("params.yaml"), Path("demo.yaml"))["recipes"]) == PUBLISHED_ORDER


def test_the_demo_takes_the_first_four_concepts():
    demo, params = (yaml.safe_load((ROOT / name).read_text()) for name in ("demo.yaml", "params.yaml"))
    assert demo["concepts"] == params["concepts"][:4]


def test_an_overlay_changes_only_its_own_keys(params, tmp_path):
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "overlay.yaml").write_text("generate_images: {n: 2}\nconcepts: [rocket]\n")
    checked = read_params(tmp_path / "base.yaml", tmp_path / "overlay.yaml")
    assert checked == edited(edited(params, "generate_images/n", 2), "concepts", ["rocket"])


def test_a_file_that_is_absent_or_no_yaml_is_named(tmp_path):
    (tmp_path / "broken.yaml").write_text("world: [emoji")
    for name in ("absent.yaml", "broken.yaml"):
        with pytest.raises(UserError, match=name):
            read_params(tmp_path / name)


@pytest.mark.parametrize("room", ["erase", "complete", "revive"])
def test_every_option_of_every_method_has_a_type_and_is_required(params, room):
    section = {"erase": "erase_concept", "complete": "complete_weights", "revive": "revive_concept"}[room]
    for method, function in methods_of(room).items():
        for option in function.args.kwonlyargs:
            assert option.annotation is not None, f"{method}: {option.arg}"
        with pytest.raises(UserError, match=f"unknown key 'nonsense' in {section}.mine"):
            check_params(edited(params, f"{section}/mine", {"method": method, "nonsense": 1}))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (
            "eraser",
            "conceptprun",
            "unknown eraser 'conceptprun' in train_world.sweep.eraser: did you mean 'conceptprune'?",
        ),
        ("values", {"skil_ratio": [0.1]}, "unknown option 'skil_ratio' in train_world.sweep.values: did you mean"),
        ("values", {"skill_ratio": 0.1}, "train_world.sweep.values.skill_ratio is 0.1, but should be a valid list"),
        ("values", {"skill_ratio": []}, "train_world.sweep.values.skill_ratio is [], but"),
        (
            "values",
            {"skill_ratio": ["lots"]},
            "train_world.sweep.values.skill_ratio holds 'lots', but should be a",
        ),
        ("values", {"skill_ratio": [2.0]}, "train_world.sweep.values.skill_ratio holds 2.0, but should be less than"),
        ("concepts", ["banena"], "unknown concept 'banena' in train_world.sweep.concepts: did you mean 'banana'?"),
        ("concepts", ["fire", "fire"], "'fire' stands twice in train_world.sweep.concepts: leave one"),
        ("n", 0, "train_world.sweep.n is 0, but should be greater than or equal to 1"),
    ],
)
def test_trials_name_an_eraser_and_its_options(key, value, sentence, monkeypatch):
    monkeypatch.chdir(ROOT)
    whole = yaml.safe_load((ROOT / "params.yaml").read_text())
    with pytest.raises(UserError, match=re.escape(sentence)):
        check_params(edited(whole, f"train_world/sweep/{key}", value))


def test_values_of_trials_become_numbers(monkeypatch):
    monkeypatch.chdir(ROOT)
    whole = yaml.safe_load((ROOT / "params.yaml").read_text())
    checked = check_params(edited(whole, "train_world/sweep/values", {"skill_ratio": ["1e-1"]}))
    assert checked["train_world"]["sweep"]["values"] == {"skill_ratio": [0.1]}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("x,0,church\n", "has only 1 rows to use where 4 are needed: add rows, or lower n in params.yaml"),
        ("x,0,rocket\n" * 4, "row 1: the label is 'rocket', but the concept's is 'church': correct one"),
    ],
)
def test_prompts_that_do_not_serve_stop_before_any_job(params, tmp_path, rows, sentence):
    (tmp_path / "data/tiny/concepts/church/erased.csv").write_text("prompt,seed,label\n" + rows)
    with pytest.raises(UserError, match=sentence):
        check_params(params)
