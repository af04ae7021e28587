"""Produces items on a thread of its own, ahead of whoever uses them: the next page is read while one is written."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")


def prefetch(items: Iterator[T], depth: int = 1) -> Iterator[T]:
    """Produce items on a thread of their own, a few ahead of their consumer.

    Reading the next page and writing the last one then take the time of the slower, not of both. An error of the
    producer is raised where its item would have come; a consumer that stops early stops the producer.
    """
    room = threading.Semaphore(depth)  # counted before an item is made: a page is megabytes, and seven are read at once
    ready: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    stopped = threading.Event()

    def produce() -> None:
        try:
            while room.acquire() and not stopped.is_set():
                ready.put(("item", next(items)))
        except StopIteration:
            ready.put(("end", None))
        except BaseException as error:
            ready.put(("error", error))

    # The thread's log lines carry the run and the entity of their consumer.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(produce,), name="ahead", daemon=True)
    thread.start()
    try:
        for kind, value in iter(ready.get, ("end", None)):
            if kind == "error":
                raise value
            room.release()
            yield value
    finally:
        stopped.set()
        room.release()
        thread.join()
        if isinstance(items, Generator):
            with suppress(psycopg.Error):  # a cursor that it holds open ends with it, whatever became of its connection
                items.close()
