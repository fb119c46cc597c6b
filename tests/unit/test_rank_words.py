"""Which concept was erased: scores against a slow version, a word that is planted, the stage and the table by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from regrow.errors import UserError
from regrow.evaluate._parquet import write_rows
from regrow.evaluate.words import COLUMNS, word_scores
from regrow.io.parquet import read_table
from regrow.model.completed import read_completed
from regrow.model.names import FFN2
from regrow.model.published import read_published
from regrow.plan import paths
from regrow.plan.audit import Audit, EvaluationNeed
from regrow.plan.products import products_of
from regrow.plan.records import mask_of
from regrow.plan.vocabulary import vocabulary
from regrow.stages import make_figure
from regrow.stages.rank_words import run
from regrow.tables.frames import read_data
from regrow.tables.made import build_table, read_made, write_csv
from regrow.tables.ours import naming
from regrow.tables.records import world_of
from tests.tiny.pipeline import tiny_pipeline
from tests.unit.audit_files import Files, digest
from tests.unit.erasing import Published, guess

TABLE = "ours/naming"
WORDS = ["church", "rocket", "cat", "road"]


def activations(word: str, draws: int, seed: int) -> dict[str, np.ndarray]:
    """Return z by FFN2 name, (draws x tokens, 4d), of the tiny pipeline at pure noise."""
    pipeline, found = tiny_pipeline(0), {}
    handles = [
        part.register_forward_hook(lambda _m, _i, z, p=path: found.setdefault(p, []).append(z[0].double().numpy()))
        for path, part in pipeline.unet.named_modules()
        if path.endswith(".ff.net.0")
    ]
    noise = torch.randn(draws, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
    tokens = pipeline.tokenizer(word, padding="max_length", max_length=24, return_tensors="pt").input_ids
    with torch.no_grad():
        text = pipeline.text_encoder(tokens).last_hidden_state
        for image in noise:
            pipeline.unet(image[None], 999, text)
    for handle in handles:
        handle.remove()
    return {"unet." + path.replace(".ff.net.0", FFN2): np.concatenate(z) for path, z in found.items()}


@pytest.fixture(scope="module")
def heard() -> dict[str, dict[str, np.ndarray]]:
    return {word: activations(word, 2, 3) for word in WORDS}


def shares(z: np.ndarray) -> np.ndarray:
    """Return the mean over tokens of each column's share of a token's energy."""
    return (z**2 / (z**2).sum(1, keepdims=True)).mean(0)


def test_equals_the_slow_version(heard: dict[str, dict[str, np.ndarray]]) -> None:
    generator = torch.Generator().manual_seed(1)
    names = sorted(heard["cat"])
    missing = {
        name: torch.rand(heard["cat"][name].shape[1] // 4, heard["cat"][name].shape[1], generator=generator) < 0.2
        for name in names[:5]
    }
    shape = heard["cat"][names[5]].shape[1]
    missing[names[5]] = torch.zeros(shape // 4, shape, dtype=torch.bool)  # where nothing is missing nothing is told
    missing[names[6]] = torch.ones(4, heard["cat"][names[6]].shape[1], dtype=torch.bool)  # nor where all of it is
    scores = []
    for name in names[:5]:
        logs = np.log([shares(heard[word][name]) for word in WORDS])
        count = missing[name].numpy().sum(0)
        scores.append([np.corrcoef(row, count)[0, 1] for row in logs - logs.mean(0)])
    expected = np.mean(scores, axis=0)
    for batch in (3, 4):  # the last batch of 3 is smaller
        found = word_scores(tiny_pipeline(0), missing, WORDS, 2, 3, batch)
        assert [row["word"] for row in found] == WORDS
        assert [row["score"] for row in found] == pytest.approx(expected.tolist(), abs=1e-4)
    assert max(abs(expected)) > 0.01


@pytest.mark.parametrize("planted", range(len(WORDS)))
def test_a_word_whose_columns_are_cut_is_first(heard: dict[str, dict[str, np.ndarray]], planted: int) -> None:
    missing = {}
    for name in heard["cat"]:
        each = np.array([shares(heard[word][name]) for word in WORDS])
        more = each[planted] / np.delete(each, planted, axis=0).max(0)
        cut = torch.zeros(each.shape[1] // 4, each.shape[1], dtype=torch.bool)
        cut[:, np.argsort(-more)[:4].tolist()] = True
        missing[name] = cut
    scores = [row["score"] for row in word_scores(tiny_pipeline(0), missing, WORDS, 2, 3, 4)]
    assert int(np.argmax(scores)) == planted


def test_nothing_missing_and_nothing_finite() -> None:
    pipeline = tiny_pipeline(0)
    name = next(f"unet.{n}" for n, _ in pipeline.unet.named_parameters() if n.endswith(FFN2))
    with pytest.raises(UserError, match="nothing is missing.*so no word can be told"):
        word_scores(pipeline, {name: torch.zeros(8, 32, dtype=torch.bool)}, WORDS, 1, 0, 4)
    with torch.no_grad():
        pipeline.unet.conv_in.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="NaN or infinite: this model draws nothing"):
        word_scores(pipeline, {name: torch.ones(8, 32, dtype=torch.bool).triu()}, WORDS, 1, 0, 4)
    assert not any(part._forward_hooks for part in pipeline.unet.modules())


def test_the_stage(church: Published, tmp_path: Path) -> None:
    completed, out = guess(church.model, tmp_path / "completed.safetensors"), tmp_path / "words.parquet"
    address = ("pruned", "guess", "church")
    run(church.world, church.model, completed, *address, WORDS, 1, 2, 0, "cpu", out)
    table, metadata = read_table(out)
    rows = table.to_pylist()
    assert [row["word"] for row in rows] == WORDS
    assert {(row["published"], row["completer"], row["concept"]) for row in rows} == {address}
    assert all(-1 <= row["score"] <= 1 for row in rows) and len({row["score"] for row in rows}) == len(WORDS)
    assert (metadata["words"], metadata["draws"], metadata["seed"]) == (WORDS, 1, 0)
    published = read_published(church.model)
    assert metadata["model"] == published.digest == read_completed(completed, published).model
    with pytest.raises(UserError, match="needs at least two words, each once, got 1"):
        run(church.world, church.model, completed, *address, ["church"], 1, 2, 0, "cpu", out)


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.chdir(tmp_path)
    changes = {"tables": [TABLE], "attacks": ["roots_max", "roots_posterior", "roots_max_mixture"], "oracles": []}
    audit = Files(audit_changes=changes).write()
    words = vocabulary(audit, "object")
    for need in audit.needs(TABLE):
        assert isinstance(need, EvaluationNeed) and need.completer is not None
        entry = {k: v for k, v in audit.params.complete_weights[need.completer].items() if k != "mask"}
        metadata = {
            **{"world": "emoji", "base": world_of(audit).base, "seed": 0, "completer": entry},
            **{"draws": audit.params.rank_words.draws, "words": words, "mask": mask_of(audit, need.completer)},
            **{"model": digest("erased", "pruned", "none", need.concept)},
        }
        own = audit.label(need.concept)
        # The church comes third with the exact zeros, for one word ties with it; everything else is first.
        third = need.concept == "church" and need.completer == "nuclear"
        ahead = [word for word in words if word != own][:2] if third else []
        scores = {word: -1.0 for word in words} | {str(own): 0.5} | dict(zip(ahead, (0.75, 0.5), strict=False))
        path = paths.evaluation("emoji", need.stage, need.published, need.completer, need.concept, need.name)
        address = {"published": need.published, "completer": need.completer, "concept": need.concept}
        write_rows(path, address, [{"word": w, "score": s} for w, s in scores.items()], COLUMNS, metadata)
    return audit


def test_the_table_by_hand(audit: Audit) -> None:
    table = build_table(audit, TABLE)
    count = len(vocabulary(audit, "object"))
    assert table[["concept", "mask", "rank", "of", "right", "ahead"]].values.tolist() == [
        ["church", "zeros", 3, count, False, -0.25],
        ["spider-web", "zeros", 1, count, True, 1.5],
        ["church", "mixture", 1, count, True, 1.5],
        ["spider-web", "mixture", 1, count, True, 1.5],
    ]
    assert naming.metrics(table) == {
        **{"named_top1_pruned_zeros": 0.5, "named_top5_pruned_zeros": 1.0},
        **{"named_top1_pruned_mixture": 1.0, "named_top5_pruned_mixture": 1.0},
    }


def test_completers_with_one_mask_are_asked_once(audit: Audit) -> None:
    asked = {need.completer for need in audit.needs(TABLE) if isinstance(need, EvaluationNeed)}
    assert asked == {"nuclear", "nuclear_mixture"}
    made = {path.as_posix() for path in products_of(audit)}
    assert "results/emoji/complete_weights/pruned/nuclear/church/completed.safetensors" in made
    assert "results/emoji/rank_words/pruned/nuclear/church/words.parquet" in made
    assert "results/emoji/complete_weights/pruned/gaussian_posterior/church/completed.safetensors" not in made


def test_drawn_and_told(audit: Audit, tmp_path: Path) -> None:
    write_csv(paths.table(audit.name, TABLE), build_table(audit, TABLE))
    make_figure.run(TABLE, tmp_path / "figure.png", tmp_path / "figure.pdf")
    assert (tmp_path / "figure.png").stat().st_size > 3000
    (block,) = naming.section(read_made(audit, TABLE), read_data(audit, TABLE, scores=False))
    (zeros, mixture) = block.rows  # type: ignore[union-attr]
    assert zeros[0] == "pruned, zeros" and zeros[1][-1].startswith("church: ") and "(own rank 3)" in zeros[1][-1]
    assert mixture[1][-1] == "none"
