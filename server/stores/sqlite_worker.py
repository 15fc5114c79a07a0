"""
One thread with one SQLite connection, fed by the event loop.

Whatever waits is served as one batch. The loop pays for a queue entry and a future; the thread runs the SQL and hands a
whole batch of outcomes back at once. The writer's batch is one transaction, so its one fsync is shared by all of it:
either every write of a batch is durable, or every caller of it is told StoreUnavailable.

This module knows threads, transactions and SQLite's error codes. It knows no table and no order.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final, TypeVar, TypeVarTuple

from server.errors import StoreUnavailable

MAX_BATCH: Final = 256  # bounds how long the first caller of a batch waits for the last one's SQL

# The low byte of an extended result code is the primary one.  Source: sqlite.org/rescode.html
_PRIMARY_CODE: Final = 0xFF

# After these nobody knows what is on the disk: a page the kernel could not write may read back as if it had been
# written, so a second fsync that succeeds proves nothing. A full disk and a lock pass by themselves.
_FATAL: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_Job = tuple[asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]
_Outcome = tuple[asyncio.Future[Any], Any, Exception | None]


@dataclass
class Health:
    """Shared by the threads on one file. `failure` is set once, by whichever meets it, and never taken back."""

    failure: str | None = None


class Worker:
    """
    Runs `work(connection, *args)` in its thread, in the order of the calls.

    Args:
        connection: In autocommit mode; from now on only this thread uses it, and closes it.
        in_transaction: Whether a batch is one IMMEDIATE transaction; otherwise each statement stands alone.
    """

    def __init__(self, name: str, connection: sqlite3.Connection, *, health: Health, in_transaction: bool) -> None:
        self._connection = connection
        self._health = health
        self._in_transaction = in_transaction
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._is_closing = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # A daemon: a program that dies without aclose() must not hang on a thread that waits for work.
        self._thread = threading.Thread(target=self._serve_until_closed, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Callable[[sqlite3.Connection, *Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """
        Queue one piece of work; await the future. A caller that is cancelled does not stop its write.

        Raises:
            StoreUnavailable: By the future; for a write it is unknown whether it happened.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._is_closing:
            future.set_exception(StoreUnavailable("closed"))
        else:
            self._jobs.put((future, work, args))
        return future

    async def aclose(self) -> None:
        """Serve what is queued, then end the thread and close its connection. Safe to call again."""
        if not self._is_closing:
            self._is_closing = True
            self._jobs.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()

    def _serve_until_closed(self) -> None:
        try:
            while batch := self._next_batch():
                self._loop.call_soon_threadsafe(_deliver, self._serve(batch))
        finally:
            self._connection.close()
            self._loop.call_soon_threadsafe(self._ended.set_result, None)

    def _next_batch(self) -> list[_Job]:
        """Wait for work and take all there is, up to MAX_BATCH; nothing means that the end is reached."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == MAX_BATCH or self._jobs.empty():  # nobody else takes from this queue
                return batch
            job = self._jobs.get()
        if batch:
            self._jobs.put(None)  # the end is met again once this batch is served
        return batch

    def _serve(self, batch: list[_Job]) -> list[_Outcome]:
        try:
            if self._health.failure is not None:
                return _all_failed(batch, self._health.failure, None)
            if not self._in_transaction:
                return self._run_all(batch)
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = self._run_all(batch)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            return self._give_up(batch, error)
        return outcomes

    def _run_all(self, batch: list[_Job]) -> list[_Outcome]:
        connection = self._connection
        outcomes: list[_Outcome] = []
        for future, work, args in batch:
            try:
                outcomes.append((future, work(connection, *args), None))
            except sqlite3.Error:
                raise
            except Exception as error:  # noqa: BLE001 - a value SQLite cannot take must not cost the others their write
                outcomes.append((future, None, error))
        return outcomes

    def _give_up(self, batch: list[_Job], error: sqlite3.Error) -> list[_Outcome]:
        reason = getattr(error, "sqlite_errorname", None) or type(error).__name__
        if getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE in _FATAL:
            self._health.failure = reason
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._health.failure = reason  # a connection stuck inside a transaction is of no more use
        return _all_failed(batch, reason, error)


def _all_failed(batch: list[_Job], reason: str, cause: sqlite3.Error | None) -> list[_Outcome]:
    return [(future, None, _unavailable(reason, cause)) for future, _, _ in batch]


def _unavailable(reason: str, cause: sqlite3.Error | None) -> StoreUnavailable:
    unavailable = StoreUnavailable(reason)
    unavailable.__cause__ = cause
    return unavailable


def _deliver(outcomes: list[_Outcome]) -> None:
    """Resolve a batch's futures; runs on the loop."""
    for future, result, error in outcomes:
        if future.done():
            continue  # its caller was cancelled meanwhile
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
