"""Recurrent networks: torch's packed sequences, finite differences, brute force; and no padding leaks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bioconv.errors import ModelError
from bioconv.models import ARCHITECTURES, RECURRENT
from bioconv.models.building import build_network, network_file, open_network
from bioconv.models.model_file import read_model, write_model
from bioconv.models.recurrent import CELLS, POOLINGS, Recurrent, RecurrentConfig

SMALL = {"hidden": 3, "outputs": 3}
FRONTS = [
    {},
    {"embedding": 2},
    {"kmer": 3, "embedding": 2},
    {"filters": 4, "filter_length": 4},
    {"kmer": 2, "embedding": 3, "filters": 3, "filter_length": 3},
]


def build(seed=1, **config):
    torch.manual_seed(seed)
    network = Recurrent(RecurrentConfig(**{**SMALL, **config})).double().eval()
    with torch.no_grad():  # so that no bias is zero
        for parameter in network.parameters():
            parameter.normal_(0, 0.5)
    return network


def batch(lengths, *, letters=4, padding=0, seed=0):
    """Codes with unknown letters, and after each end anything a byte can hold."""
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, 256, (len(lengths), max(lengths) + padding)).astype(np.uint8)
    for row, length in zip(codes, lengths, strict=True):
        row[:length] = draw.integers(0, letters + 1, length)
    return torch.from_numpy(codes), torch.tensor(lengths)


def test_all_are_in_the_table():
    assert set(RECURRENT) <= set(ARCHITECTURES)


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_build_step_save_load(tmp_path, name, pooling):
    torch.manual_seed(0)
    config = {**SMALL, "kmer": 2, "embedding": 3, "filters": 4, "filter_length": 3, "layers": 2, "pooling": pooling}
    network = build_network(name, config).train()
    inputs = batch([7, 5])
    before = copy.deepcopy(network.state_dict())
    logits = network(*inputs)
    assert logits.shape == ((2, 7, 3) if pooling == "none" else (2, 3))
    functional.cross_entropy(logits.flatten(0, -2), torch.arange(logits.numel() // 3) % 3).backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    assert not [n for n, p in network.named_parameters() if p.grad is None or torch.equal(p, before[n])]
    write_model(tmp_path / "m", network_file(network, name, {"labels": ["a", "b", "c"]}))
    loaded = open_network(read_model(tmp_path / "m"))
    assert (type(loaded), loaded.config) == (type(network), network.config)
    torch.testing.assert_close(loaded(*inputs), network.eval()(*inputs))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_states_are_those_of_packed_sequences(cell, bidirectional, layers):
    """Last and all states, against torch's own stack over packed sequences."""
    codes, lengths = batch([9, 1, 6, 9], padding=2)
    choices = {"cell": cell, "bidirectional": bidirectional, "layers": layers}
    last, each = (build(pooling=pooling, **choices) for pooling in ("last", "none"))
    reference = CELLS[cell](4, 3, num_layers=layers, bidirectional=bidirectional).double()
    for number, layer in enumerate(last.layers):
        for direction, own in zip(("", "_reverse"), (layer.forwards, layer.backwards), strict=True):
            for name, parameter in own.named_parameters() if own is not None else ():
                getattr(reference, name.replace("_l0", f"_l{number}{direction}")).data.copy_(parameter.data)
    values = torch.eye(5, 4, dtype=torch.float64)
    values[4] = 0.25
    padded = values[codes.long().clamp(max=4)]
    packed = nn.utils.rnn.pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
    states, ends = reference(packed)
    states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=codes.shape[1])
    ends = ends[0] if cell == "lstm" else ends
    ends = ends[-2:].permute(1, 0, 2).flatten(1) if bidirectional else ends[-1]
    torch.testing.assert_close(last(codes, lengths), last.head(ends), rtol=0, atol=1e-12)
    inside = (torch.arange(codes.shape[1]) < lengths[:, None])[..., None]
    torch.testing.assert_close(each(codes, lengths), each.head(states) * inside, rtol=0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    front=st.sampled_from(FRONTS),
    cell=st.sampled_from(sorted(CELLS)),
    pooling=st.sampled_from(POOLINGS),
    bidirectional=st.booleans(),
    pool=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    padding=st.integers(0, 5),
    single=st.booleans(),
    layers=st.sampled_from([0, 2]),
)
def test_no_padding_and_no_neighbour_leaks(front, cell, pooling, bidirectional, pool, lengths, padding, single, layers):
    pooled = pool if "filters" in front and pooling != "none" else 1
    layers = layers if "filters" in front and pooling != "last" else 2
    network = build(**front, cell=cell, pooling=pooling, bidirectional=bidirectional, pool=pooled, layers=layers)
    network = network.float() if single else network
    codes, sizes = batch(lengths, padding=padding)
    with torch.inference_mode():
        together = network(codes, sizes)
        for row, length in enumerate(lengths):
            alone = network(codes[row : row + 1, :length], sizes[row : row + 1])[0]
            found = together[row, :length] if pooling == "none" else together[row]
            torch.testing.assert_close(found, alone, rtol=0, atol=1e-6 if single else 1e-12)
            if pooling == "none":
                assert not together[row, length:].any()


@pytest.mark.parametrize("kmer", [1, 2, 3, 4])
def test_tokens_are_the_words_at_each_letter(kmer):
    network = build(kmer=kmer, embedding=1)
    codes, lengths = batch([8, 3], seed=3)
    codes[0, :8] = torch.tensor([0, 1, 2, 3, 3, 4, 1, 0])
    found = network.token_indices(codes, lengths).tolist()
    words = ["".join(w) for w in np.array(list("ACGT"))[np.indices((4,) * kmer).reshape(kmer, -1).T]]
    for row, length in zip(range(2), [8, 3], strict=True):
        text = "".join("ACGTN"[code] for code in codes[row, :length].tolist())
        framed = "N" * ((kmer - 1) // 2) + text + "N" * (kmer // 2 + codes.shape[1] - length)
        expected = [framed[at : at + kmer] for at in range(codes.shape[1])]
        assert found[row] == [4**kmer if "N" in word else words.index(word) for word in expected]


@pytest.mark.parametrize(("size", "pool"), [(1, 1), (3, 1), (4, 2), (5, 3)])
def test_detectors_against_a_loop(size, pool):
    """Zeros beyond the ends, the rectified sums, the best of each `pool` of them; the last group may be shorter."""
    network = build(filters=3, filter_length=size, pool=pool)
    codes, lengths = batch([7, 10], seed=4)
    found = network.vectors(network.token_indices(codes, lengths), lengths).detach().numpy()
    weights, bias = network.filters.weight.detach().numpy(), network.filters.bias.detach().numpy()
    for row, length in enumerate([7, 10]):
        values = np.zeros((length + 2 * size, 4))
        for at, code in enumerate(codes[row, :length].tolist()):
            values[at + size] = 0.25 if code == 4 else np.eye(4)[code]
        sums = [
            [np.sum(w * values[at + size - (size - 1) // 2 :][:size].T) + b for w, b in zip(weights, bias, strict=True)]
            for at in range(length)
        ]
        best = [np.maximum(sums[at : at + pool], 0).max(0) for at in range(0, length, pool)]
        np.testing.assert_allclose(found[: len(best), row], best, atol=1e-12)


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_without_recurrent_layers_detectors_are_pooled(pooling):
    network = build(filters=3, filter_length=4, layers=0, pooling=pooling)
    assert not list(network.layers)
    codes, lengths = batch([7, 10], seed=4)
    activations = network.vectors(network.token_indices(codes, lengths), lengths).detach().numpy()
    for row, length in enumerate([7, 10]):
        pooled = getattr(activations[:length, row], pooling)(0)
        expected = network.head.weight.detach().numpy() @ pooled + network.head.bias.detach().numpy()
        np.testing.assert_allclose(network(codes, lengths)[row].detach().numpy(), expected, atol=1e-12)


def test_nothing_to_learn_and_no_order_to_read_are_refused():
    for wrong in ({"layers": 0}, {"layers": 0, "filters": 2, "filter_length": 3, "pooling": "last"}):
        with pytest.raises(ValueError, match="layers is 0"):
            RecurrentConfig(**wrong)


@pytest.mark.parametrize("pooling", ["max", "mean", "attention", "centre"])
def test_pooling_against_a_loop(pooling):
    network, codes = build(pooling=pooling), torch.tensor([[0, 1, 2, 3, 1, 4]])
    values = network.vectors(codes, None)
    states = network.layers[0](values, None)[:, 0].detach().numpy()
    if pooling == "attention":
        first, _, second = (
            part.weight.detach().numpy() if hasattr(part, "weight") else None for part in network.attention
        )
        scores = np.exp(np.tanh(states @ first.T + network.attention[0].bias.detach().numpy()) @ second[0])
        pooled = (scores[:, None] * states).sum(0) / scores.sum()
    elif pooling == "centre":
        pooled = (states[2] + states[3]) / 2
    else:
        pooled = getattr(states, pooling)(0)
    expected = network.head.weight.detach().numpy() @ pooled + network.head.bias.detach().numpy()
    np.testing.assert_allclose(network(codes, torch.tensor([6]))[0].detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "config",
    [
        {"pooling": "none", "layers": 2},
        {"pooling": "attention", "kmer": 2, "embedding": 2, "bidirectional": False},
        {"pooling": "mean", "filters": 2, "filter_length": 3, "pool": 2},
        {"pooling": "last", "layers": 2, "embedding": 2},
    ],
    ids=lambda config: config["pooling"],
)
def test_gradients_of_the_whole_chain_are_finite_differences(cell, config):
    """Of every weight, through detectors, layers, both directions, pooling and head, for sequences of two lengths."""
    network = build(cell=cell, hidden=2, outputs=2, **{k: v for k, v in config.items()})
    inputs = batch([6, 4], seed=2)
    names = [name for name, _ in network.named_parameters()]
    values = [parameter.detach().clone().requires_grad_() for parameter in network.parameters()]

    def logits(*parameters):
        return torch.func.functional_call(network, dict(zip(names, parameters, strict=True)), inputs)

    assert torch.autograd.gradcheck(logits, values, eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("cell", CELLS)
def test_truncated_gradients_are_those_of_the_last_chunk(cell):
    """The outputs are as before; the gradient of the last state is that of its chunk with the carried state given."""
    whole, cut = (build(cell=cell, pooling="last", bidirectional=False, truncate=size) for size in (0, 4))
    codes, lengths = batch([10])
    whole.train(), cut.train()
    torch.testing.assert_close(cut(codes, lengths), whole(codes, lengths), rtol=0, atol=1e-12)
    cut(codes, lengths).square().sum().backward()

    expected = build(cell=cell, pooling="last", bidirectional=False)
    values = expected.vectors(expected.token_indices(codes, lengths), lengths)
    own = expected.layers[0].forwards
    with torch.no_grad():
        _, carried = own(values[:8])
    states, _ = own(values[8:], carried)
    expected.head(states[-1]).square().sum().backward()
    for found, wanted in zip(cut.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(found.grad, wanted.grad, rtol=0, atol=1e-12)
    whole(codes, lengths).square().sum().backward()
    assert not torch.allclose(whole.layers[0].forwards.weight_hh_l0.grad, cut.layers[0].forwards.weight_hh_l0.grad)


def test_truncation_of_all_states_is_the_sum_over_chunks():
    """A loss at every position, both directions: each chunk's own gradient, counted from where its direction begins."""
    network = build(pooling="none", truncate=4)
    codes, lengths = batch([10])
    network.train()(codes, lengths)[..., 0].sum().backward()
    expected = build(pooling="none")
    values = expected.vectors(codes.long(), None)
    weight = expected.head.weight[0]
    for cell, part, order in (
        (expected.layers[0].forwards, weight[:3], values),
        (expected.layers[0].backwards, weight[3:], values.flip(0)),
    ):
        state = None
        for begin in (0, 4, 8):
            states, state = cell(order[begin : begin + 4], state)
            (states[:, 0] @ part.detach()).sum().backward()
            state = tuple(one.detach() for one in state)
    for name in ("weight_hh_l0", "weight_ih_l0", "bias_hh_l0"):
        for side in ("forwards", "backwards"):
            found, wanted = (getattr(getattr(n.layers[0], side), name).grad for n in (network, expected))
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_dropout_is_of_training_only():
    network = build(dropout=0.5, layers=2)
    inputs = batch([6, 4])
    assert torch.equal(network(*inputs), network(*inputs))
    network.train()
    assert not torch.equal(network(*inputs), network(*inputs))


def test_weights_begin_so_that_what_is_remembered_lasts():
    torch.manual_seed(0)
    cell = Recurrent(RecurrentConfig(hidden=8)).layers[0].forwards
    for gate in cell.weight_hh_l0.detach().split(8):
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), rtol=0, atol=1e-5)
    forget = torch.arange(32) // 8 == 1
    torch.testing.assert_close(cell.bias_ih_l0.detach() + cell.bias_hh_l0.detach(), forget.float())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cell": "elman"}, "cell is 'elman'; expected one of lstm, gru, rnn"),
        ({"pooling": "min"}, "expected one of last, max, mean, attention, centre, none"),
        ({"outputs": 1}, "outputs is 1; expected 2 or more"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"truncate": -1}, "truncate is -1; expected 0 or more"),
        ({"kmer": 2}, "k-mers need learned vectors"),
        ({"kmer": 9, "embedding": 2}, "at most 65536 tokens"),
        ({"filters": 2}, "give both or neither"),
        ({"pool": 2}, "only detectors' activations are pooled"),
        ({"filters": 2, "filter_length": 3, "pool": 2, "pooling": "none"}, "needs pool 1"),
    ],
)
def test_config_is_checked(wrong, said):
    with pytest.raises(ModelError, match=said):
        build_network("recurrent", wrong)
