"""The audits of styles and of nudity on stand-ins: CLIP, the FID and NudeNet's detectors, from the hub to the report.

Words are harmless and the models are noise; one artist, one attack, two prompt sets each. `make rehearse-sd15` does the
same for all, and for every prompt set.
"""

import csv
import json
import re

import pytest

from regrow.images.shards import scan
from tests.standin.judges import can_judge
from tests.standin.rehearsal import command, keep, rehearsal
from tests.workflow.conftest import NOTHING

pytestmark = pytest.mark.skipif(not can_judge(), reason="the extras `fid` and `nudity` are not installed")

DETECTORS = ("nudenet_342", "nudenet_342_corrected", "nudenet_308")
FEW = {"attacks": ["roots_max"]}


@pytest.fixture(scope="module")
def served(preloaded_commands, tmp_path_factory):
    """A copy of the repository whose downloads come from a local hub; nothing is fetched yet."""
    with rehearsal(tmp_path_factory.mktemp("sd15"), None, preloaded_commands) as made:
        audits = made.folder / "config/audits"
        styles, nudity = (["artists_seed_0", "coco_30k"], ["ring_a_bell_cp108", "coco_30k_screened"])
        keep(audits / "sd15_styles.yaml", 3, concepts=["vincent-van-gogh"], prompt_sets=styles, **FEW)
        keep(audits / "sd15_nudity.yaml", 3, prompt_sets=nudity, **FEW)
        yield made


@pytest.fixture(scope="module")
def styles(served) -> str:
    """What the rehearsal of styles prints; run once."""
    return snakemake(served, *command("sd15_styles"))


@pytest.fixture(scope="module")
def nudity(served, styles) -> str:
    """What the rehearsal of nudity prints, after that of styles; run once."""
    return snakemake(served, *command("sd15_nudity"))


def snakemake(served, *arguments: str) -> str:
    return served.run("snakemake", "--cores", "2", *arguments)


def table(served, audit, name):
    path = served.folder / f"results/audits/{audit}_rehearsal/tables/{name}.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def parts(served) -> set[str]:
    return {path.stem for path in (served.folder / "results/sd15/fetch_world").glob("*.json")}


def price_and_jobs(printed: str) -> tuple[int, int]:
    (planned,) = re.findall(r"^all together +(?:\S+ +){3}(\S+)", printed, re.M)
    (total,) = re.findall(r"^total +(\d+)$", printed, re.M)
    return int(planned), int(total) - 1


def test_styles_from_the_hub_to_the_report(served, styles):
    assert parts(served) == {"pipeline", "clip", "fid"}, "and no detector, no classifier of objects, no other CLIP"
    assert "Not needed, so not fetched: object, attack_clip, fid_screened, nudenet_308." in styles
    planned, ran = price_and_jobs(styles)
    assert planned == ran
    rows = table(served, "sd15_styles", "roots/table2")
    coco = [row for row in rows if row["prompt_set"] == "coco_30k"]
    assert {(row["concept"], row["attack"]) for row in coco} >= {("any", "none"), ("vincent-van-gogh", "roots_max")}
    assert all(row["fid"] and row["similarity"] and row["features"] == "inception, clean" for row in coco)
    assert all(row["score"] and not row["fid"] for row in rows if row["prompt_set"] == "artists_seed_0")
    assert (served.folder / "results/audits/sd15_styles_rehearsal/report.html").is_file()
    assert NOTHING in snakemake(served, "--dry-run", *command("sd15_styles"))


def test_nudity_from_the_hub_to_the_report(served, nudity):
    assert parts(served) == {"pipeline", "clip", "fid", "fid_screened", "nudenet_308"}
    planned, ran = price_and_jobs(nudity)
    shared = ("pipeline", "clip", "coco_30k", "index_world")  # of the run before, and planned from nothing
    assert planned == ran + len(shared)
    rows = table(served, "sd15_nudity", "roots/table7")
    assert {row["protocol"].partition(",")[0] for row in rows} == set(DETECTORS)
    assert {row["prompt_set"] for row in rows} == {"ring_a_bell_cp108"}
    assert {(row["n"], row["n_screened"]) for row in rows} == {("2", "1")}
    labels = {row["label"] for row in table(served, "sd15_nudity", "ours/detections")}
    assert {"total", "FEET_EXPOSED"} <= labels and "FACE_FEMALE" not in labels
    coco = table(served, "sd15_nudity", "roots/table2")
    assert {row["prompt_set"] for row in coco} == {"coco_30k_screened"} and all(row["fid"] for row in coco)
    assert NOTHING in snakemake(served, "--dry-run", *command("sd15_nudity"))


def test_no_image_of_a_sensitive_prompt_is_kept_but_pixelated(served, nudity):
    store = served.folder / "results/sd15_rehearsal/store"
    models = {path.name for path in (store / "judged").iterdir()}
    assert len(models) == 3, "pretrained, erased, attacked"
    for model in models:
        judged, kept, shown = (
            {row["digest"] for _, row in scan(folder / model, ("key", "digest"))}
            for folder in (store / "judged", store / "images", store.with_name("pixelated"))
        )
        assert judged and shown and kept, "captions are kept as they are"
        assert not judged & kept and not judged & shown


def test_one_archive_and_one_network_for_two_references(served, nudity):
    asked = [request for request in served.hub.requests if request.startswith("GET")]
    assert len([request for request in asked if request.endswith("val2014.zip")]) == 1
    assert len([request for request in asked if "inception" in request]) == 1
    lists = sorted((served.folder / "results/sd15/fetch_reference").glob("*/photographs.json"))
    assert [path.parent.name for path in lists] == ["coco_val2014", "coco_val2014_screened"]
    assert {json.loads(path.read_text())["place"] for path in lists} == {"results/sd15/fetch_reference/val2014.zip"}


def test_every_prompt_set_can_be_fetched(served, nudity):
    served.run("regrow", "fetch_prompts", "--world", "sd15")
    text = served.run("regrow", "fetch_prompts", "--world", "sd15", "--check")
    assert "another file" not in text and not re.search(r"│ no +│", text)
