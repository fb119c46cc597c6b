"""The emoji world's text side: a CLIP tokenizer over its words, and a CLIP text encoder that tells captions apart.

As in Stable Diffusion the text encoder is trained first and then frozen. Here it learns to name the object, the style
and the colour that a caption mentions, from the state of the end-of-text token.
"""

import random
import re
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers.pre_tokenizers import ByteLevel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from regrow.emoji.training import Schedule, train
from regrow.emoji.vocabulary import COLOURS, NAMES, STYLES, caption, spoken

TOKENS = 24  # a prompt is padded to this length
WIDTH = 128


def world_words() -> list[str]:
    """Return every word that a caption of the emoji world can hold, sorted."""
    text = " ".join([*map(spoken, NAMES), *STYLES, *COLOURS, "a an emoji of in the style on background picture"])
    return sorted(set(re.findall("[a-z]+", text)))


def build_tokenizer(words: Iterable[str], tokens: int) -> CLIPTokenizer:
    """Return a CLIP tokenizer with one token per word of `words`; any other text falls back to its bytes."""
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = alphabet + [letter + "</w>" for letter in alphabet]
    merges: dict[tuple[str, str], int] = {}  # pair to rank
    for word in words:
        # Join what the merges so far leave apart; new merges rank last, so no earlier word is split by them.
        pieces = _merge([*word[:-1], word[-1] + "</w>"], merges)
        while len(pieces) > 1:
            merges[pieces[0], pieces[1]] = len(merges)
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
            vocabulary.append(pieces[0])
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={t: i for i, t in enumerate(vocabulary)}, merges=list(merges), model_max_length=tokens)


def _merge(pieces: list[str], merges: dict[tuple[str, str], int]) -> list[str]:
    """Apply byte-pair merges, the lowest rank first, until none fits."""
    while True:
        pairs = [(merges[pair], i) for i, pair in enumerate(zip(pieces, pieces[1:], strict=False)) if pair in merges]
        if not pairs:
            return pieces
        i = min(pairs)[1]
        pieces = [*pieces[:i], pieces[i] + pieces[i + 1], *pieces[i + 2 :]]


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """Return token numbers, int64, shape (n, 24), as the diffusers pipeline makes them."""
    return tokenizer(captions, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt").input_ids


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return an untrained text encoder of 3 layers."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def train_text_encoder(folder: Path, schedule: Schedule) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """Train the text encoder on captions alone; returns it with its tokenizer."""
    torch.manual_seed(schedule.seed)
    tokenizer = build_tokenizer(world_words(), TOKENS)
    encoder = build_text_encoder(tokenizer)
    colours, targets = list(COLOURS), (len(NAMES), len(STYLES), len(COLOURS))
    heads = nn.ModuleList(nn.Linear(WIDTH, n + 1) for n in targets)  # the last class: not mentioned

    def loss_of(batch: int, generator: torch.Generator) -> torch.Tensor:
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        texts, labels = [], []
        for _ in range(batch):
            name, style, colour = rng.choice([*NAMES, None]), rng.choice(STYLES), rng.choice(colours)
            text = caption(name, style, colour, rng)
            texts.append(text)
            labels.append(
                (
                    NAMES.index(name) if name else len(NAMES),
                    STYLES.index(style) if f" {style} style" in text else len(STYLES),
                    colours.index(colour) if f" {colour} background" in text else len(colours),
                )
            )
        state = encoder(tokenize(tokenizer, texts)).pooler_output
        wanted = torch.tensor(labels)
        return sum((F.cross_entropy(head(state), wanted[:, i]) for i, head in enumerate(heads)), torch.zeros(()))

    train(nn.ModuleDict({"encoder": encoder, "heads": heads}), loss_of, schedule, folder)
    return encoder, tokenizer
