"""Frechet's and the kernel distance: against formulas that are known, against clean-fid where it is, in any order."""

import hashlib
import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.judge import _feature_sets
from regrow.judge._distances import Reference
from regrow.judge._feature_sets import FeatureSet

needs_clean_fid = pytest.mark.skipif(
    not importlib.util.find_spec("cleanfid") or not importlib.util.find_spec("scipy"),
    reason="clean-fid 0.1.35 and its scipy < 1.18 are not installed",
)


def as_set(vectors: np.ndarray) -> FeatureSet:
    found = FeatureSet()
    found.add([hashlib.sha256(vector.tobytes()).hexdigest() for vector in vectors], vectors)
    return found


def as_reference(vectors: np.ndarray) -> Reference:
    found = as_set(vectors)
    return Reference(found.mean, found.covariance, found.sample)


def features(n: int, dimensions: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Draw vectors as a network makes them: dependent, of different sizes, none negative."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).normal(size=(dimensions, dimensions)) * np.geomspace(1, 0.05, dimensions)
    return np.maximum(rng.normal(size=(n, dimensions)) @ mixing.T / np.sqrt(dimensions) + 0.4 + shift, 0)


def by_roots_of_the_product(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The distance by its formula: the trace of the root of S S' is the sum of the roots of its eigenvalues."""
    mean, other = ours.mean(0), theirs.mean(0)
    s, t = np.cov(ours, rowvar=False), np.cov(theirs, rowvar=False)
    roots = np.sqrt(np.clip(np.linalg.eigvals(s @ t).real, 0, None))
    return float((mean - other) @ (mean - other) + np.trace(s + t) - 2 * roots.sum())


def test_normals_whose_distance_is_known() -> None:
    exact = Reference(np.zeros(3), np.diag([1.0, 4.0, 9.0]), as_set(features(5, 3, 0)).sample)
    other = as_set(features(400, 3, 1))
    values = np.sqrt(np.linalg.eigvalsh(np.diag([1.0, 2, 3]) @ other.covariance @ np.diag([1.0, 2, 3]))).sum()
    expected = other.mean @ other.mean + np.trace(other.covariance) + 14 - 2 * values
    assert exact.frechet(other).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [2000, 40])
def test_the_formula(n: int) -> None:
    ours, theirs = features(n, 64, 0, 0.1), features(2000, 64, 1)
    found = as_reference(theirs).frechet(as_set(ours))
    assert found.value == pytest.approx(by_roots_of_the_product(ours, theirs), rel=1e-6)
    assert found.value > 0 and found.error > 0


@needs_clean_fid
def test_it_is_clean_fids_own() -> None:
    from cleanfid.fid import frechet_distance, kernel_distance

    ours, theirs = features(2000, 64, 0, 0.1), features(2000, 64, 1)
    statistics = [part for x in (ours, theirs) for part in (x.mean(0), np.cov(x, rowvar=False))]
    reference, images = as_reference(theirs), as_set(ours)
    assert reference.frechet(images).value == pytest.approx(frechet_distance(*statistics), rel=1e-3)
    np.random.seed(0)
    assert reference.kernel(images).value == pytest.approx(kernel_distance(ours, theirs, 100), rel=0.04)


def test_equal_sets_are_not_apart() -> None:
    vectors = features(500, 16, 0)
    reference = as_reference(vectors)
    assert reference.frechet(as_set(vectors)).value == pytest.approx(0, abs=1e-9)
    other = reference.kernel(as_set(features(500, 16, 1)))  # unbiased: below zero as often as above it
    assert abs(other.value) < 4 * other.error


def test_a_model_that_draws_one_image_has_a_kernel_distance() -> None:
    """Its limit: the same image once more with a trace of noise, which makes a pair of the two."""
    theirs, one = features(40, 4, 1), features(1, 4, 0)
    alone = as_reference(theirs).kernel(as_set(one)).value
    assert alone == pytest.approx(as_reference(theirs).kernel(as_set(np.vstack([one, one + 1e-7]))).value, rel=1e-4)


def test_the_kernel_distance_by_hand() -> None:
    ours, theirs = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 0.0]])

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 2 + 1) ** 3)

    within = np.mean([kernel(ours[i], ours[j]) for i in range(3) for j in range(3) if i != j])
    between = np.mean([kernel(x, y) for x in ours for y in theirs])
    expected = within + kernel(theirs[0], theirs[1]) - 2 * between
    assert as_reference(theirs).kernel(as_set(ours)).value == pytest.approx(expected)


@given(
    cuts=st.lists(st.integers(1, 59), max_size=6, unique=True), swap=st.booleans(), size=st.sampled_from([4, 20, 4096])
)
@settings(deadline=None, max_examples=30)
def test_parts_in_any_order_give_what_the_whole_gives(cuts: list[int], swap: bool, size: int) -> None:
    vectors = np.concatenate([features(40, 5, 0), features(20, 5, 0)])  # twenty stand twice
    digests = [hashlib.sha256(vector.tobytes()).hexdigest() for vector in vectors]
    before = _feature_sets.SAMPLE
    _feature_sets.SAMPLE = size
    try:
        whole, merged = FeatureSet(), FeatureSet()
        whole.add(digests, vectors)
        edges = [0, *sorted(cuts), 60]
        parts = [slice(first, last) for first, last in zip(edges, edges[1:], strict=False)]
        for part in reversed(parts) if swap else parts:
            other = FeatureSet()
            other.add(digests[part], vectors[part])
            merged.merge(other)
        assert merged.n == whole.n == 60
        assert np.allclose(merged.mean, whole.mean) and np.allclose(merged.covariance, whole.covariance)
        assert np.array_equal(merged.sample.vectors, whole.sample.vectors)
        assert np.array_equal(merged.sample.counts, whole.sample.counts)
        if size > 40:
            assert whole.n_distinct == pytest.approx(40), "equal images are one"
    finally:
        _feature_sets.SAMPLE = before


def test_what_is_kept_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_feature_sets, "SAMPLE", 50)
    kept = FeatureSet()
    for seed in range(20):
        vectors = features(30, 4, seed)
        kept.add([hashlib.sha256(vector.tobytes()).hexdigest() for vector in vectors], vectors)
        assert len(kept._kept) <= 2 * 50
    assert len(kept.sample.counts) == 50
    assert kept.n_distinct == pytest.approx(600)


def test_the_error_is_that_of_drawing_again() -> None:
    """Sixty sets of one model differ by what each of them says of itself."""
    reference = as_reference(features(4000, 32, 99))
    sets = [as_set(features(300, 32, seed, 0.1)) for seed in range(60)]
    for distance in (reference.frechet, reference.kernel):
        found = [distance(one) for one in sets]
        spread = np.std([one.value for one in found])
        assert np.mean([one.error for one in found]) == pytest.approx(spread, rel=0.35)


def test_equal_images_do_not_make_the_error_smaller() -> None:
    vectors, reference = features(300, 16, 0, 0.1), as_reference(features(1000, 16, 1))
    once, twice = as_set(vectors), as_set(np.concatenate([vectors, vectors]))
    for distance in (reference.frechet, reference.kernel):
        assert distance(twice).error == pytest.approx(distance(once).error, rel=0.02)
    assert reference.kernel(twice).value == pytest.approx(reference.kernel(once).value, rel=1e-9)
