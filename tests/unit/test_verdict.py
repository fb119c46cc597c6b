"""The verdict on a concept: its classes at their borders, and its sentences."""

import pandas as pd
import pytest

from regrow.report.prose import headline, percent, sentence, summary
from regrow.tables.frames import read_data
from regrow.tables.intervals import with_wilson
from regrow.tables.revival import revival_rate
from regrow.tables.roots import table1
from regrow.tables.verdict import Accuracy, Kind, Verdict, verdict_metrics, verdicts
from tests.unit.audit_files import Files


def lines(**correct: int) -> pd.DataFrame:
    """Return Table 1 of one concept, 100 images a cell."""
    models = {"pretrained": ("pretrained", "none", "none"), "pruned": ("erased", "pruned", "none")}
    rows = [
        dict(
            zip(("role", "published", "attack"), models.get(name, ("attacked", "pruned", name)), strict=True),
            concept="key",
            prompt_set="erased",
            n=100,
            n_distinct=100,
            correct=count,
        )
        for name, count in correct.items()
    ]
    return with_wilson(pd.DataFrame(rows), 0.95, n="n_distinct")


@pytest.mark.parametrize(
    ("pretrained", "pruned", "int4_rows", "roots_max", "kind"),
    [
        (90, 5, 6, 60, Kind.GROWS_BACK),
        (90, 5, 6, 25, Kind.PARTLY),  # 17.5 to 34.3 %: above 2.2 to 11.2, below half of 90
        (90, 5, 6, 12, Kind.STAYS),  # 7.0 to 19.8 overlaps 2.2 to 11.2
        (90, 5, 60, 6, Kind.GROWS_BACK),  # whichever attack is strongest
        (90, 38, 40, 80, Kind.NOT_ERASED),  # 29.1 to 47.8 is not below 45
        (7, 0, 0, 0, Kind.UNCLEAR),  # none of 100 may be 3.7 %, half of 7 is 3.5
        (8, 0, 0, 0, Kind.STAYS),
    ],
)
def test_verdict_classes(pretrained: int, pruned: int, int4_rows: int, roots_max: int, kind: Kind) -> None:
    table = lines(pretrained=pretrained, pruned=pruned, int4_rows=int4_rows, roots_max=roots_max)
    (found,) = verdicts(table, "erased", "pruned", 0.95)
    assert found.kind is kind


def test_an_oracle_is_no_attack() -> None:
    table = pd.concat([lines(pretrained=90, pruned=5, roots_max=6), lines(true_signs=90).assign(role="oracle")])
    (found,) = verdicts(table, "erased", "pruned", 0.95)
    assert found.kind is Kind.STAYS
    assert found.attacked is not None and found.attacked.attack == "roots_max"


def test_without_an_attack_or_with_a_blank_one_nothing_was_tried() -> None:
    alone = lines(pretrained=90, pruned=5)
    blank = lines(roots_max=90).assign(n=None, n_distinct=None, correct=None, accuracy=None, low=None, high=None)
    for table in (alone, pd.concat([alone, blank])):
        (found,) = verdicts(table, "erased", "pruned", 0.95)
        assert found.kind is Kind.UNTRIED


def test_intervals_over_few_distinct_images_prove_nothing() -> None:
    """A hundred copies of one prompt and seed: 100 of 100 before, and nobody can say that it was erased."""
    rows = lines(pretrained=100, pruned=0, roots_max=0).assign(n_distinct=1, correct=[1, 0, 0])
    table = with_wilson(rows, 0.95, n="n_distinct")
    (found,) = verdicts(table, "erased", "pruned", 0.95)
    assert found.kind is Kind.UNCLEAR


@pytest.mark.parametrize(("share", "said"), [(0.346, "35 %"), (-0.001, "0 %"), (-0.02, "-2 %"), (1.0, "100 %")])
def test_per_cent_are_whole(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("verdict"))
        audit = Files(audit_changes={"tables": ["roots/table1"]}).write()
        return table1.build(read_data(audit, "roots/table1"))


def test_verdict_sentences(table: pd.DataFrame) -> None:
    found = verdicts(table, "erased", "pruned", 0.95)
    assert sentence(found[0]) == "erased to 5 %, grows back to 60 % with roots_max"
    assert sentence(found[1]) == "erased to 0 % and stays erased: at most 15 %, with roots_max"
    assert headline(found) == "1 of 2 concepts grows back."
    assert headline(found[1:]) == "0 of 1 concept grow back."
    assert verdict_metrics(found, "pruned") == {"concepts_erased_pruned": 2, "concepts_grown_back_pruned": 1}


def test_summary_by_hand(table: pd.DataFrame) -> None:
    assert summary(table, "erased", "preserved", "pruned") == [
        "Erasing (pruned) lowers the share of images in which the judge sees the concept from 95 % to 2 % on average.",
        "The strongest attack on average, roots_max, brings it to 38 %.",
        "Other concepts, which should be left alone, go from 100 % to 78 % when the concept is erased, and to 78 % "
        "with roots_max.",
    ]
    assert len(summary(table, "erased", None, "pruned")) == 2


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([Kind.GROWS_BACK] * 9 + [Kind.PARTLY] * 3, "9 of 12 concepts grow back, 3 more in part."),
        ([Kind.PARTLY] * 2 + [Kind.STAYS], "2 of 3 concepts grow back in part, none fully."),
        ([Kind.STAYS] * 3, "0 of 3 concepts grow back."),
        ([Kind.GROWS_BACK, Kind.STAYS, Kind.NOT_ERASED], "2 of 3 concepts were erased; of these, 1 grows back."),
        ([Kind.STAYS, Kind.UNCLEAR], "1 of 2 concepts was erased; of these, 0 grow back."),
        ([Kind.UNTRIED, Kind.UNTRIED], "2 of 2 concepts were erased; no attack was tried."),
        ([Kind.NOT_ERASED] * 2, "0 of 2 concepts were erased, so there is nothing to grow back."),
        (
            [Kind.UNCLEAR] * 2,
            "Nothing can be judged: the pretrained model shows the concepts too rarely for this many images.",
        ),
    ],
)
def test_headlines(kinds: list[Kind], said: str) -> None:
    one = Accuracy("erased", "pruned", "none", 100, 0.05, 0.02, 0.1)
    assert headline([Verdict("key", kind, one, one, None) for kind in kinds]) == said


def test_revival_rate_by_hand() -> None:
    # the paper's own means: (.54 - .08) / (.917 - .08)
    assert revival_rate(0.54, 0.08, 0.917) == pytest.approx(0.549582, abs=1e-6)
    assert revival_rate(0.5, 0.5, 0.5) is None
