"""Small recurrent models with random weights."""

from __future__ import annotations

import numpy as np
import torch

from bioconv.models.model_file import write_model
from bioconv.models.recurrent import Recurrent, RecurrentConfig
from bioconv.sequence.alphabets import ALPHABETS
from bioconv.sequence.recurrent.model import SequenceModel, to_model_file

REVERSED = str.maketrans("ACGT", "TGCA")


def sequence_model(seed=1, *, name="m", labels=("no", "yes", "N"), alphabet="dna", config=None, **use):
    torch.manual_seed(seed)
    letters = ALPHABETS[alphabet]
    sizes = {"hidden": 3, **(config or {}), "letters": len(letters), "outputs": len(labels)}
    network = Recurrent(RecurrentConfig(**sizes)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.7)
    return SequenceModel(name, network, letters, tuple(labels), **{"temperature": 1.5, **use})


def model_path(folder, seed=1, **choices):
    path = folder / f"m{seed}{choices.get('name', '')}.safetensors"
    write_model(path, to_model_file(sequence_model(seed, **choices)))
    return path


def random_texts(lengths, *, seed=0, letters="ACGTN"):
    draw = np.random.default_rng(seed)
    return {f"s{k}": "".join(np.array(list(letters))[draw.integers(0, len(letters), n)]) for k, n in enumerate(lengths)}


def expected(model, text):
    """Probabilities of a text, as the definition says: one sequence, softmax of logits over the temperature."""
    codes = torch.from_numpy(model.alphabet.encode(text).copy())[None]
    with torch.inference_mode():
        logits = model.network(codes, torch.tensor([len(text)]))[0].double()
    return (logits / model.temperature).softmax(-1).numpy()


def reverse_complement(text):
    return text[::-1].translate(REVERSED)
