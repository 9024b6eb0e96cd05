"""What a handler does not mention is not made anew, and the page hears the same as from Gradio."""

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import pytest

from ui.quick import QuickBlocks


def told(demo: gr.Blocks, answer: Any) -> list[Any]:
    """What the page hears of the first event; in a thread, for a browser's loop may run in this."""
    event = next(iter(demo.fns.values()))
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(
            lambda: asyncio.run(demo.postprocess_data(event, answer, None))
        ).result()


def asked(kind: type[gr.Blocks], answer: Any, made: list[str]) -> tuple[list[Any], int]:
    """What the page hears of three outputs, and how many of them were made for that."""
    with kind() as demo:
        one, two, kept = gr.Number(1), gr.Number(2), gr.State("old")
        demo.load(lambda: None, None, [one, two, kept])
    before = len(made)
    places = {"one": one, "two": two, "kept": kept}
    said = {places[k]: v for k, v in answer.items()} if isinstance(answer, dict) else answer
    found = told(demo, said)
    return found, len(made) - before


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A word for every number field that is made."""
    begin, words = gr.Number.__init__, list[str]()

    @functools.wraps(begin)
    def noted(self: gr.Number, *args: Any, **kwargs: Any) -> None:
        words.append("number")
        begin(self, *args, **kwargs)

    monkeypatch.setattr(gr.Number, "__init__", noted)
    return words


@pytest.mark.parametrize(
    ("answer", "heard"),
    [
        ({"one": 5}, [5, {"__type__": "update"}, None]),
        ({"one": 5, "two": gr.skip(), "kept": "new"}, [5, {"__type__": "update"}, None]),
        ({"kept": "new"}, [{"__type__": "update"}, {"__type__": "update"}, None]),
        ({"one": gr.update(visible=False)}, None),
        ({"one": 1, "two": 2, "kept": "x"}, [1, 2, None]),
        ([7, 8, "x"], [7, 8, None]),
    ],
)
def test_the_page_hears_what_gradio_tells(
    answer: Any, heard: list[Any] | None, made: list[str]
) -> None:
    ours, anew = asked(QuickBlocks, answer, made)
    theirs, _ = asked(gr.Blocks, answer, made)
    assert ours == theirs
    assert heard is None or ours == heard
    updated = isinstance(answer, dict) and "visible" in str(answer)
    assert anew == (1 if updated else 0)


def test_an_answer_for_somebody_else_is_refused_as_by_gradio() -> None:
    with QuickBlocks() as demo:
        one, two, other = gr.Number(1), gr.Number(2), gr.Number(3)
        demo.load(lambda: None, None, [one, two])
    with pytest.raises(ValueError, match="not specified as output"):
        told(demo, {other: 1})
