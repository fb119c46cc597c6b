"""Every file between the base model and the tables is a target: what an evaluation waits for too."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from regrow.methods import MethodOptions
from regrow.plan.products import products_of
from regrow.plan.wiring import Wiring
from tests.unit.planning import edit, plan, write_planning_world

COMPLETED = Path("results/tiny/complete_weights/pruned/gaussian_posterior/church/completed.safetensors")
LADDER = SimpleNamespace(world="tiny", published="pruned", completer="gaussian_posterior", concept="church")


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A working directory with a world to plan in, and an audit whose only attack completes nothing."""
    write_planning_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGROW_CONFIG", raising=False)
    edit("config/audits/tiny.yaml", attacks=["int4_rows"], tables=["ours/ladder"])


def test_the_ladder_waits_for_a_completion_that_no_attack_needs():
    audit = plan()
    assert COMPLETED in products_of(audit)
    assert Wiring(audit).ladder_completed(LADDER) == [COMPLETED]


def test_a_defended_model_may_have_no_zeros_to_complete(add_method):
    class Options(MethodOptions):
        """None."""

    add_method("defend", "noise", lambda: None, Options)
    edit("params.yaml", defend_model={"noise": {"method": "noise"}}, publish_model__pruned__defence="noise")
    audit = plan()
    assert COMPLETED not in products_of(audit)
    assert Wiring(audit).ladder_completed(LADDER) == []
