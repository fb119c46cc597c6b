"""An evolution strategy that can be killed: what it was told lies in a file, and told again it is where it was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cmaes import CMA

from regrow.errors import UserError
from regrow.io.files import read_json, write_json

REACH = math.log(10)  # a group becomes ten times larger or smaller at most, so that no weight overflows


class Evolution:
    """CMA-ES on numbers that begin at 0, larger scores being better.

    Parameters
    ----------
    state : Path
        Where the scores of all generations so far lie.
    key : str
        Of everything that the scores depend on; a file of another key is begun anew.
    dimensions, population : int
        Numbers of a candidate, and candidates of a generation.
    sigma : float
        Standard deviation of each number at the beginning.
    common : float
        Correlation of the numbers at the beginning, in [0, 1): what all groups need alike is found sooner.
    seed : int
        Of the candidates.
    """

    def __init__(
        self, state: Path, key: str, dimensions: int, population: int, sigma: float, common: float, seed: int
    ) -> None:
        self._state, self._key = state, key
        self._strategy = CMA(
            mean=np.zeros(dimensions),
            sigma=sigma,
            bounds=np.full((dimensions, 2), [-REACH, REACH]),
            seed=seed % 2**32,  # what NumPy takes
            population_size=population,
            cov=(1 - common) * np.eye(dimensions) + common,
        )
        self.tried: list[tuple[list[float], float]] = []  # in order
        self._scores: list[list[float]] = []
        for scores in self._read():
            self._tell(self.candidates(), scores)

    @property
    def generation(self) -> int:
        """Generations so far."""
        return len(self._scores)

    @property
    def mean(self) -> list[float]:
        """Where the next generation is centred."""
        return [float(value) for value in np.clip(self._strategy.mean, -REACH, REACH)]

    def candidates(self) -> list[list[float]]:
        """Draw the next generation; drawn twice without being told of the first, it is another one."""
        return [[float(value) for value in self._strategy.ask()] for _ in range(self._strategy.population_size)]

    def tell(self, candidates: Sequence[list[float]], scores: Sequence[float]) -> None:
        """Take the scores of a generation and write them down.

        Raises
        ------
        UserError
            Scores that are all the same, which tell no candidate from another.
        """
        if max(scores) == min(scores):
            raise UserError(
                f"all {len(scores)} candidates of generation {self.generation + 1} draw images that are alike to the "
                "CLIP: the model may draw the same whatever is asked, or nothing is missing where the search looks"
            )
        self._tell(candidates, scores)
        write_json(self._state, {"key": self._key, "scores": self._scores})

    def _tell(self, candidates: Sequence[list[float]], scores: Sequence[float]) -> None:
        self._strategy.tell([(np.array(one), -score) for one, score in zip(candidates, scores, strict=True)])
        self.tried += zip(candidates, scores, strict=True)
        self._scores.append(list(scores))

    def _read(self) -> list[list[float]]:
        if not self._state.is_file():
            return []
        found = read_json(self._state, "state of a search")
        return list(found["scores"]) if found.get("key") == self._key else []
