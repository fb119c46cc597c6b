"""A completer's surest guesses are contradicted."""

import torch

from regrow.completion import complete_matrix
from regrow.defend.wrong_signs import Options, wrong_signs
from tests.unit.defending import NAME, erasing, publisher

POSTERIOR = {"magnitudes": "large", "shrinkage": 0.3, "tolerance": 1e-3, "max_steps": 30}


def test_the_surest_half_is_turned_round_and_the_rest_is_a_coin() -> None:
    erased = erasing()
    mask, weight = erased.mask[NAME], erased.tensors[NAME]
    options = Options(share=0.5, posterior=POSTERIOR)
    found = wrong_signs(erased, publisher(), options)[NAME]
    done = complete_matrix(weight, mask, "gaussian_posterior", options.posterior)
    agrees = (found[mask] > 0) == (done.values[mask] > 0)
    sure = done.certainty[mask] > done.certainty[mask].median()
    assert not agrees[sure].any()
    assert 0.35 < float(agrees[~sure].float().mean()) < 0.65
    assert torch.equal(found[~mask], weight[~mask])
    sizes = [set(row[~cut].abs().tolist()) for row, cut in zip(weight, mask, strict=True)]
    assert all(set(found[i][mask[i]].abs().tolist()) <= sizes[i] for i in range(len(weight)))


def test_of_a_row_that_cannot_be_completed_nothing_is_predicted() -> None:
    erased = erasing()
    erased.mask[NAME][3] = True
    erased.tensors[NAME][3] = 0
    row = wrong_signs(erased, publisher(), Options(share=1.0, posterior=POSTERIOR))[NAME][3]
    assert 0.3 < float((row > 0).float().mean()) < 0.7 and bool((row != 0).all())
