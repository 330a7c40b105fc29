"""How fast does a GPU train a U-Net and segment with it, beside MONAI's way on the same GPU?

Training: patches a second of one U-Net in bfloat16, the same images, batches, loss and optimiser for both; flips and
quarter turns. Ours: the trainer with its own samples. MONAI's: CacheDataset, its random crops, a DataLoader with worker
processes, DiceCELoss, a plain loop as in its tutorials. Inference: megapixels a second of one large image from and to
host memory, exact tiles of 1024 and 2048 pixels beside sliding_window_inference with windows as large; and tiles of
256, one by one and in batches.

Run: python benchmarks/gpu_segment.py [--size 8192] [--rounds 3] (images: see segment_tiling.py; training needs
dsb2018-bbbc038 in the folder BIOCONV_DATA_MIRROR names). --tiny checks that the script runs, on any machine; its
figures mean nothing and are not written.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import timing
import torch
from numpy.typing import NDArray
from segment_tiling import network_of, scaled, write_mosaic

from bioconv.conv.batching import BATCH_PIXELS
from bioconv.conv.streaming import Steps, Streaming
from bioconv.conv.tiling import run_tiled
from bioconv.images.augmentation import Augmentation
from bioconv.models.building import build_network
from bioconv.segmentation.learning.data import LabelledImage, Pair, Reading, find_pairs, read_data
from bioconv.segmentation.learning.recipe import DEFAULTS
from bioconv.segmentation.learning.samples import PatchPlan, PatchSamples
from bioconv.segmentation.objective import Objective
from bioconv.segmentation.preprocessing import Preprocessing
from bioconv.training import Trainer
from bioconv.version import __version__

TURNS = Augmentation(flips=True, quarter_turns=True, probability=1.0)
BINARY = Objective("binary", ("foreground",))


@dataclass(frozen=True)
class Plan:
    """Where and how much."""

    device: str
    size: int
    windows: tuple[int, ...]
    small: int
    patch: int
    per_image: int
    batch: int
    workers: int
    rounds: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=8192, help="pixels a side of the image to segment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="check that the script runs")
    given = parser.parse_args()
    if not given.tiny and not torch.cuda.is_available():
        parser.error("no CUDA device: --tiny checks that the script runs")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plan = Plan(device, given.size, (1024, 2048), 256, 128, 8, 32, min(8, os.cpu_count() or 1), given.rounds)
    plan = Plan(device, 256, (192,), 192, 32, 1, 2, 0, 1) if given.tiny else plan
    import monai

    labelled = images(given.tiny)
    name = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    parts = [
        "# Segmenting on a GPU\n",
        f"bioconv {__version__}, torch {torch.__version__}, MONAI {monai.__version__}, {name}; {timing.machine()}\n",
        f"## Training\n\nPatches of {plan.patch} x {plan.patch}, batches of {plan.batch}; a round: {plan.per_image} of",
        f"each of {len(labelled)} images.\n",
        timing.table(["", "s a round", "s / ours"], training_rows(labelled, plan)),
        f"## Inference\n\nAn image of {plan.size} x {plan.size}, float32.\n",
        timing.table(["", "s", "s / ours", "largest difference to the whole"], inference_rows(plan)),
    ]
    if given.tiny:
        print("\n".join(parts), "\nA self-check: these figures mean nothing.")
        return
    timing.write_report(__file__, parts)


def images(tiny: bool) -> tuple[LabelledImage, ...]:
    """Return fluorescence images, labels 0 and 1; generated ones for a self-check."""
    if tiny:
        rng = np.random.default_rng(0)
        drawn = [rng.integers(0, 255, (1, 64, 64)).astype(np.uint8) for _ in range(3)]
        return tuple(
            LabelledImage(Pair(str(k), Path(), Path()), one, (one[0] > 127).astype(np.int32))
            for k, one in enumerate(drawn)
        )
    folder = Path(os.environ["BIOCONV_DATA_MIRROR"]) / "dsb2018-bbbc038"
    data = read_data(find_pairs(folder / "images", folder / "labels"), Reading(kind="instances", channel="0"))
    return tuple(
        replace(image, pixels=image.pixels[:1], labels=(image.labels > 0).astype(np.int32)) for image in data.images
    )


def training_rows(labelled: tuple[LabelledImage, ...], plan: Plan) -> list[list[object]]:
    config = replace(
        DEFAULTS, epochs=1, batch_size=plan.batch, precision="bfloat16", ema=None, monitor="loss", warmup_steps=0
    )
    seconds = timing.interleave(
        {"ours": ours(labelled, config, plan), "MONAI": theirs(labelled, config, plan)}, plan.rounds
    )
    return [
        [name, timing.shown_seconds(own), timing.shown_ratio(own, seconds["ours"])] for name, own in seconds.items()
    ]


def new_network() -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_network("unet", {"channels_in": 1, "outputs": 1})
    return network.to(memory_format=torch.channels_last)


def ours(labelled: tuple[LabelledImage, ...], config: Any, plan: Plan) -> Callable[[], object]:
    patches = PatchPlan(size=plan.patch, per_epoch=plan.per_image * len(labelled), foreground=0.5)
    samples = PatchSamples(labelled, BINARY, Preprocessing(), patches, augmentation=TURNS)
    return lambda: Trainer(new_network(), samples, config, loss=BINARY.loss(config), device=plan.device).fit()


def theirs(labelled: tuple[LabelledImage, ...], config: Any, plan: Plan) -> Callable[[], object]:
    from monai import transforms
    from monai.data import CacheDataset, DataLoader, list_data_collate
    from monai.losses import DiceCELoss

    keys, preprocessing = ["image", "label"], Preprocessing()
    items = [
        {"image": preprocessing.prepare(one.pixels, preprocessing.intensity(one.pixels)), "label": one.labels[None]}
        for one in labelled
    ]
    side = (plan.patch, plan.patch)
    steps = transforms.Compose(
        [
            transforms.SpatialPadd(keys, side),
            transforms.RandCropByPosNegLabeld(keys, "label", side, pos=1, neg=1, num_samples=plan.per_image),
            transforms.RandFlipd(keys, prob=0.5, spatial_axis=0),
            transforms.RandFlipd(keys, prob=0.5, spatial_axis=1),
            transforms.RandRotate90d(keys, prob=0.75),
        ]
    )
    cached = CacheDataset(items, steps, progress=False)
    batches = plan.batch // plan.per_image
    loader = DataLoader(
        cached, batch_size=batches, shuffle=True, num_workers=plan.workers, collate_fn=list_data_collate
    )

    def run() -> None:
        network = new_network().to(plan.device).train()
        optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.l2)
        loss = DiceCELoss(sigmoid=True)
        for batch in loader:
            for part in range(0, len(batch["image"]), plan.batch):
                inputs, targets = (batch[key][part : part + plan.batch].as_tensor().to(plan.device) for key in keys)
                optimizer.zero_grad(set_to_none=True)
                with torch.autocast(plan.device, torch.bfloat16):
                    outputs = network(inputs.float())
                loss(outputs.float(), targets.float()).backward()
                optimizer.step()
        if plan.device == "cuda":
            torch.cuda.synchronize()

    return run


def inference_rows(plan: Plan) -> list[list[object]]:
    from monai.inferers import sliding_window_inference

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.npy"
        write_mosaic(path, plan.size)
        network, geometry = network_of(path)
        image = scaled(np.load(path))
    network = network.to(plan.device)

    def logits(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = network(torch.from_numpy(batch).to(plan.device)).cpu().numpy()
        return found

    def tiles(side: int, batch_pixels: int = 0) -> NDArray[np.float32]:
        out = np.empty((3, *image.shape[1:]), np.float32)

        def write(window: tuple[slice, ...], values: NDArray[Any]) -> None:
            out[:, *window] = values

        shape, how = image.shape[1:], Streaming(batch_pixels=batch_pixels)
        steps = Steps(np.stack, logits, list)
        run_tiled(steps, lambda w: image[:, *w], write, shape=shape, geometry=geometry, tile=(side, side), how=how)
        return out

    def windows(side: int, overlap: float) -> NDArray[np.float32]:
        with torch.inference_mode():
            found = sliding_window_inference(
                torch.from_numpy(image)[None], (side, side), 4, network, overlap, "gaussian",
                sw_device=plan.device, device="cpu",
            )  # fmt: skip
        result: NDArray[np.float32] = found[0].numpy()
        return result

    ways: dict[str, Callable[[], NDArray[np.float32]]] = {}
    for side in plan.windows:
        ways[f"tiles of {side}"] = lambda side=side: tiles(side)
        for overlap in (0.25, 0.5):
            ways[f"MONAI, {side}, overlap {overlap}"] = lambda side=side, overlap=overlap: windows(side, overlap)
    ways[f"tiles of {plan.small}, one by one"] = lambda: tiles(plan.small)
    ways[f"tiles of {plan.small}, in batches"] = lambda: tiles(plan.small, BATCH_PIXELS)
    truth = tiles(max(plan.windows)) if plan.size > 4096 else logits(image[None])[0]
    largest = float(np.abs(truth).max())
    differences = {name: float(np.abs(way() - truth).max()) / largest for name, way in ways.items()}
    seconds = timing.interleave(ways, plan.rounds)
    first = next(iter(seconds.values()))
    return [
        [name, timing.shown_seconds(own), timing.shown_ratio(own, first), f"{differences[name]:.1e}"]
        for name, own in seconds.items()
    ]


if __name__ == "__main__":
    main()
