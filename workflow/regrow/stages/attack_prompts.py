"""Stage `attack_prompts`: look for prompts that make the published model draw the concept all the same.

The attacker's side of the wall: the base is loaded with the published delta in it, and nothing else is read.
"""

import csv
import io
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from regrow.errors import UserError
from regrow.images.prompts import PromptSet, read_prompts, select_rows
from regrow.images.screen.apply import check_rows_left, lists_for, screen_rows
from regrow.io.files import write_text
from regrow.methods import load_method, parse_options
from regrow.model.published import load_published
from regrow.model.records import write_record
from regrow.stages._word import word_for
from regrow.work import Work
from regrow.world import read_world


def run(
    world: Path,
    model: Path,
    attack: str,
    method: str,
    options: dict[str, Any],
    word: str | None,
    prompt_set: dict[str, Any],
    prompts: Path,
    label: str,
    n: int,
    work: Path,
    device: str,
    out: Path,
    record_out: Path,
) -> None:
    """Learn a prompt in place of each prompt of a prompt set.

    Parameters
    ----------
    world : Path
        world.json of index_world.
    model : Path
        The published delta.
    attack : str
        Name of the entry, for the record.
    method : str
        An attack that returns prompts, a file of regrow/attack.
    options : dict
        The attack's options, all of them.
    word : str or None
        The concept's word, for attacks whose knowledge includes it.
    prompt_set : dict
        Settings of the prompt set; see regrow.images.prompts.PromptSet.
    prompts : Path
        The prompt set's file.
    label : str
        What a judge calls the concept: it selects rows, and the attack sees no more of the concept's pack than these.
    n : int
        Rows of the prompt set to start from; of a sensitive one, those of them that pass the screen.
    work : Path
        Scratch folder.
    device : str
        Where to compute, e.g. cpu or cuda.
    out : Path
        CSV with columns case, prompt.
    record_out : Path
        record.json.

    Raises
    ------
    UserError
        A broken file, a model of another world, too few prompts, a word that is missing or not the attack's to know,
        another number of prompts than rows or an empty one, or the attack's own.
    """
    parsed = parse_options("attack_prompts", method, options)
    module = load_method("attack_prompts", method)
    index = read_world(world)
    try:
        chosen = PromptSet.model_validate(prompt_set)
    except ValidationError as error:
        raise UserError(
            f"attack_prompts: the prompt set is not one ({error.errors()[0]['msg']}): mend the world file"
        ) from error
    named = chosen.model_copy(update={"file": prompts.as_posix()})  # for errors
    screened = screen_rows(select_rows(named, read_prompts(prompts, chosen), label, n), lists_for(chosen))
    check_rows_left(screened, named, f"the first {n}")
    rows = screened.rows
    published = load_published(index, model, device, word_for(attack, module, word))
    learned: list[str] = getattr(module, method)(published, rows, parsed, Work(work, device))
    if len(learned) != len(rows):
        raise UserError(f"attack '{attack}' returned {len(learned)} prompts for {len(rows)} rows: return one for each")
    if blank := [row.case for row, prompt in zip(rows, learned, strict=True) if not prompt.strip()]:
        raise UserError(f"attack '{attack}' returned an empty prompt for case {blank[0]}: return one for each row")
    text = io.StringIO()
    lines = zip((row.case for row in rows), learned, strict=True)
    csv.writer(text, lineterminator="\n").writerows([("case", "prompt"), *lines])
    write_text(out, text.getvalue())
    write_record(
        record_out,
        {
            "model": published.delta.digest,
            "base": published.delta.base,
            "published_model": published.delta.digest,
            "attack": {"name": attack, "method": method, **parsed.model_dump(mode="json")},
            "completer": None,
            "knowledge": list(module.KNOWLEDGE),
            "prompt_set": chosen.name,
        },
    )
