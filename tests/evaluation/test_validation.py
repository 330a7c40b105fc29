"""A threshold is chosen by its rule on validation samples, and on no others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import InputError, OptionError
from bioconv.evaluation import choose_threshold
from bioconv.evaluation.predictions import Predictions
from bioconv.evaluation.validation import choose_thresholds

SAMPLES = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


@given(SAMPLES, st.sampled_from([0.2, 0.5, 0.9, 1]))
def test_the_rule_by_trying_every_score(rows, share):
    scores, labels = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    rates = {
        float(t): ((scores >= t)[labels].mean(), (scores < t)[~labels].mean()) for t in sorted(set(scores.tolist()))
    }
    wanted = max(t for t, (sensitivity, _) in rates.items() if sensitivity >= share)
    chosen = choose_threshold(scores, labels, sensitivity=share)
    assert (chosen.value, chosen.sensitivity, chosen.specificity) == pytest.approx((wanted, *rates[wanted]))
    enough = [t for t, (_, specificity) in rates.items() if specificity >= share]
    if enough:
        assert choose_threshold(scores, labels, specificity=share).value == min(enough)
    else:
        with pytest.raises(InputError, match="a negative scores highest"):
            choose_threshold(scores, labels, specificity=share)
    best = choose_threshold(scores, labels) if max(map(sum, rates.values())) > 1 else None
    if best:
        assert sum(rates[best.value]) == pytest.approx(max(map(sum, rates.values())))
        assert (best.positives, best.negatives) == (labels.sum(), (~labels).sum())


def predictions(names, groups=None, labels=("0", "1", "0", "1")):
    return Predictions(names, {"m": np.array([0.1, 0.6, 0.4, 0.9])}, list(labels), groups, "v.csv", [0] * 4)


def test_validation_and_test_stay_apart():
    ours, theirs = predictions(list("abcd")), predictions(list("efgh"))
    assert choose_thresholds(ours, theirs, specificity=1)["m"].value == 0.6
    with pytest.raises(InputError, match=r"v\.csv: 1 sample is among those to be judged too: d"):
        choose_thresholds(ours, predictions(list("defg")))
    with pytest.raises(InputError, match="2 groups are among those to be judged too: p, q"):
        choose_thresholds(predictions(list("abcd"), list("pqrr")), predictions(list("efgh"), list("qpss")))
    with pytest.raises(InputError, match=r"v\.csv: a threshold needs labels 0 and 1"):
        choose_thresholds(
            Predictions(list("abcd"), {c: np.zeros(4) for c in "xy"}, list("xyxy"), None, "v.csv", [0] * 4), theirs
        )
    with pytest.raises(InputError, match=r"v.csv, m: all 4 labels are 1"):
        choose_thresholds(predictions(list("abcd"), labels="1111"), theirs)
    with pytest.raises(OptionError, match="by one of them"):
        choose_thresholds(ours, theirs, sensitivity=0.5, specificity=0.5)
