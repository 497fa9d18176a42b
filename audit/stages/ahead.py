"""Work that runs ahead of who asks for it, in other threads or processes."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Thread
from typing import TypeVar

from audit.errors import AuditError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """``work`` of each item, in order; at most ``ahead`` are under way or waiting to be taken.

    After an error, or where the results are not wanted any more, what has not begun is dropped.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # A process pool drops its own (below): its thread stumbles over what others have cancelled.
        for future in () if isinstance(pool, ProcessPoolExecutor) else waiting:
            future.cancel()


@contextmanager
def processes(count: int, where: str) -> Iterator[Executor]:
    """So many processes, forked now: to be entered while no other thread could be holding a lock.

    Raises
    ------
    AuditError: one of them was killed.
    """
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_born)
    try:
        pool.submit(int).result()
        yield pool
    except BrokenProcessPool:
        raise AuditError(
            "one of its processes was killed, as when memory runs out", where=where,
            hint="run again, with more memory or with fewer --cores",
        ) from None  # fmt: skip
    finally:
        pool.shutdown(cancel_futures=True)


def _born() -> None:
    gc.freeze()  # what it was born with is not looked through for garbage, which would copy all of it
    end_with_parent()


def end_with_parent() -> None:
    """For a pool's process: nobody tells it that its parent was killed, and it would wait for ever."""
    Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
