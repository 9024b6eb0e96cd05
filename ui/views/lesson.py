"""A lesson to what its player says at each step. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from merging.jobs import Snapshot
from merging.lessons import Lesson, LessonResult, fill
from ui.state import STEPS_OF_LESSON

HEADINGS = {
    "ask": "What do you expect?",
    "try": "Try it",
    "reveal": "What happened",
    "why": "Why",
    "source": "Where this comes from",
    "next": "Go on by yourself",
}
LIVE = ("queued", "running")


@dataclass(frozen=True, slots=True)
class LessonView:
    """A lesson at one moment, as the page shows it.

    Attributes:
        lesson: Which.
        count: How many lessons there are.
        step: One of the steps.
        guess: Place of the choice that was predicted, or None.
        result: What was measured by now, or None.
        job: The visitor's newest job where it is this lesson's.
        after: The lesson that follows, or None.
    """

    lesson: Lesson
    count: int
    step: str
    guess: int | None = None
    result: LessonResult | None = None
    job: Snapshot | None = None
    after: Lesson | None = None

    @property
    def live(self) -> bool:
        """It is being measured."""
        return self.job is not None and self.job.status in LIVE

    @property
    def measured(self) -> bool:
        """All is measured."""
        return self.result is not None and self.result.complete

    @property
    def place(self) -> int:
        """Which step it is, from 0."""
        return STEPS_OF_LESSON.index(self.step)


def step_allowed(step: str, guess: int | None, measured: bool) -> str:
    """Return a step, or the last one before it that can be shown: first predict, then measure."""
    if guess is None:
        return "ask"
    if not measured and step not in ("ask", "try"):
        return "try"
    return step


def paragraphs(view: LessonView) -> list[str]:
    """Return the text of a step."""
    lesson = view.lesson
    if view.step == "ask":
        return [lesson.question]
    if view.step == "try":
        return [lesson.todo]
    if view.step == "reveal":
        return reveal(view)
    if view.step == "why":
        return [_filled(lesson.why, view)]
    if view.step == "source":
        return [_filled(lesson.source.text, view)]
    return [_filled(lesson.explore, view)]


def reveal(view: LessonView) -> list[str]:
    """Return what became of the prediction and of each claim, with the measured figures."""
    result = view.result
    if result is None or not result.complete:
        return []
    claims = [fill(c.texts[result.outcomes[c.name]], view.lesson, result.figures)
              for c in view.lesson.claims]  # fmt: skip
    return [prediction(view), *claims]


def prediction(view: LessonView) -> str:
    """Return whether the prediction came true, in words."""
    choices, result = view.lesson.choices, view.result
    if view.guess is None or result is None:
        return ""
    said = f"You said: {choices[view.guess].text}"
    if view.guess in result.right:
        return f"{said} So it was."
    if not result.right:
        return f"{said} None of the answers fits what was measured."
    true = " ".join(choices[i].text for i in result.right)
    return f"{said} It was otherwise: {true}"


def note(view: LessonView, points: int) -> str:
    """Return how far the measurements are, how they ended, or what they will take.

    Args:
        view: The lesson.
        points: How many there will be.
    """
    job, result = view.job, view.result
    if job is not None and job.status == "queued":
        return f"Waiting, place {job.position}"
    if job is not None and job.status == "running":
        done = result.done if result is not None and not result.ended else 0
        return f"{done} of {points} measured · {job.elapsed:.0f} s"
    if job is not None and job.status == "failed":
        return job.message
    if result is None:
        return f"{points} measurements"
    if result.complete:
        return f"{points} of {points} measured"
    how = "Stopped" if result.ended == "cancelled" else "It took too long and was stopped"
    return f"{how}: {result.done} of {points} measured; they are kept, and the next try goes on."


def trying(view: LessonView) -> tuple[str, str]:
    """Return what the button of the second step says and does."""
    if view.live:
        return "Stop", "stop"
    if view.measured:
        return "Show what happened", "next"
    return ("Go on measuring" if view.result is not None else "Run it"), "go"


def where(view: LessonView) -> str:
    """Return which lesson and which step it is."""
    step = f"step {view.place + 1} of {len(STEPS_OF_LESSON)}"
    return f"Lesson {view.lesson.number} of {view.count} · {view.lesson.minutes} minutes · {step}"


def figures_table(view: LessonView) -> Sequence[Sequence[str]]:
    """Return the quantities with their intervals, in words."""
    result = view.result
    if result is None or not result.complete:
        return []
    return [
        [q.label, fill(f"{{{q.name}±}}", view.lesson, result.figures)]
        for q in view.lesson.quantities
    ]


def _filled(text: str, view: LessonView) -> str:
    return fill(text, view.lesson, view.result.figures) if view.result else text
