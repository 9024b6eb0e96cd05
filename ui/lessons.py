"""Lessons of all visitors: each is measured as a study, and begins with its own settings."""

from functools import cache, partial
from urllib.parse import parse_qsl

from merging.engine.cache import Intermediates
from merging.jobs import Report, Snapshot
from merging.lessons import Lesson, LessonResult, Tools, lessons, measure_lesson, set_measure
from merging.search.points import Measure
from ui.link import CHOICES, LONGEST, MOST_KEYS, WORDS
from ui.studies import Keep, Studies

LESSON = "lesson"
_NO_SETTINGS = ("v", "hide", *CHOICES, *WORDS)


def lesson_of(number: str) -> Lesson | None:
    """Return the lesson with a number as it stands in a link, or None."""
    return next((one for one in lessons() if str(one.number) == number), None)


def opened_query(query: str) -> str:
    """Return a link's query with the settings of its lesson, where it says no others.

    Args:
        query: From anyone, without "?".
    """
    try:
        pairs = parse_qsl(query[:LONGEST], keep_blank_values=True, max_num_fields=MOST_KEYS)
    except ValueError:
        return query
    found = lesson_of(dict(reversed(pairs)).get("lesson", ""))
    others = [name for name, _ in pairs if name not in _NO_SETTINGS and not name.startswith("__")]
    return query if found is None or others else f"{query}&{found.page}"


class LessonRuns:
    """Measures lessons as studies."""

    def __init__(self, studies: Studies, intermediates: Intermediates | None = None) -> None:
        """Begin without any.

        Args:
            studies: Runs them.
            intermediates: What one merge leaves for the next.
        """
        self._studies = studies
        self.tools = Tools(cache(partial(set_measure, cache=intermediates)))

    def start(self, owner: str, lesson: Lesson) -> Snapshot:
        """Queue the measurements of a lesson; they come to ``of`` as they are done.

        Raises:
            ResourceError: The visitor has another live job, or the queue is full.
        """

        def work(measure: Measure, report: Report, keep: Keep) -> LessonResult:
            said = f"lesson {lesson.number}"

            def kept(result: LessonResult) -> None:
                nonlocal said
                said = f"lesson {lesson.number}: {result.done} of {result.total} measured"
                keep(result)

            return measure_lesson(
                lesson,
                lambda fraction, message: report(fraction, said),
                tools=self.tools,
                results=self._studies.answers,
                on_point=kept,
            )

        return self._studies.start(owner, LESSON, lesson.id, lesson.sets[0], work)

    def of(self, owner: str, lesson: Lesson) -> tuple[LessonResult, int] | None:
        """Return what the visitor's last study of a lesson found, and its number; or None."""
        found = self._studies.of(owner, LESSON)
        if found is None or found.value.lesson != lesson.id:
            return None
        return found.value, found.number
