"""Steps that run out of memory are done again in more parts: the weights are those of `accumulate` from there on.

The models raise torch's error as a device would, above so many samples, and once they have changed what they can.
"""

from __future__ import annotations

import dataclasses
import logging
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from bioconv import runtime
from bioconv.errors import OptionError, TrainingError
from bioconv.training.config import TrainConfig
from bioconv.training.data import ArraySamples, Batch
from bioconv.training.distributed import Ranks
from bioconv.training.feeding import Feeder, divided
from bioconv.training.rate_finder import find_learning_rate
from bioconv.training.stepping import Stepper
from bioconv.training.trainer import Trainer
from bioconv.training.validation import outputs_of, validate

CONFIG = TrainConfig(epochs=2, batch_size=8, optimizer="adam", learning_rate=0.02, workers=0)


def changed(**values) -> TrainConfig:
    return dataclasses.replace(CONFIG, **values)


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch) -> None:
    monkeypatch.setattr(runtime, "_warned", set())


class Small(nn.Module):
    """Holds `fits` samples at once; from the step on that begins after `calls` forward passes."""

    def __init__(self, model: nn.Module, fits: int, *, calls: int = 0, backward: bool = False) -> None:
        super().__init__()
        self.model, self.fits, self.calls, self.backward = model, fits, calls, backward
        self.asked: list[int] = []
        self.computed: list[weakref.ref[torch.Tensor]] = []
        self.held: list[int] = []

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(inputs))
        self.held.append(sum(own() is not None for own in self.computed))
        outputs = self.model(inputs)
        self.computed.append(weakref.ref(outputs))
        if len(inputs) > self.fits and len(self.asked) > self.calls:
            if not self.backward:
                raise torch.OutOfMemoryError
            outputs.register_hook(_fail)
        return outputs


def _fail(gradient: torch.Tensor) -> None:
    raise torch.OutOfMemoryError


def run(model: nn.Module, data, config: TrainConfig = CONFIG, **options):
    Trainer(model, data, config, **options).fit()
    return model.state_dict()


def same(one, other, prefix: str = "model.") -> bool:
    return all(torch.equal(value, other[name.removeprefix(prefix)]) for name, value in one.items())


def close(one, other, prefix: str = "model.", *, atol: float = 1e-5) -> bool:
    return all(torch.allclose(value, other[name.removeprefix(prefix)], atol=atol) for name, value in one.items())


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("fits", "parts"), [(7, 2), (4, 2), (3, 4), (2, 4), (1, 8)])
def test_weights_are_those_of_accumulate_bit_by_bit(fits, parts, backward, model, samples) -> None:
    """Dropout too: what it draws depends on the parts and on where the step begins."""
    data = samples(48)
    small = Small(model(dropout=0.3), fits, backward=backward)
    found = run(small, data)
    assert same(found, run(model(dropout=0.3), data, changed(accumulate=parts)))
    assert not same(found, run(model(dropout=0.3), data))  # the oracle can tell them apart
    assert small.asked[0] == 8
    assert max(small.asked[int(np.log2(parts)) :]) == 8 // parts  # and so it goes on


def test_from_that_step_on(model, samples) -> None:
    """Whole until memory runs out, in the second epoch, then as by `accumulate`: both halves by torch alone."""
    data, found = samples(48), Small(model(), 5, calls=9)
    ours = run(found, data, changed(optimizer="momentum"))
    other = model()
    config = changed(optimizer="momentum")
    stepper = Stepper(other, _loss, config, ranks=Ranks())
    for number, load in enumerate(Feeder(data, config, ranks=Ranks()).loads(0, 0)):
        stepper.step(load if number < 9 else divided(load, 2), number, 1.0)
    assert same(ours, other.state_dict())
    assert found.asked[:12] == [8] * 10 + [4, 4]


def _loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return nn.functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")


class Weighted(ArraySamples):
    """Samples with weights of their own and several inputs."""

    def batch(self, indices, epoch):
        batch = super().batch(indices, epoch)
        return Batch((batch.inputs,), batch.targets, torch.from_numpy(1.0 + indices % 3).float())


@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("fits", [1, 2])
def test_parts_of_parts_are_close(fits, accumulate, model, samples) -> None:
    data = Weighted(samples().inputs, samples().targets)
    found = run(Small(model(), fits), data, changed(optimizer="momentum", accumulate=accumulate))
    assert close(found, run(model(), data, changed(optimizer="momentum")))


def test_a_division_holds_every_sample_once_in_order(samples) -> None:
    data = Weighted(samples().inputs, samples().targets)
    for accumulate in (1, 2, 3):
        config = changed(batch_size=11, accumulate=accumulate)
        for load in Feeder(data, config, ranks=Ranks()).loads(0, 0):
            for times in (1, 2, 4, 32):
                found = divided(load, times)
                order = np.concatenate(load.plan.parts)
                np.testing.assert_array_equal(np.concatenate(found.plan.parts), order)
                assert len(found.batches) == sum(min(times, len(part)) for part in load.plan.parts)
                assert found.weight == load.weight
                for indices, batch in zip(found.plan.parts, found.batches, strict=True):
                    (inputs,) = batch.inputs
                    assert torch.equal(inputs, data.inputs[torch.from_numpy(indices)])
                    assert torch.equal(batch.targets, data.targets[torch.from_numpy(indices)])
                    assert batch.weights.tolist() == (1.0 + indices % 3).tolist()


def normalised() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1), nn.Flatten(0))


@pytest.mark.parametrize("backward", [False, True])
def test_batch_normalisation_forgets_the_failed_step(backward, samples, caplog) -> None:
    data = samples(48)
    found = run(Small(normalised(), 4, backward=backward), data)
    assert same(found, run(normalised(), data, changed(accumulate=2)))
    assert "2 parts from here on, as by --accumulate 2; batch normalisation sees these smaller parts" in caplog.text
    with pytest.raises(TrainingError, match=r"single sample, of which batch .* each part was divided into 8"):
        run(Small(normalised(), 1), data)


def test_a_warning_for_each_number_of_parts(model, samples, caplog) -> None:
    with caplog.at_level(logging.WARNING, "bioconv"):
        run(Small(model(), 3), samples(48))
        run(Small(model(), 3), samples(48))
    said = [record.message for record in caplog.records]
    assert said == [
        f"cpu is out of memory: batches are computed in {parts} parts from here on, as by --accumulate {parts}"
        for parts in (2, 4)
    ]


def test_nothing_computed_is_held_when_it_is_tried_again(model, samples) -> None:
    """The error's traceback would hold what the failed try computed, as long as the error is there."""
    for backward in (False, True):
        small = Small(model(), 2, backward=backward)
        run(small, samples(48), changed(max_steps=1))
        assert small.asked[:3] == [8, 4, 2]
        assert small.held[:3] == [0, 0, 0]


def test_a_single_sample_that_does_not_fit(model, samples) -> None:
    before = model().state_dict()
    small = Small(model(), 0)
    with pytest.raises(OptionError, match=r"device cpu: out of memory with 1 sample at once; a smaller --batch-size"):
        Trainer(small, samples(), CONFIG).fit()
    assert same(small.state_dict(), before)
    assert small.asked == [8, 4, 2, 1]


def test_several_processes_do_not_try_again(model, samples) -> None:
    """Another one may be done with its backward pass, and waits."""
    stepper = Stepper(Small(model(), 4), _loss, CONFIG, ranks=Ranks())
    stepper._ranks = Ranks(1, 2)  # without a group
    with pytest.raises(OptionError, match=r"in process 1 of 2 with 8 samples .* --batch-size or a larger --accumulate"):
        stepper._computed(next(Feeder(samples(), CONFIG, ranks=Ranks()).loads(0, 0)), 0, 8.0)


def test_memory_for_the_optimiser(model, samples) -> None:
    class Greedy(torch.optim.SGD):
        def step(self, closure=None):
            raise torch.OutOfMemoryError

    own = model()
    with pytest.raises(OptionError, match=r"its gradients and the optimiser's state: out of memory on --device cpu"):
        Trainer(own, samples(), CONFIG, optimizer=Greedy(own.parameters(), 0.1)).fit()


def test_other_errors_pass(model, samples) -> None:
    class Broken(nn.Module):
        def forward(self, inputs):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Trainer(Broken(), samples(), CONFIG, optimizer=torch.optim.SGD(model().parameters(), 0.1)).fit()


def test_the_samples_of_a_loss_that_is_no_number(model, samples) -> None:
    data = samples(48)
    data.inputs[13] = torch.nan
    with pytest.raises(TrainingError, match=r"it comes from sample\(s\) 13 of the batch"):
        Trainer(Small(model(), 3), data, CONFIG).fit()


def test_a_sweep_over_rates_is_that_of_accumulate(model, samples) -> None:
    data = samples(48)
    found = find_learning_rate(Small(model(), 4), data, CONFIG, steps=6)
    assert found == find_learning_rate(model(), data, changed(accumulate=2), steps=6)


@pytest.mark.parametrize("fits", [1, 3, 8, 50])
@pytest.mark.parametrize("kind", [ArraySamples, Weighted])
def test_validation_is_divided(fits, kind, model, samples, caplog) -> None:
    data = kind(samples().inputs, samples().targets)
    small, options = Small(model(), fits), {"batch_size": 8, "device": torch.device("cpu"), "workers": 0}
    seen = {"of": lambda outputs, targets: float((outputs * np.arange(50)).sum() + (targets * np.arange(50)).sum())}
    found, wanted = (validate(own, data, _loss, seen, **options) for own in (small, model()))
    assert found == pytest.approx(wanted, rel=1e-6)
    assert ("going on in smaller pieces" in caplog.text) == (fits < 8)
    sizes = [len(outputs) for outputs, _, _ in outputs_of(Small(model(), fits), data, **options)]
    assert sum(sizes) == 50
    assert max(sizes) <= fits


def test_validation_of_a_single_sample_that_does_not_fit(model, samples) -> None:
    with pytest.raises(OptionError, match=r"device cpu: out of memory even with pieces of 1"):
        validate(Small(model(), 0), samples(), _loss, {}, batch_size=8, device=torch.device("cpu"), workers=0)


def test_a_resumed_training_finds_out_again(model, samples, tmp_path) -> None:
    data = samples(48)
    whole = run(Small(model(), 4), data, folder=tmp_path / "whole")
    run(Small(model(), 4), data, changed(max_steps=7), folder=tmp_path / "resumed")
    small = Small(model(), 4)
    Trainer(small, data, CONFIG, folder=tmp_path / "resumed").fit(resume=True)
    assert small.asked[:3] == [8, 4, 4]
    assert same(small.state_dict(), whole, "")
