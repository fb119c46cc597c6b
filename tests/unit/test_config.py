"""Values come from params, worlds, audits and the command line, and what is wrong with them is one sentence."""

import re
from pathlib import Path

import pytest

from regrow.config.layers import VARIABLE, Config, current, merge, resolve
from regrow.config.reader import read_yaml
from regrow.errors import UserError
from tests.unit.planning import AUDIT, PARAMS, WORLD, edit, write_planning_world, write_yaml


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A working directory with a world to plan in."""
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)


def parse(text: str) -> dict:
    Path("some.yaml").write_text(text, encoding="utf-8")
    return read_yaml(Path("some.yaml"))


def said(**changes: object) -> str:
    """Return what is said of changed params."""
    edit(PARAMS, **changes)
    with pytest.raises(UserError) as caught:
        current()
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestReader:
    def test_numbers_are_those_of_yaml_1_2(self):
        content = parse("a: 1e-5\nb: -1.5E+3\nc: .5\nd: 7\ne: 0\nf: true\ng: null\nh:\n")
        assert content == {"a": 1e-5, "b": -1500.0, "c": 0.5, "d": 7, "e": 0, "f": True, "g": None, "h": None}

    @pytest.mark.parametrize("word", ["010", "1:30", "yes", "off", "0x10", "1_000", "2020-01-01"])
    def test_what_yaml_1_1_guesses_stays_a_word(self, word):
        assert parse(f"a: {word}\n") == {"a": word}

    def test_a_key_that_stands_twice_is_refused(self):
        with pytest.raises(UserError, match="some.yaml, line 3: the key 'a' stands twice: leave one of them"):
            parse("a: 1\nb: 2\na: 3\n")
        with pytest.raises(UserError, match="the key 'steps' stands twice"):
            parse("generate_images: {steps: 1, guidance: 2.0, steps: 3}\n")

    def test_a_merge_may_repeat_what_it_merges(self):
        assert parse("a: &a {x: 1}\nb: {<<: *a, x: 2}\n")["b"] == {"x": 2}

    @pytest.mark.parametrize("text", ["a: [1\n", "- 1\n", "a\n", "a: &r {b: *r}\n", "!!python/object:os.system {}\n"])
    def test_what_is_no_mapping_of_plain_values_is_one_sentence(self, text):
        with pytest.raises(UserError) as caught:
            parse(text)
        assert "some.yaml" in str(caught.value) and "\n" not in str(caught.value)

    def test_what_is_no_yaml_is_told_with_its_line(self):
        with pytest.raises(UserError, match=r"some\.yaml is not YAML: line 3, [^<>]*: correct it"):
            parse("a: 1\nb: [1, 2\nc: 3\n")

    def test_an_empty_file_is_an_empty_mapping(self):
        assert parse("# nothing\n") == {}

    def test_a_byte_order_mark_and_another_encoding(self):
        Path("bom.yaml").write_bytes("\ufeffa: ü\n".encode())
        assert read_yaml(Path("bom.yaml")) == {"a": "ü"}
        Path("latin.yaml").write_bytes("a: ü\n".encode("latin-1"))
        with pytest.raises(UserError, match="latin.yaml is not in UTF-8"):
            read_yaml(Path("latin.yaml"))


class TestLayers:
    def test_a_world_is_stronger_than_params(self):
        assert current().params.generate_images.steps == 2
        edit(WORLD, params={"generate_images": {"steps": 7}, "erase_concept": {"conceptprune": {"skill_ratio": 0.5}}})
        config = current()
        assert config.params.generate_images.steps == 7
        assert config.params.generate_images.guidance == 3.0
        assert config.params.erase_concept["conceptprune"]["skill_ratio"] == 0.5
        assert config.params.erase_concept["conceptprune"]["calls"] == 2
        assert config.origins["generate_images.steps"] == WORLD
        assert config.origins["generate_images.guidance"] == PARAMS

    def test_an_overlay_and_the_command_line_are_stronger_than_the_world(self):
        edit(WORLD, params={"generate_images": {"steps": 7, "guidance": 5.0}})
        write_yaml(Path("overlay.yaml"), {"generate_images": {"steps": 8}})
        snakemake = merge(read_yaml(Path(PARAMS)), {"generate_images": {"steps": 8}, "seed": 4})
        config = resolve(snakemake, [Path(PARAMS)], [Path("overlay.yaml")])
        assert (config.params.generate_images.steps, config.params.generate_images.guidance) == (8, 5.0)
        assert config.params.seed == 4
        assert config.origins["generate_images.steps"] == "overlay.yaml"
        assert config.origins["seed"] == "the command line"

    def test_the_command_line_is_stronger_than_the_world_where_it_repeats_params_too(self):
        edit(WORLD, params={"device": "cuda", "generate_images": {"steps": 7}})
        found = resolve(read_yaml(Path(PARAMS)), [Path(PARAMS)], said={"device": "cpu", "audit": "tiny"})
        assert (found.params.device, found.origins["device"]) == ("cpu", "the command line")
        assert found.params.generate_images.steps == 7

    def test_the_file_is_read_as_it_is_written_whatever_snakemake_made_of_it(self):
        text = re.sub(r"(?<=tolerance: )\S+", "1e-5", Path(PARAMS).read_text(encoding="utf-8"), count=1)
        Path(PARAMS).write_text(text, encoding="utf-8")
        snakemake = merge(read_yaml(Path(PARAMS)), {"complete_weights": {"nuclear": {"tolerance": "1e-5"}}})
        config = resolve(snakemake, [Path(PARAMS)])
        assert config.params.complete_weights["nuclear"]["tolerance"] == 1e-5
        assert config.origins["complete_weights.nuclear.tolerance"] == PARAMS

    def test_a_module_brings_all_values_itself_and_the_world_is_stronger(self):
        edit(WORLD, params={"generate_images": {"steps": 7}})
        config = resolve(read_yaml(Path(PARAMS)), [])
        assert config.params.generate_images.steps == 7

    def test_another_audit_by_name(self):
        content = read_yaml(Path(AUDIT))
        write_yaml(Path("config/audits/short.yaml"), {**content, "counts": {"erased": 2}})
        assert dict(current("short").audit.counts) == {"erased": 2}
        assert current("short").audit_name == "short"
        assert resolve(merge(read_yaml(Path(PARAMS)), {"audit": "short"}), [Path(PARAMS)]).audit_name == "short"

    def test_the_repository_ships_worlds_and_audits_for_any_folder(self):
        assert current("demo").world_name == "emoji"

    def test_a_job_reads_the_config_of_its_run(self, monkeypatch):
        config = current()
        monkeypatch.setenv(VARIABLE, config.to_json())
        Path(PARAMS).unlink()
        assert current() == config
        assert Config.model_validate_json(config.to_json()) == config

    def test_an_empty_section_takes_nothing_away(self):
        assert merge({"a": {"b": 1}}, {"a": {}}) == {"a": {"b": 1}}
        assert merge({"a": {}}, {"a": {"b": 1}}) == {"a": {"b": 1}}


class TestErrors:
    def test_an_unknown_key_has_its_nearest_word(self):
        assert said(generate_images__stepz=3) == (
            "params: unknown key 'stepz' in generate_images: did you mean 'steps'?"
        )

    def test_a_missing_key(self):
        assert said(measure_spectrum={}) == "params: measure_spectrum lacks the key 'copies': add it"

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"generate_images__steps": True}, "params: generate_images.steps is True, but true and false are no"),
            ({"generate_images__steps": "010"}, "params: generate_images.steps is '010', but write a whole number"),
            ({"generate_images__steps": 0}, "params: generate_images.steps is 0, but should be greater than"),
            ({"generate_images__guidance": float("inf")}, "params: generate_images.guidance is inf, but should be"),
            ({"generate_images__dtype": "flot32"}, "unknown dtype 'flot32' in generate_images.dtype: did you mean"),
            ({"device": "cuda:١"}, "params: device is 'cuda:١', but"),
            ({"device": "cpu; ls"}, "params: device is 'cpu; ls', but"),
            ({"evaluate_recovery__k": [0.5, 0.2]}, "params: evaluate_recovery.k: not in rising order"),
            ({"attack_weights__mean": {"method": "quantize"}}, "'mean', a word with a meaning of its own"),
            ({"attack_weights__a/b": {"method": "quantize"}}, "'a/b', but string should match pattern"),
            ({f"attack_weights__{'x' * 61}": {"method": "quantize"}}, "should have at most 60 characters"),
        ],
    )
    def test_a_bad_value_is_one_sentence(self, changes, sentence):
        assert sentence.lower() in said(**changes).lower()

    def test_a_boolean_is_welcome_where_one_is_meant(self):
        edit(PARAMS, generate_images__vae_tiling=True)
        assert current().params.generate_images.vae_tiling is True

    def test_an_entry_of_a_method(self):
        roots = {"method": "roots", "completer": "nuclear", "retain": 0.6, "magnitude": "max", "rank": "magnitude"}
        assert "attack_weights.new lacks the key 'method'" in said(attack_weights__new={"retain": 1})
        assert "did you mean 'roots'?" in said(attack_weights__new={**roots, "method": "root"})
        assert "needs the option 'seed'" in said(attack_weights__new=roots)
        assert "did you mean 'retain'?" in said(attack_weights__new={**roots, "seed": 1, "retian": 1})
        assert "unknown completer 'nucleus'" in said(attack_weights__new={**roots, "seed": 1, "completer": "nucleus"})

    def test_retain_auto_needs_a_completer_that_tells_how_sure_it_is(self):
        options = {"method": "roots", "retain": "auto", "magnitude": "max", "rank": "certainty", "seed": 1}
        assert "attack_weights.new" in said(attack_weights__new={**options, "completer": "nuclear"})

    def test_a_published_model_of_an_unknown_eraser(self):
        assert "unknown eraser 'concptprune' in publish_model.pruned: did you mean 'conceptprune'?" in said(
            publish_model__pruned={"eraser": "concptprune"}
        )

    def test_one_name_for_an_attack_and_an_oracle(self):
        oracle = {"method": "true_values", "signs": "pretrained", "magnitude": "max", "seed": 1}
        assert "'roots_max' stands in attack_weights and in apply_oracle" in said(apply_oracle__roots_max=oracle)

    def test_names_that_differ_by_case(self):
        entry = read_yaml(Path(PARAMS))["attack_weights"]["int4_rows"]
        assert "differs from 'int4_rows' only by case" in said(attack_weights__INT4_rows=entry)


class TestAuditFiles:
    def refused(self) -> str:
        with pytest.raises(UserError) as caught:
            current()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_an_audit_redefines_no_method(self):
        edit(AUDIT, erase_concept={"conceptprune": {"skill_ratio": 0.5}})
        assert f"{AUDIT}: an audit selects and counts and cannot set 'erase_concept'" in self.refused()

    def test_two_audits_of_one_name(self):
        Path("config/audits/TINY.yaml").write_text("world: tiny\n")
        assert "TINY.yaml and tiny.yaml in config/audits give one name to two audits: rename" in self.refused()
        Path("config/audits/TINY.yaml").rename("config/audits/tiny.yml")
        assert "tiny.yaml and tiny.yml" in self.refused()

    def test_an_unknown_audit_and_world(self):
        edit(PARAMS, audit="tinny")
        assert "unknown audit 'tinny', for there is no config/audits/tinny.yaml: did you mean 'tiny'?" in self.refused()
        edit(PARAMS, audit="tiny")
        edit(AUDIT, world="tinny")
        assert "unknown world 'tinny'" in self.refused()

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"title": "an {x} audit"}, "text with braces"),
            ({"concepts": ["church", "church"]}, "concepts: 'church' stands twice"),
            ({"concepts": ["church", "Church"]}, "differs from 'church' only by case"),
            ({"concepts": ["any"]}, "a word with a meaning of its own"),
            ({"concepts": []}, "concepts is [], but"),
            ({"counts": {"erased": 0}}, "counts.erased is 0, but"),
            ({"cuonts": {"erased": 1}}, "unknown key 'cuonts' in the file: did you mean 'counts'?"),
        ],
    )
    def test_a_bad_selection(self, changes, sentence):
        edit(AUDIT, **changes)
        assert sentence in self.refused()

    def test_a_bad_prompt_set(self):
        edit(WORLD, prompt_sets__erased__lables="concept")
        assert "unknown key 'lables' in prompt_sets.erased: did you mean 'labels'?" in self.refused()
