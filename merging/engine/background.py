"""One thread that handles items one after the other, fed through a queue bounded in bytes."""

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """Handles items in the order in which they were put, until the end, a failure or a stop.

    Nobody waits for ever: whoever waits for room or for the end is told when the thread died.

    Attributes:
        failure: What ``handle`` or ``at_end`` raised; None while all is well.
        stopped: ``stop`` was called.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[T], None],
        limit: int,
        at_end: Callable[[], None],
        cleanup: Callable[[bool], None],
    ) -> None:
        """Start the thread; the interpreter's end does not wait for it.

        Args:
            name: Of the thread.
            handle: Called with each item.
            limit: Bytes that may wait or be in work; a larger item is taken when nothing waits.
            at_end: Called when ``join`` was called and everything has been handled.
            cleanup: Called last in any case; its argument tells whether all went well. A failure
                is shown to others only after it.
        """
        self.failure: BaseException | None = None
        self.stopped = False
        self._handle = handle
        self._limit = limit
        self._at_end = at_end
        self._cleanup = cleanup
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._last = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: T, size: int) -> bool:
        """Wait for room and hand an item over; from any thread.

        Args:
            item: To be handled.
            size: Its bytes.

        Returns:
            Whether it will be handled: not after a failure, a stop or the end.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._over or not self._bytes or self._bytes + size <= self._limit
            )
            if not self._over:
                self._items.append((item, size))
                self._bytes += size
                self._changed.notify_all()
            return not self._over

    def join(self) -> None:
        """Take nothing more and wait until everything has been handled, or never will be."""
        with self._changed:
            self._last = True
            self._changed.notify_all()
        self._thread.join()

    def stop(self) -> None:
        """Drop what waits, and wait for the item in work."""
        with self._changed:
            self.stopped = True
            self._items.clear()
            self._changed.notify_all()
        self._thread.join()

    @property
    def _over(self) -> bool:
        return self._last or self.stopped or self.failure is not None

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            while self._step():
                pass
            if not self.stopped:
                self._at_end()
        except BaseException as error:
            failure = error
        try:
            self._cleanup(failure is None)
        except BaseException as error:
            failure = failure or error
        with self._changed:
            self.failure = failure
            self._items.clear()
            self._changed.notify_all()

    def _step(self) -> bool:
        """Handle the next item; False when there will be none. Holds none while it waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._last or self.stopped)
            if self.stopped or not self._items:
                return False
            item, size = self._items.popleft()
        self._handle(item)
        with self._changed:
            self._bytes -= size
            self._changed.notify_all()
        return True
