"""The handlers of the section of own data and changed outputs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from merging.errors import EvaluationError, MergeError
from merging.evaluation.own_data import MOST_BYTES, read_own_data
from ui.desk import Updates
from ui.own.desk import CANCEL_SECONDS, OwnDesk
from ui.own.scores import mark_of
from ui.own.scoring import NOTHING
from ui.own.state import OwnState
from ui.scene import token_of


class ScoresDesk:
    """Handlers as methods, beside those of an ``OwnDesk``."""

    def __init__(self, desk: OwnDesk) -> None:
        """Work beside a desk, on its page and services."""
        self._desk, self._page, self._services = desk, desk.page, desk.services

    def open_data(self, state: OwnState, owner: Any, content: Any) -> Updates:
        """A file of own data was handed in; the copy on disk goes at once."""
        if not isinstance(content, str):
            raise EvaluationError("No file arrived. Try again.")
        path = Path(content)
        try:
            if path.stat().st_size > MOST_BYTES:
                raise EvaluationError(f"{path.name:.80} has more than 5 MB; at most 5 MB are read.")
            data = read_own_data(path.read_bytes(), path.name)
        except OSError as error:
            raise EvaluationError(f"The file cannot be read: {error.strerror}.") from error
        finally:
            path.unlink(missing_ok=True)
        return self._changed(replace(state, data=data), owner)

    def forget(self, state: OwnState, owner: Any) -> Updates:
        """Let go of data and scores."""
        self._services.scoring.forget(token_of(owner))
        return self._changed(replace(state, data=None), owner)

    def score(self, state: OwnState, owner: Any) -> Updates:
        """Score base, experts and merge on the visitor's data."""
        if state.data is None:
            raise EvaluationError("Open a file of your own data first.")
        return self._started(state, owner, state.data)

    def compare(self, state: OwnState, owner: Any) -> Updates:
        """Compare the merge's outputs with those of base and experts."""
        return self._started(state, owner, None)

    def stop(self, state: OwnState, owner: Any) -> Updates:
        """Ask the visitor's scoring to stop."""
        self._services.scoring.cancel(token_of(owner), CANCEL_SECONDS)
        return self._desk.scored(state, token_of(owner))

    def poll(self, state: OwnState, owner: Any, seen: Any) -> Updates:
        """Look after the scoring; nothing is sent when nothing changed."""
        token = token_of(owner)
        job, output = self._services.scoring.job(token), self._services.output(token)
        return {} if mark_of(job, output) == seen else self._desk.scored(state, token)

    def _started(self, state: OwnState, owner: Any, data: Any) -> Updates:
        token, services = token_of(owner), self._services
        output = services.output(token)
        if output is None:
            raise MergeError(NOTHING)
        services.scoring.start(token, output, services.shelf, data)
        return self._changed(state, token)

    def _changed(self, state: OwnState, owner: Any) -> Updates:
        token = token_of(owner)
        changed = {self._page.state: state, self._page.owner: token}
        return changed | self._desk.scored(state, token)
