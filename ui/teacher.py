"""The lessons on a page of their own: what each asks, how long it takes, and its link."""

import html
from collections.abc import Mapping

import gradio as gr

from merging.lessons import Lesson, lessons
from merging.sets import ModelSet

ROUTE = "lessons"
_HEADER = """<h1>Lessons</h1><p><a href=".">Back to Merge explorer</a></p>"""
_INTRO = """<p>Each lesson asks a question, lets you predict the answer, runs a few small merges and
tells what they showed, whether that is what its paper leads one to expect or not. No figure is
stored:
all are measured when the lesson is taken, on held-back images, with 95 % intervals.</p>
<p>For a class, share the link of a lesson: it opens the page with the lesson's settings in the
controls. <code>&amp;hide=</code> leaves parts of the page out, for example
<code>?lesson=3&amp;hide=dialects,runs</code>.</p>"""
_HEAD = ("Lesson", "Minutes", "Sets", "Settings it begins with", "Source")


def add_teacher(demo: gr.Blocks, sets: Mapping[str, ModelSet]) -> None:
    """Add the page to the app; the first page links to it.

    Args:
        demo: The app.
        sets: Their words.
    """
    labels = {name: str(opened.card["label"]) for name, opened in sets.items()}
    with demo.route("Lessons", ROUTE, show_in_navbar=False):
        gr.HTML(_HEADER, elem_classes="me-header")
        gr.HTML(f"{_INTRO}{table(lessons(), labels)}", elem_classes="me-teacher")


def table(listed: tuple[Lesson, ...], labels: Mapping[str, str]) -> str:
    """Return the lessons as an HTML table.

    Args:
        listed: In order.
        labels: Words for the sets, by name.
    """
    head = "".join(f'<th scope="col">{word}</th>' for word in _HEAD)
    rows = "".join(_row(lesson, labels) for lesson in listed)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(lesson: Lesson, labels: Mapping[str, str]) -> str:
    e, source = html.escape, lesson.source
    sets = ", ".join(labels.get(name, name) for name in lesson.sets)
    settings = ", ".join(f"<code>{e(entry)}</code>" for entry in lesson.page.split("&"))
    address = f"https://arxiv.org/abs/{e(source.arxiv)}"
    return (
        f'<tr><th scope="row"><a href="./?lesson={lesson.number}">{lesson.number} '
        f"{e(lesson.title)}</a><small>{e(lesson.question)}</small></th>"
        f"<td>{lesson.minutes} min</td><td>{e(sets)}</td><td>{settings}</td>"
        f'<td><a href="{address}" target="_blank" rel="noopener">{e(source.citation)}</a></td></tr>'
    )
