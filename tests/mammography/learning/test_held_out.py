"""Scores of held-out images, one at a time: what is said where one does not fit the memory."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from bioconv.errors import OptionError
from bioconv.mammography.learning.held_out import finding_scores
from bioconv.training.normalisation import Normalisation

AS_IT_IS = Normalisation.from_json({"mean": [0.0], "deviation": [1.0]})


class Mean(nn.Module):
    """Has room for images of 60 pixels."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        if images.numel() > 60:
            raise torch.OutOfMemoryError
        return (images * self.scale).mean((2, 3))


def image(name, sides):
    return SimpleNamespace(name=name, pixels=np.full(sides, 32768, np.uint16))


def test_an_image_that_does_not_fit_is_named():
    found = finding_scores(Mean(), [image("a", (6, 5)), image("b", (10, 6))], AS_IT_IS)
    np.testing.assert_allclose(found, [0.5, 0.5], atol=1e-4)
    with pytest.raises(OptionError, match=r"^b: out of memory on --device cpu; end what else uses the device"):
        finding_scores(Mean(), [image("a", (6, 5)), image("b", (10, 7))], AS_IT_IS)
