"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# How long an example takes is the machine's affair, not the code's.
settings.register_profile("bioconv", deadline=None)
settings.load_profile("bioconv")

ROOT = Path(__file__).parent.parent

# Triton decides when it is first imported: where there is no GPU, its kernels run in its interpreter, on NumPy.
if not Path("/dev/nvidiactl").exists():
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True)
def log_as_imported() -> None:
    """Undo what an earlier test's command did to the log: it would be caught twice, or not at all."""
    logger = logging.getLogger("bioconv")
    logger.handlers[:], logger.propagate = [logging.NullHandler()], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return a function from a data set's file (`motifs/JASPAR2024.meme.gz`) to its path, or skip."""
    mirror = Path(os.environ.get("BIOCONV_DATA_MIRROR", ROOT.parent / "shared" / "data"))

    def locate(name: str) -> Path:
        path = mirror / name
        if not path.exists():
            pytest.skip(f"development data {name} not found (set BIOCONV_DATA_MIRROR to a folder that holds it)")
        return path

    return locate


@pytest.fixture(scope="session")
def motif_model() -> Callable[..., object]:
    """Return a function that makes a small random DeepBind model: strong detectors, so that letters matter."""
    from bioconv.conv.detectors import Detectors
    from bioconv.sequence.deepbind import MotifModel

    def make(seed=0, *, length=5, window=12, padded=False, average=True, hidden=3, both=True, logistic=None, name="m"):
        rng = np.random.default_rng(seed)
        features = 4 * (2 if average else 1)
        detectors = Detectors(
            filters=rng.normal(size=(4, 4, length)),
            thresholds=rng.normal(size=4) - 1,
            average_pooling=average,
            weights1=rng.normal(size=(features, hidden or 1)),
            biases1=rng.normal(size=hidden or 1),
            weights2=rng.normal(size=hidden) if hidden else None,
            bias2=0.3 if hidden else 0.0,
            reverse_complement=both,
        )
        return MotifModel(name, detectors, window=window, padded=padded, logistic=logistic)

    return make


@pytest.fixture(scope="session")
def model_path(motif_model, tmp_path_factory) -> Callable[..., Path]:
    """Return a function that writes such a model to a file."""
    from bioconv.models.model_file import write_model
    from bioconv.sequence.deepbind import to_model_file

    def write(seed=0, **options):
        path = tmp_path_factory.mktemp("model") / f"{options.get('name', 'm')}.safetensors"
        write_model(path, to_model_file(motif_model(seed, **options)))
        return path

    return write


@pytest.fixture(scope="session")
def spot_model() -> Callable[..., object]:
    """Return a function that makes a model file's contents: an untrained U-Net whose weights were set by hand.

    Its upper level blurs the image by 3x3 twice; what is bright is foreground, the brighter the nearer the middle.
    """
    import torch

    from bioconv.models.unet import UNet, UNetConfig
    from bioconv.segmentation.model import to_model_file
    from bioconv.segmentation.objective import INSTANCE_MAPS, Objective
    from bioconv.segmentation.preprocessing import Preprocessing

    def make(kind="instances", *, inputs=("gray",), name="spots", ndim=2, level=0.4, dropout=0.0, **about):
        labels = {"instances": INSTANCE_MAPS, "binary": ("spot",), "classes": ("background", "dim", "bright")}[kind]
        config = UNetConfig(len(inputs), len(labels), ndim, widths=(2, 4), batch_norm=False, dropout=dropout)
        network = UNet(config).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                # The lower level matters a little, so that strides and dropout can be seen.
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
            first, second = network.encoder[0][0], network.encoder[0][2]
            box = 3**ndim
            first.weight[0], first.bias[0] = 1 / (box * len(inputs)), 0
            second.weight[0], second.bias[0] = 0, 0
            second.weight[0, 0] = 1 / box
            decoder = network.decoder[0][0]
            decoder.weight[0], decoder.bias[0] = 0, 0
            decoder.weight[(0, 0, *(1,) * ndim)] = 1
            head = network.head
            slope = {"instances": (30, 5, 0), "binary": (30,), "classes": (0, 30, 60)}[kind]
            shift = {"instances": (-30 * level, -2.5, -9), "binary": (-30 * level,), "classes": (0, -12, -33)}[kind]
            for number in range(len(labels)):
                head.weight[number], head.bias[number] = 0, shift[number]
                head.weight[number, 0] = slope[number]
        facts = {"name": name, "segmentation": {"diameter": 12.0, **about}}
        if "spacing" in about:
            facts["spacing"] = facts["segmentation"].pop("spacing")
        preprocessing = Preprocessing(inputs=inputs, low=0.0, high=100.0)
        return to_model_file(network, "unet", Objective(kind, labels), preprocessing, facts)

    return make


@pytest.fixture(scope="session")
def spot_model_path(spot_model, tmp_path_factory) -> Callable[..., Path]:
    """Return a function that writes such a model to a file."""
    from bioconv.models.model_file import write_model

    def write(kind="instances", *, name="spots", **options) -> Path:
        path = tmp_path_factory.mktemp("model") / f"{name}.safetensors"
        write_model(path, spot_model(kind, name=name, **options))
        return path

    return write


@pytest.fixture(scope="session")
def spots() -> Callable[..., np.ndarray]:
    """Return a function from a shape to an image of bright discs, far from each other and from the border."""

    def make(shape=(60, 80), *, radius=6, step=20, height=200, dtype=np.uint8, seed=0):
        rng = np.random.default_rng(seed)
        image = rng.normal(20, 2, shape).clip(0)
        y, x = np.ogrid[: shape[0], : shape[1]]
        distance = np.hypot(y % step - step // 2, x % step - step // 2)
        image = np.maximum(image, height * np.clip(1.3 - distance / radius, 0, 1))
        return image.astype(dtype)

    return make


@pytest.fixture(scope="session")
def mass_training(tmp_path_factory) -> tuple[object, object, Path]:
    """Return a classifier trained on synthetic women with masses: its run, its data, and their folder."""
    from tests.mammography import phantoms

    folder = tmp_path_factory.mktemp("women")
    return (*phantoms.train(folder), folder)


@pytest.fixture(scope="session")
def mass_model(mass_training, tmp_path_factory) -> Path:
    """Return its model file."""
    from bioconv.models.model_file import write_model

    path = tmp_path_factory.mktemp("model") / "masses.safetensors"
    write_model(path, mass_training[0].model)
    return path


@pytest.fixture(scope="session")
def other_model(mass_training, tmp_path_factory) -> Path:
    """Return a second model: its scores are others, and it reads images of another size; nothing is calibrated."""
    from dataclasses import replace

    from bioconv.models.model_file import write_model

    file = mass_training[0].model
    metadata = dict(file.metadata) | {"name": "other"}
    metadata["classification"] = dict(metadata["classification"]) | {"decisions": [], "domain": ""}
    preprocessing = dict(metadata["preprocessing"])
    preprocessing["preparation"] = dict(preprocessing["preparation"]) | {"size": [48, 40]}
    metadata["preprocessing"] = preprocessing
    path = tmp_path_factory.mktemp("model") / "other.safetensors"
    write_model(path, replace(file, metadata=metadata))
    return path
