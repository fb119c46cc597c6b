"""The tokenizer knows every word of the world, and the text encoder learns to tell captions apart."""

from pathlib import Path

import torch

from regrow.emoji.text_encoder import TOKENS, build_tokenizer, tokenize, train_text_encoder, world_words
from regrow.emoji.training import Schedule
from regrow.emoji.vocabulary import COLOURS, NAMES, STYLES, spoken, with_article


def test_every_word_is_one_token_and_other_words_have_tokens() -> None:
    tokenizer = build_tokenizer(world_words(), TOKENS)
    assert [word for word in world_words() if len(tokenizer(word).input_ids) != 3] == []
    assert tokenizer.unk_token_id not in tokenizer("zebra").input_ids[1:-1]


def test_the_longest_caption_fits() -> None:
    tokenizer = build_tokenizer(world_words(), TOKENS)
    longest = max(
        len(
            tokenizer(
                f"an emoji of {with_article(spoken(n))} in the {s} style on {with_article(c)} background"
            ).input_ids
        )
        for n in NAMES
        for s in STYLES
        for c in COLOURS
    )
    assert longest <= TOKENS


def test_padding_is_that_of_the_pipeline() -> None:
    tokenizer = build_tokenizer(world_words(), TOKENS)
    ids = tokenize(tokenizer, ["a church", "a church on a red background"])
    assert ids.shape == (2, TOKENS)
    assert (ids[0, 3:] == tokenizer.eos_token_id).all()


def test_a_short_training_lowers_the_loss(tmp_path: Path) -> None:
    encoder, _ = train_text_encoder(tmp_path, Schedule(20, 16, 1e-3, 0, checkpoint_every=5))
    losses = [float(line.split(",")[2]) for line in (tmp_path / "curve.csv").read_text().splitlines()[1:]]
    assert losses[-1] < losses[0]
    assert all(torch.isfinite(p).all() for p in encoder.parameters())
