"""From a scene to what the lesson's player shows. No Gradio, no state."""

from typing import Any

from merging.lessons import LessonResult, lessons
from ui.charts.lesson import lesson_figure
from ui.components.lesson import bar_value, player_value
from ui.lessons import LESSON, lesson_of
from ui.scene import Scene
from ui.views.lesson import (
    HEADINGS,
    LessonView,
    figures_table,
    note,
    paragraphs,
    step_allowed,
    trying,
    where,
)


def player(scene: Scene) -> dict[str, Any] | None:
    """Return the step of the lesson that is taken; None where none is."""
    view = lesson_view(scene)
    if view is None:
        return None
    words, action = trying(view)
    points = view.result.total if view.result else _points(view)
    source = view.lesson.source
    return player_value(
        title=view.lesson.title,
        where=where(view),
        step=view.step,
        heading=HEADINGS[view.step],
        paragraphs=paragraphs(view),
        choices=[choice.text for choice in view.lesson.choices] if view.step == "ask" else [],
        chosen=view.guess,
        button=(words, action) if view.step == "try" else None,
        note=note(view, points) if view.step == "try" else "",
        fraction=view.job.fraction if view.live and view.job is not None else None,
        link=(source.citation, f"https://arxiv.org/abs/{source.arxiv}")
        if view.step == "source"
        else None,
        rows=figures_table(view) if view.step == "reveal" else [],
    )


def bar(scene: Scene) -> dict[str, Any] | None:
    """Return the buttons that go on, back and out; None where no lesson is taken."""
    view = lesson_view(scene)
    if view is None:
        return None
    reach = step_allowed("next", view.guess, view.measured)
    onward = view.step not in ("ask", "try", "next") and reach == "next"
    after = view.after
    leads = after is not None and view.step == "next"
    return bar_value(
        back=view.place > 0,
        onward=onward,
        after=f"Lesson {after.number}: {after.title}" if after is not None and leads else "",
    )


def chart(scene: Scene) -> dict[str, Any] | None:
    """Return what was measured, at the step that tells it; None at others."""
    view = lesson_view(scene)
    if view is None or view.result is None or view.step != "reveal":
        return None
    return lesson_figure(view.lesson, view.result)


def lesson_view(scene: Scene) -> LessonView | None:
    """Return the lesson that is taken, at its step; None where none is."""
    look = scene.state.view
    lesson = lesson_of(look.lesson)
    if lesson is None:
        return None
    result = result_of(scene)
    guess = int(look.guess) if look.guess else None
    measured = result is not None and result.complete
    every = {one.id: one for one in lessons()}
    job = scene.study(LESSON)
    return LessonView(
        lesson,
        len(every),
        step_allowed(look.lesson_step, guess, measured),
        guess,
        result,
        job if job is not None and job.key.endswith(f" {lesson.id}") else None,
        every.get(lesson.after),
    )


def result_of(scene: Scene) -> LessonResult | None:
    """Return what the visitor measured of the lesson that is taken, or None."""
    lesson = lesson_of(scene.state.view.lesson)
    if lesson is None or not scene.owner:
        return None
    found = scene.services.lessons.of(scene.owner, lesson)
    return None if found is None else found[0]


def number_of(scene: Scene) -> int:
    """Return a number that changes with what the visitor measured of the lesson; 0 for nothing."""
    lesson = lesson_of(scene.state.view.lesson)
    found = scene.services.lessons.of(scene.owner, lesson) if lesson and scene.owner else None
    return 0 if found is None else found[1]


def _points(view: LessonView) -> int:
    best = {q.line.key for q in view.lesson.quantities if q.operation == "best" and q.line}
    return view.lesson.total + len(best)
