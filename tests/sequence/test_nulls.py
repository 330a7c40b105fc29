"""Null distributions: closed forms, atoms, thresholds, the cache, and p-values of windows outside the fit."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest
from scipy import stats

from bioconv.conv.detectors import Detectors
from bioconv.errors import ModelError, OptionError
from bioconv.sequence import nulls
from bioconv.sequence.deepbind import load_motif_model
from bioconv.sequence.null_distribution import NullDistribution, fit_null, pareto_tail
from bioconv.sequence.nulls import null_distribution, sample_windows

UNIFORM = np.full(4, 0.25)
FIRST_ORDER = np.array(
    [[0.1, 0.2, 0.3, 0.4], [0.4, 0.2, 0.2, 0.2], [0.1, 0.6, 0.1, 0.2], [0.25] * 4, [0.0, 0.5, 0.5, 0.0]]
)


def random_detectors(seed=0, *, length=8):
    rng = np.random.default_rng(seed)
    one = np.ones(1)
    return Detectors(
        rng.normal(size=(4, 4, length)), -one.repeat(4), False, rng.normal(size=(4, 1)), one, None, 0.0, True
    )


@pytest.mark.parametrize("shape", [0.0, 0.2, 0.5])
def test_tail_of_a_known_distribution(shape):
    excess = stats.genpareto.rvs(shape, scale=2.0, size=20_000, random_state=1)
    scale, found = pareto_tail(excess)
    assert found == pytest.approx(shape, abs=0.03)
    assert scale == pytest.approx(2.0, rel=0.05)


def test_tail_is_that_of_scipy():
    excess = stats.genpareto.rvs(0.3, scale=0.01, size=1000, random_state=2)
    shape, _, scale = stats.genpareto.fit(excess, floc=0)
    assert pareto_tail(excess) == pytest.approx((scale, shape), rel=2e-3)


def test_bounded_scores_get_the_exponential_tail():
    excess = stats.genpareto.rvs(-0.5, scale=1.0, size=5000, random_state=3)
    assert pareto_tail(excess) == pytest.approx((excess.mean(), 0.0))
    null = fit_null(np.random.default_rng(3).random(1_000_000), {})
    for p in (5e-4, 2e-4, 1e-4, 1e-5):
        found = null.p_values(1 - p)
        assert 0.65 * p < found < 1e-3
        assert p > 1.5e-4 or found > p
    assert 0 < null.p_values(1.01) < 1e-6


@pytest.mark.parametrize("law", [stats.norm(), stats.expon(), stats.t(4), stats.uniform()], ids=lambda x: x.dist.name)
def test_p_values_of_known_laws(law):
    null = fit_null(law.rvs(size=1_000_000, random_state=4), {})
    for p, tolerance in [(0.5, 0.01), (0.1, 0.02), (1e-2, 0.05), (2e-3, 0.1), (5e-4, 0.2)]:
        if law.dist.name == "uniform" and p < 1e-3:
            continue  # bounded: see below
        assert null.p_values(law.isf(p)) == pytest.approx(p, rel=tolerance)


def test_p_values_fall_and_thresholds_invert_them():
    null = fit_null(np.random.default_rng(5).normal(size=100_000).astype(np.float32), {})
    scores = np.linspace(-6, 9, 5001).astype(np.float32)
    values = null.p_values(scores)
    assert (np.diff(values) <= 0).all()
    assert values[0] == 1
    assert np.isnan(null.p_values(np.array(np.nan)))
    for p in (1, 0.7, 0.05, 1e-3, 9e-4, 1e-5, 1e-9):
        check_threshold(null, p)


def check_threshold(null, p):
    """The threshold is the lowest float32 that qualifies."""
    score = np.float32(null.threshold(p))
    if np.isfinite(score):
        assert null.p_values(score) <= p
        assert null.p_values(np.nextafter(score, np.float32(-np.inf))) > p


def test_atoms_count_whole():
    """60 % of windows score 0, 40 % 1: nothing lies between, and above 1 nothing smaller can be claimed."""
    null = fit_null(np.repeat([0.0, 1.0], [6000, 4000]), {})
    np.testing.assert_allclose(null.p_values([-1, 0, 0.5, 1]), [1, 1, 0.4, 0.4])
    assert null.p_values(2.0) == pytest.approx(1 / 10_001)
    assert null.threshold(0.5) == pytest.approx(0, abs=1e-30)
    assert null.threshold(0.5) > 0
    assert null.threshold(0.3) == np.nextafter(np.float32(1), np.float32(2))
    assert null.threshold(1e-5) == np.inf
    mixed = fit_null(np.concatenate([np.zeros(50_000), np.random.default_rng(6).exponential(size=50_000)]), {})
    for p in (0.9, 0.5, 0.3, 1e-3, 1e-4):
        check_threshold(mixed, p)
    assert mixed.p_values(0.0) == 1


def test_detectors_that_say_nothing():
    zero = np.zeros(4)
    silent = Detectors(np.zeros((4, 4, 5)), zero, False, zero[:, None], np.ones(1), None, 0.0, True)
    null = null_distribution(silent, UNIFORM, window=5, padded=True, count=2000, cached=False)
    assert null.p_values([0.9, 1.0]).tolist() == [1, 1]
    assert null.threshold(0.5) > 1


def test_composition_of_random_windows():
    rng = np.random.default_rng(7)
    zero_order = sample_windows(rng, np.array([0.1, 0.2, 0.3, 0.4]), 50_000, 10)
    np.testing.assert_allclose(np.bincount(zero_order.ravel()) / 500_000, [0.1, 0.2, 0.3, 0.4], atol=0.004)
    windows = sample_windows(rng, FIRST_ORDER, 100_000, 6)
    np.testing.assert_allclose(np.bincount(windows[:, 0]) / 100_000, FIRST_ORDER[0], atol=0.008)
    for i in range(1, 6):
        counts = np.zeros((4, 4))
        np.add.at(counts, (windows[:, i - 1], windows[:, i]), 1)
        np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), FIRST_ORDER[1:], atol=0.02)


@pytest.mark.parametrize("background", [np.ones(4), np.full((4, 4), 0.25), np.array([1.5, -0.5, 0, 0])])
def test_bad_backgrounds(background):
    with pytest.raises(OptionError, match="expected \\(4,\\) or \\(5, 4\\)"):
        sample_windows(np.random.default_rng(0), background, 1, 1)


def test_bad_thresholds():
    null = fit_null(np.arange(10.0), {})
    for p in (0, -1, 1.5, float("nan")):
        with pytest.raises(OptionError, match="p-value threshold"):
            null.threshold(p)


def test_cache(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path))
    detectors = random_detectors()
    mode = {"window": 20, "padded": False, "count": 5000}
    first = null_distribution(detectors, FIRST_ORDER, **mode)
    (path,) = (tmp_path / "nulls").iterdir()
    monkeypatch.setattr(nulls, "sample_scores", lambda *a, **k: pytest.fail("not taken from the cache"))
    again = null_distribution(detectors, FIRST_ORDER, **mode)
    np.testing.assert_array_equal(again.p_values(np.linspace(-5, 20, 99)), first.p_values(np.linspace(-5, 20, 99)))
    assert again.description == first.description
    monkeypatch.undo()
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path))
    path.write_bytes(path.read_bytes()[:100])  # damaged: computed anew, said, and mended
    null_distribution(detectors, FIRST_ORDER, **mode)
    assert "computed anew" in caplog.text
    for other in ({"window": 21}, {"padded": True}, {"count": 5001}):
        null_distribution(detectors, FIRST_ORDER, **(mode | other))
    null_distribution(detectors, UNIFORM, **mode)
    null_distribution(random_detectors(1), UNIFORM, **mode)
    assert len(list((tmp_path / "nulls").iterdir())) == 6


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "file"))
    null = null_distribution(random_detectors(), UNIFORM, window=8, padded=True, count=2000)
    assert null.p_values(null.knots[:1]) == 1
    assert (tmp_path / "file").read_text() == ""


def test_cache_folder(monkeypatch):
    monkeypatch.setenv("BIOCONV_CACHE", "/somewhere")
    assert str(nulls.cache_folder()) == "/somewhere"
    monkeypatch.delenv("BIOCONV_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert str(nulls.cache_folder()) == "/xdg/bioconv"


def test_damaged_tensors():
    null = fit_null(np.arange(5000.0), {})
    tensors = null.tensors()
    assert NullDistribution.from_tensors(tensors, {}).threshold(0.01) == null.threshold(0.01)
    for name in tensors:
        for bad in (tensors[name][::-1], tensors[name][:1], tensors[name].astype(np.float32)):
            if name == "tail" and bad.shape == (2,) and bad.dtype == np.float64:
                continue
            with pytest.raises(ModelError, match="null distribution"):
                NullDistribution.from_tensors(tensors | {name: bad}, {})


HELD_OUT = 200_000
MODELS = [
    "D00410.003",
    "D00328.003",
    "D00210.001",
    "D00120.001",
    "D00736.002",
    "D00753.001",
    "D00799.001",
    "D00700.006",
    "D00409.004",
    "D00650.007",
    "D00785.001",
    "D00714.004",
]


@pytest.mark.slow
def test_shares_of_held_out_windows(shared_data, tmp_path):
    """36 shares (12 models x 3 p) in the 99 % interval of the sampling error, of both samples together.

    Were every share right, more than 3 of 36 outside would have probability 0.0005. Each deviation is
    bounded as well.
    """
    with tarfile.open(shared_data("deepbind-models-2015/params.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    outside = 0
    for seed, name in enumerate(MODELS, 1):
        model = load_motif_model(tmp_path / "params" / f"{name}.txt")
        mode = {"window": model.window, "padded": model.padded}
        null = null_distribution(model.detectors, UNIFORM, **mode, cached=False)
        scores = nulls.sample_scores(model.detectors, UNIFORM, **mode, count=HELD_OUT, seed=seed)
        for p in (1e-2, 1e-3, 1e-4):
            hits = np.count_nonzero(scores >= null.threshold(p))
            deviation = (p * (1 - p) * (1 / HELD_OUT + 1 / nulls.WINDOWS)) ** 0.5
            error = abs(hits / HELD_OUT - p) / deviation
            assert error < 4.5, (name, p, hits)
            outside += error > 2.576
    assert outside <= 3
