"""Stage `rank_words`: tell which word of a vocabulary was erased from a published model.

An analysis that needs no truth: it sees the published model and what an attacker takes for pruned, and the table that
reads it knows the answer.
"""

from pathlib import Path

from regrow.arithmetic import full_float32
from regrow.errors import UserError
from regrow.evaluate._parquet import write_rows
from regrow.evaluate.words import COLUMNS, word_scores
from regrow.io.safetensors import read_header
from regrow.model.completed import read_completed
from regrow.model.published import load_published, read_published
from regrow.stages._both_sides import origin
from regrow.world import read_world


def run(
    world: Path,
    model: Path,
    completed: Path,
    published: str,
    completer: str,
    concept: str,
    words: list[str],
    draws: int,
    batch: int,
    seed: int,
    device: str,
    out: Path,
) -> None:
    """Score every word by whether what it excites more than other words do is what was cut.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    model : Path
        The published delta.
    completed : Path
        File of complete_weights for this very model; only what it takes for pruned is read.
    published, completer, concept : str
        Written into every row.
    words : list of str
        The vocabulary, at least two words.
    draws : int
        Noise images per word.
    batch : int
        Words at once; changes time and memory, and last digits.
    seed : int
        Of the noise.
    device : str
        Where to compute, e.g. cpu or cuda.
    out : Path
        Parquet with a row per word, the columns of regrow.evaluate.words after published, completer, concept.

    Raises
    ------
    UserError
        A broken file, files of different models, nothing missing, or a vocabulary of one word.
    """
    if len(words) < 2 or len(set(words)) < len(words):
        raise UserError(f"rank_words needs at least two words, each once, got {len(words)}: give more")
    index, weights = read_world(world), read_published(model)
    missing = read_completed(completed, weights).missing
    with full_float32():
        rows = word_scores(load_published(index, model, device).pipeline, missing, words, draws, seed, batch)
    header = read_header(completed)
    metadata = {**origin(index, weights), **{key: header.get(key) for key in ("completer", "mask")}}
    metadata |= {"seed": seed, "draws": draws, "words": words}
    write_rows(out, {"published": published, "completer": completer, "concept": concept}, rows, COLUMNS, metadata)
