"""What the handlers of all studies share: the page they answer, and how one begins."""

from merging.jobs import Snapshot
from ui.desk import Shown, Updates
from ui.runs_desk import RunsDesk

UNKNOWN = "The page asked for something unknown. Reload the page."


class StudyDesk:
    """Handlers as methods, beside those of a ``RunsDesk`` whose page and services they share."""

    def __init__(self, runs: RunsDesk) -> None:
        """Work beside a desk."""
        self._runs, self._desk = runs, runs.desk
        self._page, self._services = runs.desk.page, runs.desk.services

    def _begun(self, shown: Shown, token: str, job: Snapshot, kind: str) -> Updates:
        """Return what a page shows whose visitor began a study of a kind."""
        updates = self._desk.change(shown, token, shown[-1])
        studied = self._desk.studied(shown[-1], token, kind)
        return updates | {self._page.owner: token} | self._runs.job(job) | studied
