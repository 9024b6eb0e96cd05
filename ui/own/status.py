"""How far the check of what the controls ask for is, and whether it may be merged."""

from dataclasses import dataclass

from merging.errors import MergeError
from merging.preflight import Findings
from ui.own.services import OwnServices
from ui.own.settings import OwnSettings, to_task
from ui.own.views import findings_html, go_words, why_html
from ui.own.work import blocked

NOTHING = "<p>Choose models: what does not fit, what is lost and what it takes stands here.</p>"
CHECKING = "Checking the models."


@dataclass(frozen=True, slots=True)
class Status:
    """What the page says before a merge.

    Attributes:
        ready: Nothing blocks the merge.
        waiting: A check is under way.
        text: Why it is not ready, or "".
        state: blocked, wrong or "".
        mark: Text that changes with what is said.
        found: What the check found, or None.
    """

    ready: bool
    waiting: bool
    text: str
    state: str = ""
    mark: str = ""
    found: Findings | None = None

    @property
    def pressable(self) -> bool:
        """Nothing is known to speak against the merge: it looks once more before it begins."""
        return self.ready or self.waiting

    @property
    def table(self) -> str:
        """The findings as HTML."""
        if self.found is not None:
            return findings_html(self.found)
        return f"<p>{CHECKING}</p>" if self.waiting else NOTHING

    @property
    def button(self) -> str:
        """What the button says."""
        return go_words(self.found)

    @property
    def line(self) -> str:
        """The line under the button, as HTML."""
        return why_html(self.text, self.state)


def status_of(services: OwnServices, owner: str, settings: OwnSettings) -> Status:
    """Return the status of settings; a check is begun where there is none.

    Args:
        services: Run the check.
        owner: The visitor's token.
        settings: What the controls hold.
    """
    try:
        task = to_task(settings)
    except MergeError as error:
        return Status(False, False, str(error), "wrong", f"wrong {error}")
    check = services.checked(owner, task)
    if check is None or not check.final:
        return Status(False, True, CHECKING, mark=f"waiting {task.key}")
    mark = f"{check.id}.{check.version}"
    if check.status != "done":
        return Status(False, False, check.message, "wrong", mark)
    if check.result.blocks:
        return Status(False, False, blocked(check.result), "blocked", mark, check.result)
    return Status(True, False, "", "", mark, check.result)
