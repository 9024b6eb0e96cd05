"""Lessons by their handlers: step by step, stop, what strangers send, links."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from merging.errors import MergeError, ResourceError
from merging.evaluation import Bits
from merging.jobs import Report, ResultCache
from merging.lessons import Tools, lessons
from merging.recipe import Recipe
from tests.app.conftest import bar, opening
from tests.app.sent import Request, Sent, plain
from tests.held_measure import HeldMeasure
from ui.desk import told
from ui.lessons import LessonRuns
from ui.lessons_desk import UNKNOWN, LessonsDesk
from ui.page import Page
from ui.runs_desk import RunsDesk
from ui.services import Services
from ui.state import AppState
from ui.studies import Studies

SECONDS = 30


class Rising(HeldMeasure):
    """Answers of one expert: better up to λ = 1, then worse."""

    def score(self, recipe: Recipe, half: str, report: Report) -> dict[str, Bits]:
        super().score(recipe, half, report)
        at = float(recipe.settings().common["scale"])
        right = dict.fromkeys(self.tasks, 300 - 20 * at) | {"scripts": 380 - 200 * abs(at - 1)}
        return {t: np.arange(400) < n for t, n in right.items()}

    def own(self, half: str, report: Report) -> dict[str, Bits]:
        return {t: np.arange(400) < 380 for t in self.tasks}


@pytest.fixture
def measure(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rising]:
    held = Rising([t["id"] for t in services.sets["gentle"].card["tasks"]])
    studies = Studies(services.jobs, ResultCache(100), lambda name: held)
    runs = LessonRuns(studies)
    runs.tools = Tools(lambda name, tasks: held)
    monkeypatch.setattr(services, "studies", studies)
    monkeypatch.setattr(services, "lessons", runs)
    yield held
    held.gate.set()


@pytest.fixture
def owner(request: pytest.FixtureRequest, services: Services) -> Iterator[str]:
    """A visitor of this test alone, who leaves no job behind."""
    token = re.sub(r"\W", "_", request.node.name)[:30] + "l" * 30
    yield token
    services.jobs.cancel(token)
    services.jobs.wait(token, SECONDS)


class Pupil:
    """One visitor's page: what it was sent last."""

    def __init__(self, runs: RunsDesk, page: Page, services: Services, owner: str, query: str):
        self.desk, self.runs, self.page, self.owner = LessonsDesk(runs), runs, page, owner
        self.services, self.shown = services, dict[Any, Any]()
        self.state: AppState = opening(services)
        self.opened = self._take(runs.restore(Request(query), self.state, owner, ""))

    def act(self, action: str, **more: object) -> dict[str, Any] | None:
        self._take(self.desk.act(Sent(action=action, **more), *self.sent()))
        return self.shown[self.page.lesson]

    def ended(self) -> dict[str, Any]:
        assert self.services.jobs.wait(self.owner, SECONDS).final
        state, owner, link, *values = self.sent()
        self._take(self.runs.poll(state, owner, -1, link, *values))
        return self.shown[self.page.lesson]

    def sent(self) -> list[Any]:
        return [self.state, self.owner, bar(self.state), *plain(self.state.values, self.page)]

    def _take(self, updates: dict[Any, Any]) -> dict[Any, Any]:
        self.shown |= updates
        self.state = updates.get(self.page.state, self.state)
        return updates


@pytest.fixture
def pupil(runs: RunsDesk, page: Page, services: Services, owner: str, measure: Rising) -> Pupil:
    return Pupil(runs, page, services, owner, "lesson=1")


def test_a_lesson_from_start_to_end(pupil: Pupil, page: Page, measure: Rising) -> None:
    asked = pupil.shown[page.lesson]
    assert asked["step"] == "ask" and len(asked["choices"]) == 3
    assert pupil.state.values.on == {"scripts"}
    assert page.notice not in pupil.opened
    trying = pupil.act("guess", choice=2)
    assert trying["button"] == ["Run it", "go"] and trying["note"] == "7 measurements"
    assert pupil.act("next")["step"] == "try"
    pupil.act("go")
    done = pupil.ended()
    assert done["button"] == ["Show what happened", "next"] and measure.scored == 7
    told = pupil.act("next")
    assert told["paragraphs"][0].startswith("You said: At λ = 2. Twice the training")
    assert "It was otherwise: Near λ = 1." in told["paragraphs"][0]
    assert "from 47.4 % with the base by 52.6 points" in told["paragraphs"][1]
    assert "λ = 1 is best" in told["paragraphs"][1]
    assert len(pupil.shown[page.lesson_chart]["data"]) == 2
    assert dict(map(tuple, told["rows"]))["own task at λ = 1"] == "100.0 %"
    assert [pupil.act("next")["step"] for _ in range(3)] == ["why", "source", "next"]
    assert pupil.shown[page.lesson_chart] is None
    assert pupil.shown[page.lesson_bar]["open"] == "Lesson 2: Why can we average at all?"
    assert [pupil.act("back")["step"] for _ in range(6)] == [
        "source", "why", "reveal", "try", "ask", "ask",
    ]  # fmt: skip
    assert pupil.shown[page.lesson]["chosen"] == 2


def test_the_next_lesson_brings_its_settings_as_one_step(pupil: Pupil, page: Page) -> None:
    before = pupil.state.values
    after = pupil.act("open")
    assert (after["title"], after["step"]) == ("Why can we average at all?", "ask")
    assert pupil.state.values.set == "twin" and pupil.state.values.method == "linear"
    assert "lesson=2" in pupil.shown[page.link]["query"]
    assert pupil.state.undo().values == before


def test_leaving_leaves_the_settings(pupil: Pupil, page: Page) -> None:
    pupil.act("guess", choice=0)
    assert pupil.act("leave") is None
    assert pupil.shown[page.lesson_bar] is None and pupil.shown[page.lesson_chart] is None
    assert "lesson" not in pupil.shown[page.link]["query"]
    assert pupil.state.values.on == {"scripts"} and pupil.state.view.guess == ""
    with pytest.raises(MergeError, match="No lesson is open"):
        pupil.act("go")


def test_stop_keeps_what_was_measured_and_goes_on(pupil: Pupil, measure: Rising) -> None:
    measure.free = 3
    pupil.act("guess", choice=1)
    running = pupil.act("go")
    assert running["button"] == ["Stop", "stop"]
    assert measure.waits.wait(SECONDS)
    assert pupil.act("go")["note"].startswith("3 of 7 measured")  # the same one goes on
    assert pupil.services.jobs.latest(pupil.owner).message == "lesson 1: 3 of 7 measured"
    pupil.act("open")
    pupil.act("guess", choice=1)
    with pytest.raises(ResourceError, match="still at work"):
        pupil.act("go")
    pupil.act("leave")
    pupil.state = pupil.state.look(lesson="1", guess="1", lesson_step="try")
    pupil.act("stop")
    stopped = pupil.ended()
    assert stopped["note"].startswith("Stopped: 3 of 7 measured") and pupil.state.view
    assert pupil.act("next")["step"] == "try"
    measure.gate.set()
    assert stopped["button"] == ["Go on measuring", "go"]
    pupil.act("go")
    assert pupil.ended()["note"] == "7 of 7 measured" and measure.scored == 7


def test_what_fails_is_said_where_it_was_asked_for(pupil: Pupil, measure: Rising) -> None:
    measure.failing = 1.4
    pupil.act("guess", choice=1)
    pupil.act("go")
    failed = pupil.ended()
    assert failed["note"] == "Task arithmetic in the set gentle: <b>not a number</b>"
    assert failed["step"] == "try" and failed["fraction"] is None


def test_nobody_sees_the_lesson_of_another(
    pupil: Pupil, page: Page, runs: RunsDesk, services: Services
) -> None:
    pupil.act("guess", choice=1)
    pupil.act("go")
    pupil.ended()
    other = Pupil(runs, page, services, "stranger" + "z" * 30, "lesson=1")
    other.act("guess", choice=1)
    assert other.act("next")["step"] == "try"
    assert other.shown[page.lesson_chart] is None


STRANGE = [{"action": "zork"}, {"action": ["go"]}, {"action": "guess"}, *(
    {"action": "guess", "choice": c} for c in (-1, 3, "0", True, 1.0, None, [0], 10**30)
)]  # fmt: skip


@pytest.mark.parametrize("data", [None, "x", [], *STRANGE])
def test_strange_events(pupil: Pupil, page: Page, data: object) -> None:
    event = Sent()
    event._data = data
    assert told(page.notice, pupil.desk.act)(event, *pupil.sent()) == {page.notice: UNKNOWN}


@pytest.mark.parametrize("query", ["lesson=99", "lesson=%3Cb%3E", "lesson=" + "1" * 99])
def test_lessons_that_are_not_there_are_named(
    runs: RunsDesk, page: Page, services: Services, owner: str, query: str
) -> None:
    pupil = Pupil(runs, page, services, owner, query)
    assert pupil.shown.get(page.lesson) is None and "lesson=" in pupil.shown[page.notice]
    assert pupil.shown[page.link]["query"] == "v=1"


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.id)
def test_every_lesson_opens_with_its_settings_and_no_complaint(
    runs: RunsDesk, page: Page, services: Services, owner: str, lesson
) -> None:
    pupil = Pupil(runs, page, services, owner, f"lesson={lesson.number}&hide=dialects,runs")
    assert page.notice not in pupil.opened
    assert pupil.shown[page.lesson]["title"] == lesson.title
    assert pupil.state.hide == {"dialects", "runs"}
    assert pupil.state.values.set in lesson.sets
    again = Pupil(runs, page, services, owner, pupil.shown[page.link]["query"])
    assert again.state.recipe() == pupil.state.recipe()
    assert again.shown[page.lesson]["title"] == lesson.title


def test_a_link_with_settings_of_its_own_keeps_them(
    runs: RunsDesk, page: Page, services: Services, owner: str
) -> None:
    pupil = Pupil(runs, page, services, owner, "lesson=3&scale=0.3")
    assert pupil.state.recipe().settings().number("scale") == 0.3
    assert pupil.state.values.method == "task_arithmetic"
