"""A bounded queue of background jobs: workers, cancel, snapshots, results kept by key.

Takes callables and knows nothing of merging. A page sees frozen snapshots only, and only those of
its own owner token. Owners that ask for the same key share one run: each has a seat in it with a
view of its own, and nothing in that view tells of the others.
"""

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from merging.errors import Cancelled, MergeError, ResourceError

log = logging.getLogger(__name__)

FINAL = ("done", "failed", "cancelled")
CANCELLED = "Cancelled. Nothing was kept."
BROKEN = "Something broke on our side (job {job}). Nothing was lost."


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job at one moment.

    Attributes:
        id: Unguessable, another for every owner.
        key: What it computes; equal keys have equal results.
        status: queued, running, done, failed or cancelled.
        position: Place in the queue, 1 is next; 0 when not queued.
        fraction: Share done, in [0, 1].
        message: What it is doing, or why it ended.
        version: Grows with every change.
        elapsed: Seconds since it started running.
        result: What the work returned, when done.
    """

    id: str
    key: str
    status: str = "queued"
    position: int = 0
    fraction: float = 0.0
    message: str = ""
    version: int = 0
    elapsed: float = 0.0
    result: Any = None

    @property
    def final(self) -> bool:
        """Nothing more will happen to it."""
        return self.status in FINAL


Report = Callable[[float, str], None]
Work = Callable[[Report], Any]


@dataclass(slots=True, eq=False)
class _Run:
    """Work that is done once, for all who sit in it."""

    key: str
    work: Work
    seats: list["_Seat"] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    started: float | None = None


@dataclass(slots=True, eq=False)
class _Seat:
    """One owner's view of a run."""

    owner: str
    run: _Run
    snapshot: Snapshot
    ended: float = 0.0


class JobRunner:
    """Runs jobs in background threads, first come first served, one live job per owner and key.

    Attributes:
        workers: Number of threads; one per device.
    """

    def __init__(
        self,
        workers: int = 1,
        most_queued: int = 20,
        most_kept: int = 200,
        keep_seconds: float = 3600.0,
        prepare: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the workers.

        Args:
            workers: Number of threads.
            most_queued: Longest queue before new jobs are refused.
            most_kept: Most finished jobs remembered.
            keep_seconds: How long a finished job is remembered.
            prepare: Called once in each worker thread.
            clock: Seconds; a test may bring its own.
        """
        self._most_queued, self._most_kept, self._keep = most_queued, most_kept, keep_seconds
        self._clock, self._prepare = clock, prepare
        self._changed = threading.Condition()
        self._seats: list[_Seat] = []  # in the order of their submission
        self._queue: list[_Run] = []
        self._running: list[_Run] = []
        self._open = True
        self.workers = tuple(
            threading.Thread(target=self._loop, name=f"merge-worker-{i}", daemon=True)
            for i in range(workers)
        )
        for thread in self.workers:
            thread.start()

    def submit(self, owner: str, key: str, work: Work) -> Snapshot:
        """Queue a job, or join the live one of the same key, whoever asked for it first.

        An owner's own live job of the same key is returned as it is.

        Args:
            owner: Token of the visitor.
            key: What is computed.
            work: Called with a report function, which raises ``Cancelled`` after everybody has
                cancelled; not called at all when the owner joins.

        Raises:
            ResourceError: The owner has another live job, or the queue is full.
        """
        with self._changed:
            self._collect()
            mine = self._live(owner)
            if mine is not None:
                if mine.run.key == key and not mine.run.stop.is_set():
                    return self._seen(mine)
                raise ResourceError(
                    "What you started last is still at work. Stop it or wait for it to end."
                )
            run = self._shared(key) or self._queued(key, work)
            shot = replace(run.seats[0].snapshot, version=0) if run.seats else Snapshot("", key)
            seat = _Seat(owner, run, replace(shot, id=secrets.token_urlsafe(12)))
            run.seats.append(seat)
            self._seats.append(seat)
            self._changed.notify_all()
            return self._seen(seat)

    def latest(self, owner: str) -> Snapshot | None:
        """Return the owner's newest job, or None."""
        with self._changed:
            self._collect()
            for seat in reversed(self._seats):
                if self._owned(seat, owner):
                    return self._seen(seat)
        return None

    def cancel(self, owner: str) -> None:
        """Take the owner out of its live job; the last to leave stops the work.

        Who leaves others behind, or a job that has not begun, sees it cancelled at once; otherwise
        it is when the work next reports.
        """
        with self._changed:
            seat = self._live(owner)
            if seat is None:
                return
            run, waiting = seat.run, seat.run in self._queue
            if len(run.seats) == 1:
                run.stop.set()
                if waiting:
                    self._queue.remove(run)
            if waiting or len(run.seats) > 1:
                run.seats.remove(seat)
                told = "Cancelled while waiting." if waiting else CANCELLED
                self._end(seat, "cancelled", told)
            self._changed.notify_all()

    def wait(self, owner: str, timeout: float) -> Snapshot | None:
        """Block until the owner's newest job has ended, or for ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(
                lambda: (s := self.latest(owner)) is None or s.final, timeout=timeout
            )
            return self.latest(owner)

    def close(self) -> None:
        """Stop all jobs and let the workers end."""
        with self._changed:
            self._open = False
            for seat in self._seats:
                seat.run.stop.set()
            self._changed.notify_all()

    def _live(self, owner: str) -> _Seat | None:
        own = (s for s in self._seats if self._owned(s, owner) and not s.snapshot.final)
        return next(own, None)

    def _shared(self, key: str) -> _Run | None:
        """Return the live run of a key, unless it is about to stop."""
        alive = (*self._queue, *self._running)
        return next((r for r in alive if r.key == key and not r.stop.is_set()), None)

    def _queued(self, key: str, work: Work) -> _Run:
        if len(self._queue) >= self._most_queued:
            raise ResourceError(
                f"{len(self._queue)} jobs are waiting already. Try again in a moment."
            )
        self._queue.append(_Run(key, work))
        return self._queue[-1]

    def _next(self) -> _Run | None:
        """Return the first run in the queue whose key no other worker is at, not even to stop."""
        busy = {run.key for run in self._running}
        return next((run for run in self._queue if run.key not in busy), None)

    def _loop(self) -> None:
        self._prepare()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next() or not self._open)
                run = self._next()
                if not self._open or run is None:
                    return
                self._queue.remove(run)
                self._running.append(run)
                run.started = self._clock()
                self._update(run, status="running", message="starting")
            self._work(run)

    def _work(self, run: _Run) -> None:
        def report(fraction: float, message: str) -> None:
            with self._changed:
                if run.stop.is_set():
                    raise Cancelled(CANCELLED)
                self._update(run, fraction=min(1.0, fraction), message=message)

        try:
            result = run.work(report)
        except Cancelled as error:
            self._finish(run, "cancelled", str(error))
        except MergeError as error:
            log.warning("job %s was refused: %s", self._names(run), error)
            self._finish(run, "failed", str(error))
        except MemoryError:
            log.exception("job %s ran out of memory", self._names(run))
            self._finish(run, "failed", "Memory ran out. Nothing was lost. Try fewer experts.")
        except (Exception, SystemExit):
            log.exception("job %s failed", self._names(run))
            self._finish(run, "failed", BROKEN)
        else:
            self._finish(run, "done", "done", result)

    def _finish(self, run: _Run, status: str, message: str, result: Any = None) -> None:
        with self._changed:
            self._running.remove(run)
            for seat in run.seats:
                told = BROKEN.format(job=seat.snapshot.id) if message == BROKEN else message
                self._end(seat, status, told, result)
            self._changed.notify_all()

    def _end(self, seat: _Seat, status: str, message: str, result: Any = None) -> None:
        seat.ended = self._clock()
        shot = replace(self._seen(seat), position=0, version=seat.snapshot.version + 1)
        seat.snapshot = replace(shot, status=status, message=message, result=result)

    def _update(self, run: _Run, **changes: Any) -> None:
        for seat in run.seats:
            version = seat.snapshot.version + 1
            seat.snapshot = replace(seat.snapshot, version=version, **changes)

    def _seen(self, seat: _Seat) -> Snapshot:
        shot, run = seat.snapshot, seat.run
        if shot.final:
            return shot
        if run in self._queue:
            return replace(shot, position=self._queue.index(run) + 1)
        return shot if run.started is None else replace(shot, elapsed=self._clock() - run.started)

    def _names(self, run: _Run) -> str:
        with self._changed:
            return ", ".join(seat.snapshot.id for seat in run.seats)

    def _owned(self, seat: _Seat, owner: str) -> bool:
        return secrets.compare_digest(seat.owner.encode(), owner.encode())

    def _collect(self) -> None:
        now = self._clock()
        done = [s for s in self._seats if s.snapshot.final]
        spare = max(0, len(done) - self._most_kept)
        gone = {id(s) for s in (*done[:spare], *(d for d in done if now - d.ended > self._keep))}
        self._seats = [s for s in self._seats if id(s) not in gone]


class ResultCache:
    """Finished results by key, shared by all visitors; the least used go first."""

    def __init__(self, most: int = 256) -> None:
        """Keep at most ``most`` results."""
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable) -> Any:
        """Return the result of a key, or None."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, result: Any) -> None:
        """Keep a result."""
        with self._lock:
            self._kept[key] = result
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
