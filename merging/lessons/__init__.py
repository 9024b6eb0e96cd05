"""Lessons: a question, a guess, small experiments that are run now, and what they showed.

A lesson is a file of data. Its texts hold no figures, only their names; the figures are measured
when somebody takes the lesson, and its claims are judged by them.
"""

from merging.lessons.bench import Tools, set_measure
from merging.lessons.fill import figure_text, fill
from merging.lessons.judge import judge, matches
from merging.lessons.model import Choice, Claim, Lesson, Line, Quantity, Series
from merging.lessons.read import lessons, parse_lesson, read_folder
from merging.lessons.study import LessonResult, measure_lesson

__all__ = [
    "Choice",
    "Claim",
    "Lesson",
    "LessonResult",
    "Line",
    "Quantity",
    "Series",
    "Tools",
    "figure_text",
    "fill",
    "judge",
    "lessons",
    "matches",
    "measure_lesson",
    "parse_lesson",
    "read_folder",
    "set_measure",
]
