"""Begins what the tests of a file wait for ahead of them, so that two cores have work at the same time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pytest

AT_ONCE = 2  # a machine for the tests has two cores, and each piece of work keeps one busy
T = TypeVar("T")


@contextlib.contextmanager
def ahead(request: pytest.FixtureRequest, work: Callable[..., T]) -> Iterator[dict[str, Future[T]]]:
    """For a fixture of a file: call `work` with the parameters of each selected test that takes the fixture, AT_ONCE at a time and in
    the order of the tests. Gives what comes of each call by the test's name (`request.node.name`). `work` runs in a thread, so its folder
    is made before: pytest's `mktemp` is not safe in two threads."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield {
            item.name: pool.submit(work, **item.callspec.params)
            for item in request.session.items
            if isinstance(item, pytest.Function) and item.module is request.module and request.fixturename in item.fixturenames
        }
    finally:
        pool.shutdown(cancel_futures=True)
