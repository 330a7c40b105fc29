"""Fixtures of the sequence tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from bioconv.conv import native


@pytest.fixture(scope="session")
def no_kernels() -> Callable[[], AbstractContextManager[None]]:
    """Return a context manager under which there are no compiled kernels."""

    @contextmanager
    def without() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "kernels", lambda: None)
            yield

    return without
