"""The handlers of a lesson: predict, measure, stop, go on, back, the next one, leave."""

from typing import Any

import gradio as gr

from merging.errors import MergeError
from merging.lessons import Lesson, lessons
from ui.desk import Shown, Updates, sent
from ui.lesson_pictures import result_of
from ui.lessons import LESSON, lesson_of
from ui.link import decode
from ui.scene import starts, token_of
from ui.state import STEPS_OF_LESSON, AppState
from ui.study_desk import UNKNOWN, StudyDesk
from ui.views.lesson import step_allowed


class LessonsDesk(StudyDesk):
    """Handlers as methods."""

    def act(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """A button of the lesson was pressed."""
        action = sent(event, "action")
        if action == "stop":
            return self._runs.cancel(owner)
        shown = self._desk.caught_up(state, link, values)
        lesson = lesson_of(shown[-1].view.lesson)
        if lesson is None:
            raise MergeError("No lesson is open. Choose one on the page of lessons.")
        if action == "guess":
            return self._guessed(shown, owner, lesson, sent(event, "choice"))
        if action == "go":
            token = token_of(owner)
            return self._begun(shown, token, self._services.lessons.start(token, lesson), LESSON)
        if action in ("next", "back"):
            return self._moved(shown, owner, 1 if action == "next" else -1)
        if action == "open":
            return self._opened(shown, owner, lesson)
        if action == "leave":
            return self._looked(shown, owner, lesson="", lesson_step="ask", guess="")
        raise MergeError(UNKNOWN)

    def _guessed(self, shown: Shown, owner: Any, lesson: Lesson, choice: object) -> Updates:
        if type(choice) is not int or not 0 <= choice < len(lesson.choices):
            raise MergeError(UNKNOWN)
        return self._looked(shown, owner, guess=str(choice), lesson_step="try")

    def _moved(self, shown: Shown, owner: Any, by: int) -> Updates:
        """Go a step on or back, no farther than what was predicted and measured allows."""
        view = shown[-1].view
        found = result_of(self._desk.scene(shown[-1], token_of(owner)))
        measured, guess = found is not None and found.complete, int(view.guess or "-1")
        guessed = None if guess < 0 else guess
        here = STEPS_OF_LESSON.index(step_allowed(view.lesson_step, guessed, measured))
        there = STEPS_OF_LESSON[max(0, min(here + by, len(STEPS_OF_LESSON) - 1))]
        return self._looked(shown, owner, lesson_step=step_allowed(there, guessed, measured))

    def _opened(self, shown: Shown, owner: Any, lesson: Lesson) -> Updates:
        """Begin the lesson that follows: its settings go into the controls."""
        after = next((one for one in lessons() if one.id == lesson.after), None)
        if after is None:
            raise MergeError("This is the last lesson.")
        begun, _ = decode(after.page, starts(self._services))
        state = shown[-1].patch(begun.values)
        state = state.look(lesson=str(after.number), lesson_step="ask", guess="")
        updates = self._desk.change(shown, owner, state, settled=True)
        return updates | self._desk.write(state.values)

    def _looked(self, shown: Shown, owner: Any, **changes: str) -> Updates:
        return self._desk.change(shown, owner, shown[-1].look(**changes))
