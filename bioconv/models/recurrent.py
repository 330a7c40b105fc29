"""Recurrent networks over sequences: LSTM, GRU and plain cells, alone or behind motif detectors.

LSTM: Hochreiter & Schmidhuber, Neural Comput 9:1735-1780 (1997), doi 10.1162/neco.1997.9.8.1735, with the forget gate
of Gers et al., doi 10.1162/089976600300015015. GRU: Cho et al. 2014, doi 10.3115/v1/D14-1179. Both directions: Schuster
& Paliwal 1997, doi 10.1109/78.650093. Behind motif detectors: Quang & Xie 2016 (DanQ), doi 10.1093/nar/gkw226.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CELLS: dict[str, Callable[[int, int], nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
POOLINGS = ("last", "max", "mean", "attention", "centre", "none")
MOST_TOKENS = 65536


@dataclass(frozen=True)
class RecurrentConfig:
    """Hyper-parameters; the defaults are a network of both directions over one-hot letters.

    Parameters
    ----------
    letters
        Size of the alphabet; the code `letters` is an unknown letter.
    kmer
        Letters of a token. Tokens begin at every letter, centred; beyond the ends lie unknown letters, and a token
        with an unknown letter is the unknown token.
    embedding
        Size of a token's learned vector; 0: one-hot letters, an unknown one 1/letters of each.
    filters, filter_length
        Motif detectors in front of the recurrent layers, and the tokens one spans; 0: none.
    pool
        Tokens whose best activation of a detector is kept; 1: all are.
    cell
        `lstm`, `gru` or `rnn` (tanh).
    hidden
        Units of a layer, per direction.
    layers
        Recurrent layers, each over the states of the one before; 0: none, the detectors' activations are the states.
    bidirectional
        Whether each layer also reads from the end to the start.
    pooling
        What the head reads of the states: those at the ends of reading (`last`), their `max` or `mean` over
        positions, their mean by learned weights (`attention`), the one in the middle (`centre`: the mean of two where
        their number is even; for windows around a site), or each on its own (`none`: an output per position).
    outputs
        Classes.
    dropout
        Share dropped in training of what a layer gives to the next, and of what the head reads.
    truncate
        Letters after which gradients stop in training, while the state is carried on; 0: never.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    letters: int = 4
    kmer: int = 1
    embedding: int = 0
    filters: int = 0
    filter_length: int = 0
    pool: int = 1
    cell: str = "lstm"
    hidden: int = 64
    layers: int = 1
    bidirectional: bool = True
    pooling: str = "max"
    outputs: int = 2
    dropout: float = 0.0
    truncate: int = 0

    def __post_init__(self) -> None:
        least = {"letters": 2, "outputs": 2, "kmer": 1, "pool": 1, "hidden": 1}
        for name in ("letters", "outputs", "kmer", "pool", "hidden", "layers", "embedding", "filters", "truncate"):
            if getattr(self, name) < least.get(name, 0):
                message = f"{name} is {getattr(self, name)}; expected {least.get(name, 0)} or more"
                raise ValueError(message)
        for name, known in (("cell", tuple(CELLS)), ("pooling", POOLINGS)):
            if getattr(self, name) not in known:
                message = f"{name} is {getattr(self, name)!r}; expected one of {', '.join(known)}"
                raise ValueError(message)
        if not 0 <= self.dropout < 1:
            message = f"dropout is {self.dropout}; expected a share in [0, 1)"
            raise ValueError(message)
        self._check_front()

    def _check_front(self) -> None:
        message = ""
        if self.letters > 254 or self.kmer > 16 or self.tokens > MOST_TOKENS:
            message = f"{self.letters} letters in k-mers of {self.kmer}: at most {MOST_TOKENS} tokens can be told apart"
        elif self.kmer > 1 and not self.embedding:
            message = f"kmer is {self.kmer} and embedding 0: k-mers need learned vectors, give embedding 1 or more"
        elif (self.filters > 0) != (self.filter_length > 0) or self.filter_length < 0:
            message = f"filters is {self.filters} and filter_length {self.filter_length}: give both or neither"
        elif self.pool > 1 and not self.filters:
            message = f"pool is {self.pool} with no filters: only detectors' activations are pooled"
        elif not self.layers and not self.filters:
            message = "layers is 0 with no filters: nothing would be learnt but a head; give filters, or layers"
        elif not self.layers and self.pooling == "last":
            message = "layers is 0 with pooling 'last': nothing is read in an order; give another pooling"
        elif self.pool > 1 and self.pooling == "none":
            message = f"pool is {self.pool} with pooling 'none': an output per position needs pool 1"
        if message:
            raise ValueError(message)

    @property
    def tokens(self) -> int:
        """Return how many tokens there are, the unknown one not counted, which is also its index."""
        return int(self.letters**self.kmer)

    @property
    def token_size(self) -> int:
        """Return the size of a token's vector."""
        return self.embedding or self.letters

    @property
    def state_size(self) -> int:
        """Return the size of a position's state, both directions together."""
        if not self.layers:
            return self.filters
        return self.hidden * (2 if self.bidirectional else 1)

    @property
    def before(self) -> int:
        """Return how many letters before a position its token and detectors read."""
        return (self.kmer - 1) // 2 + max(self.filter_length - 1, 0) // 2

    @property
    def after(self) -> int:
        """Return how many letters behind a position its token and detectors read."""
        return self.kmer // 2 + max(self.filter_length, 1) // 2


class RecurrentLayer(nn.Module):
    """One layer by a network's `config`: a cell over `inputs` numbers a step, from start to end.

    With `bidirectional` another from end to start.
    """

    def __init__(self, config: RecurrentConfig, inputs: int) -> None:
        super().__init__()
        cell = CELLS[config.cell]
        self.forwards = cell(inputs, config.hidden)
        self.backwards = cell(inputs, config.hidden) if config.bidirectional else None

    @property
    def directions(self) -> tuple[nn.RNNBase, ...]:
        """Return the cell that reads from start to end and, where there is one, the other."""
        return (self.forwards,) if self.backwards is None else (self.forwards, self.backwards)

    def readings(self, values: Tensor, reverse: Tensor | None, chunk: int = 0) -> list[Tensor]:
        """Return each direction's states (T, N, H) in the order it reads values (T, N, V) in.

        Parameters
        ----------
        values
            (T, N, V), as the layer before gives them.
        reverse
            Index (T, N) that turns each sequence round, as of `reversal`; None: all are T long.
        chunk
            Steps after which gradients stop; 0: never.
        """
        states = [run_cell(self.forwards, values, chunk)]
        if self.backwards is not None:
            states.append(run_cell(self.backwards, turn_round(values, reverse), chunk))
        return states

    def forward(self, values: Tensor, reverse: Tensor | None, chunk: int = 0) -> Tensor:
        """Return the states (T, N, D) of all positions, both directions side by side.

        Parameters
        ----------
        values, reverse, chunk
            As of `readings`.
        """
        states = self.readings(values, reverse, chunk)
        return torch.cat([*states[:1], *(turn_round(turned, reverse) for turned in states[1:])], dim=2)


class Recurrent(nn.Module):
    """Letters to vectors, motif detectors where wanted, recurrent layers, pooling, a linear head, by a `config`."""

    config_class = RecurrentConfig
    head_names = ("head",)

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.tokens + 1, config.embedding) if config.embedding else None
        self.filters = nn.Conv1d(config.token_size, config.filters, config.filter_length) if config.filters else None
        sizes = [config.filters or config.token_size] + [config.state_size] * (config.layers - 1)
        self.layers = nn.ModuleList(RecurrentLayer(config, size) for size in sizes[: config.layers])
        self.attention = attention(config) if config.pooling == "attention" else None
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.state_size, config.outputs)
        one_hot = torch.eye(config.letters + 1, config.letters)
        one_hot[config.letters] = 1 / config.letters
        self.one_hot: Tensor
        self.register_buffer("one_hot", one_hot, persistent=False)
        for layer in self.layers:
            start_cells(layer)

    @property
    def stack(self) -> list[RecurrentLayer]:
        """Return the recurrent layers, the first one first."""
        return [layer for layer in self.layers if isinstance(layer, RecurrentLayer)]

    def forward(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits of sequences.

        Parameters
        ----------
        codes
            (N, L) uint8: 0 to letters - 1, and `letters` for an unknown one; behind a sequence's end anything.
        lengths
            (N,) int64, each from 1 to L.

        Returns
        -------
        Tensor
            (N, outputs), or (N, L, outputs) with the pooling `none`, 0 behind a sequence's end. A sequence's logits
            depend neither on the others nor on the padding.
        """
        lengths = lengths.to(codes.device)
        whole = bool((lengths == codes.shape[1]).all())
        values = self.vectors(self.token_indices(codes, lengths), None if whole else lengths)
        steps = None if whole else self.steps(lengths)
        return self.classify(self.dropout(values) if self.filters else values, steps)

    def token_indices(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """Return the tokens (N, L) int64 of `codes` (N, L); from each of `lengths` (N,) on the unknown token."""
        config = self.config
        unknown = ~(_inside(codes.shape[1], lengths).T & (codes < config.letters))
        letters = codes.long().masked_fill(unknown, config.letters)
        if config.kmer == 1:
            return letters
        ends = ((config.kmer - 1) // 2, config.kmer // 2)
        windows = functional.pad(letters, ends, value=config.letters).unfold(1, config.kmer, 1)
        places = config.letters ** torch.arange(config.kmer - 1, -1, -1, device=codes.device)
        tokens = (windows * places).sum(2)
        return tokens.masked_fill((windows == config.letters).any(2), config.tokens)

    def vectors(self, tokens: Tensor, lengths: Tensor | None) -> Tensor:
        """Return what the first recurrent layer reads, (T, N, V), of tokens (N, L); no lengths: all are L long."""
        table = self.one_hot if self.embedding is None else self.embedding.weight
        values = functional.embedding(tokens.T, table)
        if self.filters is None:
            return values
        values = values.permute(1, 2, 0)
        inside = None if lengths is None else _inside(tokens.shape[1], lengths).T[:, None]
        size = self.config.filter_length
        # Beyond its ends a sequence is 0, so that no padding tells on its detectors.
        framed = functional.pad(values if inside is None else values * inside, ((size - 1) // 2, size // 2))
        activations: Tensor = self.filters(framed).relu()
        if inside is not None:
            activations = activations * inside
        if self.config.pool > 1:  # rectified activations: the zeros behind an end are never better than what is there
            activations = functional.max_pool1d(activations, self.config.pool, ceil_mode=True)
        return activations.permute(2, 0, 1)

    def steps(self, lengths: Tensor) -> Tensor:
        """Return how many steps the recurrent layers take over sequences of `lengths` (N,) letters."""
        return torch.div(lengths + self.config.pool - 1, self.config.pool, rounding_mode="floor")

    def classify(self, values: Tensor, steps: Tensor | None) -> Tensor:
        """Return the logits of values (T, N, V) of sequences that take (N,) steps; None: all take T."""
        inside = None if steps is None else _inside(len(values), steps)[..., None]
        reverse = None if steps is None or not self.config.bidirectional else reversal(len(values), steps)
        gradients = self.training and torch.is_grad_enabled()
        chunk = math.ceil(self.config.truncate / self.config.pool) if gradients else 0
        for layer in self.stack[:-1]:
            values = self.dropout(layer(values, reverse, chunk))
        last = self.stack[-1] if self.stack else None
        if self.config.pooling == "none" or self.attention is not None:
            states = values if last is None else last(values, reverse, chunk)
            if self.attention is None:
                logits: Tensor = self.head(self.dropout(states))
                return (logits if inside is None else logits * inside).transpose(0, 1)
            pooled = self._attend(states, inside)
        else:  # in the order of reading: the ends of reading are last there, and the others know no order
            readings = [values] if last is None else last.readings(values, reverse, chunk)
            pooled = torch.cat([self._pool(states, steps, inside) for states in readings], dim=1)
        found: Tensor = self.head(self.dropout(pooled))
        return found

    def _attend(self, states: Tensor, inside: Tensor | None) -> Tensor:
        assert self.attention is not None
        scores: Tensor = self.attention(states)
        weights = (scores if inside is None else scores.masked_fill(~inside, -math.inf)).softmax(0)
        return (weights * states).sum(0)

    def _pool(self, states: Tensor, steps: Tensor | None, inside: Tensor | None) -> Tensor:
        """Return the pooled states (N, H) of one direction's (T, N, H)."""
        if self.config.pooling in ("last", "centre"):
            ends = torch.full((states.shape[1],), len(states), device=states.device) if steps is None else steps
            if self.config.pooling == "last":
                return _at(states, ends - 1)
            return (_at(states, (ends - 1) // 2) + _at(states, ends // 2)) / 2
        if self.config.pooling == "max":
            return (states if inside is None else states.masked_fill(~inside, -math.inf)).amax(0)
        return states.mean(0) if inside is None or steps is None else (states * inside).sum(0) / steps[:, None]


def attention(config: RecurrentConfig) -> nn.Sequential:
    """Return what gives each state the logarithm of its weight, in a network of a `config`.

    Bahdanau et al., arXiv 1409.0473.
    """
    return nn.Sequential(
        nn.Linear(config.state_size, config.hidden), nn.Tanh(), nn.Linear(config.hidden, 1, bias=False)
    )


def run_cell(cell: nn.RNNBase, values: Tensor, chunk: int = 0) -> Tensor:
    """Return a cell's states (T, N, H).

    Parameters
    ----------
    cell
        `nn.LSTM`, `nn.GRU` or `nn.RNN`, of one layer and direction.
    values
        (T, N, V), what the cell reads at each step.
    chunk
        Steps after which gradients stop, while the state is carried on; 0: never.
    """
    if not 0 < chunk < len(values):
        found: Tensor = cell(values)[0]
        return found
    state = None
    parts = []
    for part in torch.split(values, chunk):
        states, state = cell(part, state)
        parts.append(states)
        state = tuple(one.detach() for one in state) if isinstance(state, tuple) else state.detach()
    return torch.cat(parts)


def reversal(steps: int, lengths: Tensor) -> Tensor:
    """Return the (steps, N) index that turns sequences round within their `lengths` (N,); padding stays in place."""
    place = torch.arange(steps, device=lengths.device)[:, None]
    return torch.where(place < lengths, lengths - 1 - place, place)


def turn_round(values: Tensor, reverse: Tensor | None) -> Tensor:
    """Return values (T, N, V) of each sequence in the opposite order.

    Parameters
    ----------
    values
        (T, N, V) of any dtype.
    reverse
        Index (T, N) as of `reversal`; None: all are T long.
    """
    if reverse is None:
        return values.flip(0)
    return values.gather(0, reverse[..., None].expand_as(values))


def start_cells(layer: nn.Module) -> None:
    """Draw the weights of a layer's cells.

    Recurrent weights are orthogonal (Saxe et al., arXiv 1312.6120), input weights Glorot's; biases begin at 0, those of
    an LSTM's forget gate at 1 (Jozefowicz et al. 2015), so that what is remembered lasts.
    """
    for cell in layer.modules():
        if not isinstance(cell, nn.RNNBase):
            continue
        for name, parameter in cell.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(parameter)
                continue
            for gate in torch.split(parameter.detach(), cell.hidden_size):
                (nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_)(gate)
        if isinstance(cell, nn.LSTM):
            cell.get_parameter("bias_ih_l0").detach()[cell.hidden_size : 2 * cell.hidden_size] = 1


def _at(states: Tensor, places: Tensor) -> Tensor:
    """Return each sequence's state (N, H) of (T, N, H) at its place (N,)."""
    return states.gather(0, places[None, :, None].expand_as(states[:1]))[0]


def _inside(steps: int, lengths: Tensor) -> Tensor:
    """Return (steps, N), true before a sequence's end."""
    return torch.arange(steps, device=lengths.device)[:, None] < lengths
