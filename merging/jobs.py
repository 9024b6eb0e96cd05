"""A bounded queue of background jobs: workers, cancel, snapshots, results kept by key.

Takes callables and knows nothing of merging. A page sees frozen snapshots only, and only those of
its own owner token.
"""

import logging
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from merging.errors import Cancelled, MergeError, ResourceError

log = logging.getLogger(__name__)

FINAL = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job at one moment.

    Attributes:
        id: Unguessable.
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


@dataclass(slots=True)
class _Job:
    owner: str
    work: Work
    snapshot: Snapshot
    stop: threading.Event = field(default_factory=threading.Event)
    started: float = 0.0
    finished: float = 0.0


class JobRunner:
    """Runs jobs in background threads, first come first served, one live job per owner.

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
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        self._queue: deque[str] = deque()
        self._open = True
        self.workers = tuple(
            threading.Thread(target=self._loop, name=f"merge-worker-{i}", daemon=True)
            for i in range(workers)
        )
        for thread in self.workers:
            thread.start()

    def submit(self, owner: str, key: str, work: Work) -> Snapshot:
        """Queue a job; an owner's live job of the same key is returned as it is.

        Args:
            owner: Token of the visitor.
            key: What is computed.
            work: Called with a report function, which raises ``Cancelled`` after a cancel.

        Raises:
            ResourceError: The owner has another live job, or the queue is full.
        """
        with self._changed:
            self._collect()
            for job in self._jobs.values():
                if self._owned(job, owner) and not job.snapshot.final:
                    if job.snapshot.key == key and not job.stop.is_set():
                        return self._seen(job)
                    raise ResourceError(
                        "Your last merge is still at work. Cancel it or wait for it to end."
                    )
            if len(self._queue) >= self._most_queued:
                raise ResourceError(
                    f"{len(self._queue)} merges are waiting already. Try again in a moment."
                )
            job = _Job(owner, work, Snapshot(secrets.token_urlsafe(12), key))
            self._jobs[job.snapshot.id] = job
            self._queue.append(job.snapshot.id)
            self._changed.notify_all()
            return self._seen(job)

    def latest(self, owner: str) -> Snapshot | None:
        """Return the owner's newest job, or None."""
        with self._changed:
            self._collect()
            for job in reversed(self._jobs.values()):
                if self._owned(job, owner):
                    return self._seen(job)
        return None

    def cancel(self, owner: str) -> None:
        """Ask the owner's live job to stop; a queued one ends at once."""
        with self._changed:
            for job in self._jobs.values():
                if self._owned(job, owner) and not job.snapshot.final:
                    job.stop.set()
                    if job.snapshot.id in self._queue:
                        self._queue.remove(job.snapshot.id)
                        self._end(job, "cancelled", "Cancelled while waiting.")
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
            for job in self._jobs.values():
                job.stop.set()
            self._changed.notify_all()

    def _loop(self) -> None:
        self._prepare()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or not self._open)
                if not self._open:
                    return
                job = self._jobs[self._queue.popleft()]
                job.started = self._clock()
                self._update(job, status="running", message="starting")
            self._work(job)

    def _work(self, job: _Job) -> None:
        def report(fraction: float, message: str) -> None:
            if job.stop.is_set():
                raise Cancelled("Cancelled. Nothing was kept.")
            with self._changed:
                self._update(job, fraction=min(1.0, fraction), message=message)

        try:
            result = job.work(report)
        except Cancelled as error:
            self._finish(job, "cancelled", str(error))
        except MergeError as error:
            log.warning("job %s was refused: %s", job.snapshot.id, error)
            self._finish(job, "failed", str(error))
        except MemoryError:
            log.exception("job %s ran out of memory", job.snapshot.id)
            self._finish(job, "failed", "Memory ran out. Nothing was lost. Try fewer experts.")
        except (Exception, SystemExit):
            log.exception("job %s failed", job.snapshot.id)
            name = job.snapshot.id
            self._finish(
                job, "failed", f"Something broke on our side (job {name}). Nothing was lost."
            )
        else:
            self._finish(job, "done", "done", result)

    def _finish(self, job: _Job, status: str, message: str, result: Any = None) -> None:
        with self._changed:
            self._end(job, status, message, result)
            self._changed.notify_all()

    def _end(self, job: _Job, status: str, message: str, result: Any = None) -> None:
        job.finished = self._clock()
        self._update(job, status=status, message=message, result=result)

    def _update(self, job: _Job, **changes: Any) -> None:
        version = job.snapshot.version + 1
        job.snapshot = replace(job.snapshot, version=version, **changes)

    def _seen(self, job: _Job) -> Snapshot:
        shot = job.snapshot
        if shot.status == "queued":
            return replace(shot, position=self._queue.index(shot.id) + 1)
        until = job.finished or self._clock()
        return replace(shot, elapsed=until - job.started if job.started else 0.0)

    def _owned(self, job: _Job, owner: str) -> bool:
        return secrets.compare_digest(job.owner.encode(), owner.encode())

    def _collect(self) -> None:
        now = self._clock()
        done = [j for j in self._jobs.values() if j.snapshot.final]
        spare = len(done) - self._most_kept
        for index, job in enumerate(done):
            if index < spare or now - job.finished > self._keep:
                del self._jobs[job.snapshot.id]


class ResultCache:
    """Finished results by key, shared by all visitors; the least used go first."""

    def __init__(self, most: int = 256) -> None:
        """Keep at most ``most`` results."""
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def get(self, key: str) -> Any:
        """Return the result of a key, or None."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, result: Any) -> None:
        """Keep a result."""
        with self._lock:
            self._kept[key] = result
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
