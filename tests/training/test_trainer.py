from __future__ import annotations

import dataclasses
import math
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bioconv.errors import InputError, OptionError, TrainingError
from bioconv.training.callbacks import Callback
from bioconv.training.config import TrainConfig
from bioconv.training.data import ArraySamples, Batch
from bioconv.training.draws import epoch_order
from bioconv.training.trainer import Trainer

CONFIG = TrainConfig(epochs=3, batch_size=8, optimizer="adam", learning_rate=0.02, workers=0)


def changed(**values) -> TrainConfig:
    return dataclasses.replace(CONFIG, **values)


def parameters(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def bit_equal(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def plain_loop(model: nn.Module, data: ArraySamples, optimizer: torch.optim.Optimizer, config: TrainConfig) -> None:
    """What anybody would write."""
    for epoch in range(config.epochs):
        order = torch.from_numpy(epoch_order(config.seed, epoch, len(data)))
        for batch in order.split(config.batch_size):
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(model(data.inputs[batch]), data.targets[batch]).backward()
            optimizer.step()


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, 0.02)),
        ("momentum", lambda p: torch.optim.SGD(p, 0.02, momentum=0.9)),
        ("adam", lambda p: torch.optim.Adam(p, 0.02)),
        ("adamw", lambda p: torch.optim.AdamW(p, 0.02, weight_decay=0.0)),
    ],
)
def test_weights_are_those_of_a_plain_loop_bit_by_bit(name, build, model, samples) -> None:
    ours, theirs, data = model(), model(), samples()
    Trainer(ours, data, changed(optimizer=name)).fit()
    plain_loop(theirs, data, build(theirs.parameters()), CONFIG)
    assert bit_equal(ours, theirs)
    assert not bit_equal(ours, model())


def test_clipping_is_torchs(model, samples) -> None:
    ours, theirs, data = model(), model(), samples()
    Trainer(ours, data, changed(optimizer="sgd", clip_norm=0.05, clip_value=0.02, epochs=1)).fit()
    optimizer = torch.optim.SGD(theirs.parameters(), 0.02)
    for batch in torch.from_numpy(epoch_order(0, 0, len(data))).split(8):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(theirs(data.inputs[batch]), data.targets[batch]).backward()
        nn.utils.clip_grad_value_(theirs.parameters(), 0.02)
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.05)
        optimizer.step()
    assert bit_equal(ours, theirs)


class Weighted(ArraySamples):
    """Samples with weights of their own."""

    def batch(self, indices, epoch):
        batch = super().batch(indices, epoch)
        return Batch(batch.inputs, batch.targets, torch.from_numpy(1.0 + indices % 3).float())


@pytest.mark.parametrize("parts", [2, 3, 4, 50])
def test_accumulated_parts_change_nothing(parts, model, samples) -> None:
    data = Weighted(samples().inputs, samples().targets)
    whole, cut = model(), model()
    Trainer(whole, data, changed(optimizer="momentum")).fit()
    Trainer(cut, data, changed(optimizer="momentum", accumulate=parts)).fit()
    for one, other in zip(whole.parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_weights_count_as_copies_would(model) -> None:
    """A sample of weight 2 is one that is there twice."""
    inputs, targets = torch.tensor([[1.0], [2.0], [-1.0]]), torch.tensor([1.0, 0.0, 1.0])

    class Twice(ArraySamples):
        def batch(self, indices, epoch):
            batch = super().batch(indices, epoch)
            return Batch(batch.inputs, batch.targets, torch.from_numpy(np.where(indices == 1, 2.0, 1.0)).float())

    config = changed(optimizer="sgd", batch_size=10)
    one, other = model(1), model(1)
    Trainer(one, Twice(inputs, targets), config).fit()
    Trainer(other, ArraySamples(inputs[[0, 1, 1, 2]], targets[[0, 1, 1, 2]]), config).fit()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_balanced_class_weights_are_the_two_classes_means(model, samples) -> None:
    """With all samples in a batch, the loss is the mean of the classes' mean losses."""
    ours, theirs, data = model(), model(), samples()
    data.targets[:30] = 0
    Trainer(ours, data, changed(optimizer="sgd", batch_size=50, class_weights="balanced")).fit()
    optimizer = torch.optim.SGD(theirs.parameters(), 0.02)
    for _ in range(3):
        optimizer.zero_grad()
        losses = F.binary_cross_entropy_with_logits(theirs(data.inputs), data.targets, reduction="none")
        (0.5 * losses[data.targets == 1].mean() + 0.5 * losses[data.targets == 0].mean()).backward()
        optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


class Seen(ArraySamples):
    """Notes what is asked for, and answers late now and then."""

    def batch(self, indices, epoch):
        if int(indices[0]) % 3 == 0:
            threading.Event().wait(0.002)
        SEEN.extend((epoch, int(index)) for index in indices)
        return super().batch(indices, epoch)


SEEN: list[tuple[int, int]] = []


@pytest.mark.parametrize("workers", [1, 4, None])
def test_workers_change_nothing(workers, model, samples) -> None:
    data = Seen(samples().inputs, samples().targets)
    alone, helped = model(dropout=0.3), model(dropout=0.3)
    Trainer(alone, data, changed(workers=0, epochs=2)).fit()
    SEEN.clear()
    Trainer(helped, data, changed(workers=workers, epochs=2), validation=data).fit()
    assert bit_equal(alone, helped)
    assert {pair for pair in SEEN if pair[0] == 1} == {(1, index) for index in range(50)}


def test_max_steps_and_schedule_see_the_whole(model, samples) -> None:
    run = Trainer(model(), samples(), changed(max_steps=10, schedule="cosine", decay=0.0), validate_every=1).fit()
    assert run.stopped == "all 10 steps are done (max_steps)"
    rates = [entry["learning_rate"] for entry in run.history]
    expected = [0.02 * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]
    assert rates == pytest.approx(expected)
    assert [entry["epoch"] for entry in run.history] == [1] * 7 + [2] * 3


def test_plateau_lowers_the_rate(model, samples) -> None:
    values = iter([1.0, 0.9, 0.95, 0.95, 0.95, 0.95, 0.95])
    config = changed(epochs=6, schedule="plateau", decay=0.5, plateau_patience=2)
    run = Trainer(model(), samples(), config, validate=lambda model: {"loss": next(values)}).fit()
    assert [entry["learning_rate"] for entry in run.history] == pytest.approx([0.02] * 4 + [0.01] * 2)


def test_average_is_the_recurrence(model, samples) -> None:
    trained, seen = model(), []

    class Notes(Callback):
        def on_step(self, step):
            seen.append(parameters(trained))

    averages = parameters(trained)
    run = Trainer(trained, samples(), changed(ema=0.7, optimizer="sgd"), callbacks=[Notes()]).fit()
    for step, weights in enumerate(seen, start=1):
        decay = min(0.7, (1 + step) / (10 + step))
        averages = [decay * a + (1 - decay) * w for a, w in zip(averages, weights, strict=True)]
    assert len(seen) > 1
    for average, kept in zip(averages, run.weights.values(), strict=True):
        torch.testing.assert_close(average, kept)
    assert all(torch.equal(a, b) for a, b in zip(trained.state_dict().values(), run.weights.values(), strict=True))


def test_validation_sees_averages_in_evaluation_mode_and_disturbs_nothing(model, samples) -> None:
    one, other, modes = model(dropout=0.5), model(dropout=0.5), []

    def look(model):
        modes.append(any(module.training for module in model.modules()))
        torch.rand(3)
        return {"loss": 0.5}

    Trainer(one, samples(), changed(ema=0.5), validate=look, validate_every=2).fit()
    Trainer(other, samples(), changed(ema=0.5)).fit()
    assert modes
    assert not any(modes)
    assert one.training


def test_metrics_get_all_outputs_in_order(model, samples) -> None:
    data, shapes = samples(), []

    def accuracy(outputs, targets):
        shapes.append((outputs.shape, targets.tolist() == data.targets.tolist()))
        return float(((outputs > 0) == targets).mean())

    trained = model()
    config = changed(monitor="accuracy")
    run = Trainer(trained, samples(), config, validation=data, metrics={"accuracy": accuracy}).fit()
    assert shapes == [((50,), True)] * 3
    last = max(run.history, key=lambda entry: entry["accuracy"])
    assert run.best == (last["epoch"], last["accuracy"])
    with torch.no_grad():
        logits = trained(data.inputs)
    assert run.best[1] == pytest.approx(float(((logits > 0) == data.targets).float().mean()))
    for entry in run.history:
        assert set(entry) == {"epoch", "step", "seconds", "learning_rate", "train_loss", "loss", "accuracy"}


@pytest.mark.parametrize("size", [1, 7, 50, 64])
def test_validation_does_not_depend_on_batches(size, model, samples) -> None:
    data = Weighted(samples().inputs, samples().targets)
    run = Trainer(model(), samples(), changed(batch_size=size, epochs=1, max_steps=1), validation=data).fit()
    fresh = model()
    fresh.load_state_dict(run.weights)
    with torch.no_grad():
        losses = F.binary_cross_entropy_with_logits(fresh(data.inputs), data.targets, reduction="none")
    weights = 1.0 + torch.arange(50) % 3
    assert run.history[-1]["loss"] == pytest.approx(float((losses * weights).sum() / weights.sum()), abs=1e-6)


@pytest.mark.parametrize(("monitor", "values", "best"), [
    ("loss", [0.5, 0.4, 0.45, 0.4, 0.41, 0.1], (2, 0.4)),
    ("auroc", [0.5, 0.6, float("nan"), 0.55, 0.6, 0.9], (2, 0.6)),
])  # fmt: skip
def test_patience_stops_and_says_why(monitor, values, best, model, samples, tmp_path) -> None:
    given, weights = iter(values), []

    def look(model):
        weights.append(parameters(model))
        return {monitor: next(given)}

    trained = model()
    config = changed(epochs=6, patience=3, monitor=monitor)
    run = Trainer(trained, samples(), config, validate=look).fit()
    assert run.best == best
    assert len(run.history) == 5
    assert run.stopped == f"no progress of {monitor} in 3 validations (patience); the best is {best[1]} in epoch 2"
    assert all(torch.equal(a, b) for a, b in zip(weights[1], trained.parameters(), strict=True))


def test_time_budget_stops_after_a_step_and_validates(model, samples, tmp_path) -> None:
    config = changed(time_budget=0.0)
    run = Trainer(model(), samples(), config, validation=samples(), folder=tmp_path).fit()
    assert run.stopped == "the time budget of 0 s is spent"
    assert [entry["step"] for entry in run.history] == [1]
    again = Trainer(model(), samples(), config, validation=samples(), folder=tmp_path).fit(resume=True)
    assert again.history == run.history
    on = Trainer(model(), samples(), CONFIG, validation=samples(), folder=tmp_path).fit(resume=True)
    assert [entry["step"] for entry in on.history] == [1, 7, 14, 21]


def test_global_randomness_is_left_alone(model, samples) -> None:
    first, second, third = (model(dropout=0.5) for _ in range(3))
    torch.manual_seed(11)
    np.random.seed(3)  # noqa: NPY002 - the global state is what is looked at
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    Trainer(first, samples(), changed(initialization="xavier", balanced_sampling=True)).fit()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    torch.manual_seed(99)
    Trainer(second, samples(), changed(initialization="xavier", balanced_sampling=True)).fit()
    assert bit_equal(first, second)
    Trainer(third, samples(), changed(initialization="xavier", balanced_sampling=True, seed=1)).fit()
    assert not bit_equal(first, third)


def test_no_number_names_step_rate_and_sample(tmp_path, model, samples) -> None:
    data = samples()
    Trainer(model(), data, changed(epochs=1), folder=tmp_path).fit()
    before = (tmp_path / "last.safetensors").read_bytes()
    data.inputs[17] = float("nan")
    order = epoch_order(0, 0, 50).tolist()
    step = order.index(17) // 8 + 1
    expected = rf"loss is nan at epoch 1, step {step}, learning rate 0\.02; it comes from sample\(s\) 17 of the batch"
    trained = model()
    with pytest.raises(TrainingError, match=expected):
        Trainer(trained, data, CONFIG, folder=tmp_path).fit()
    assert all(bool(parameter.isfinite().all()) for parameter in trained.parameters())
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_weights_that_are_no_numbers_are_never_saved(tmp_path, model, samples) -> None:
    """The loss of a step can be a number although its gradient is none."""

    def loss(outputs, targets):
        return (outputs - outputs.detach()).abs().sqrt() + 1.0

    with pytest.raises(TrainingError, match=r"after step 1: 0\.weight holds numbers that are not finite"):
        Trainer(model(), samples(), CONFIG, loss=loss, folder=tmp_path, save_every_steps=1).fit()
    assert {path.name for path in tmp_path.iterdir()} == {"history.csv"}


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_sample_is_named(workers, model, samples) -> None:
    class Torn(ArraySamples):
        def batch(self, indices, epoch):
            if 23 in indices:
                message = "slide-7.tif is cut short"
                raise OSError(message)
            return super().batch(indices, epoch)

    data = Torn(samples().inputs, samples().targets)
    with pytest.raises(InputError, match=r"sample 23 \(counted from 0\) cannot be read: slide-7\.tif is cut short"):
        Trainer(model(), data, changed(workers=workers)).fit()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("bioconv-feed")]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_is_near(precision, model, samples) -> None:
    full, mixed, dtypes = model(), model(), []

    def loss(outputs, targets):
        dtypes.append(outputs.dtype)
        return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none")

    wanted = Trainer(full, samples(), changed(optimizer="sgd"), loss=loss, validation=samples()).fit()
    got = Trainer(
        mixed, samples(), changed(optimizer="sgd", precision=precision), loss=loss, validation=samples()
    ).fit()
    assert got.history[-1]["loss"] == pytest.approx(wanted.history[-1]["loss"], abs=0.01)
    assert not bit_equal(full, mixed)
    assert set(dtypes) == {torch.float32}
    assert {parameter.dtype for parameter in mixed.parameters()} == {torch.float32}


def test_freeze_and_unfreeze(model, samples) -> None:
    seen = []
    trained = model()

    class Notes(Callback):
        def on_step(self, step):
            seen.append(parameters(trained)[0])

    start = parameters(trained)[0]
    Trainer(trained, samples(), changed(freeze="all-but-head", unfreeze_at=1), callbacks=[Notes()]).fit()
    assert all(torch.equal(start, now) for now in seen[:7])
    assert not torch.equal(start, seen[7])


def test_own_optimiser_is_used_as_it_is(model, samples) -> None:
    ours, theirs, data = model(), model(), samples()
    optimizer = torch.optim.SGD(ours.parameters(), 0.3)
    Trainer(ours, data, changed(l2=5.0), optimizer=optimizer).fit()
    plain_loop(theirs, data, torch.optim.SGD(theirs.parameters(), 0.3), CONFIG)
    assert bit_equal(ours, theirs)


def test_several_inputs_and_heads(samples) -> None:
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, left, right):
            both = self.layer(left + right)
            return both[:, 0], both[:, 1]

    class Pairs(ArraySamples):
        def batch(self, indices, epoch):
            batch = super().batch(indices, epoch)
            return Batch((batch.inputs, batch.inputs * 2), (batch.targets, 1 - batch.targets))

    def loss(outputs, targets):
        return sum(F.mse_loss(o, t, reduction="none") for o, t in zip(outputs, targets, strict=True))

    def both(outputs, targets):
        assert [array.shape for array in (*outputs, *targets)] == [(50,)] * 4
        return 0.0

    data = Pairs(samples().inputs, samples().targets)
    run = Trainer(Two(), data, CONFIG, loss=loss, validation=data, metrics={"both": both}).fit()
    assert run.history[-1]["loss"] < run.history[0]["loss"]


def test_what_cannot_be_is_refused_before_training(model, samples) -> None:
    data = samples()
    with pytest.raises(OptionError, match="patience needs a validation part"):
        Trainer(model(), data, changed(patience=2))
    with pytest.raises(OptionError, match="monitor is 'auroc', which is not validated; there is loss"):
        Trainer(model(), data, changed(monitor="auroc"), validation=data)
    with pytest.raises(OptionError, match="no training samples"):
        Trainer(model(), ArraySamples(data.inputs[:0], data.targets[:0]), CONFIG).fit()
    with pytest.raises(OptionError, match="class_weights balanced needs samples with classes"):
        Trainer(model(), ArraySamples(data.inputs, data.inputs), changed(class_weights="balanced")).fit()
    with pytest.raises(OptionError, match=r"the loss has shape \(\); one number per sample"):
        Trainer(model(), data, CONFIG, loss=lambda outputs, targets: outputs.mean()).fit()
    with pytest.raises(OptionError, match="monitor is 'loss', which is not validated; there is auroc"):
        Trainer(model(), data, CONFIG, validate=lambda model: {"auroc": 0.5}).fit()


def test_single_sample_and_batch_normalisation(samples) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1), nn.Flatten(0))
    with pytest.raises(TrainingError, match="change --batch-size or --accumulate"):
        Trainer(model, samples(), changed(batch_size=7)).fit()


def test_in_a_thread(model, samples) -> None:
    """Signal handlers cannot be installed there."""
    runs = []
    thread = threading.Thread(target=lambda: runs.append(Trainer(model(), samples(), CONFIG).fit()))
    thread.start()
    thread.join()
    assert runs[0].stopped == "all 3 epochs are done"
