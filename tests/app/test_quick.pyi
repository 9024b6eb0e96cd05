"""What a handler does not mention is not made anew, and the page hears the same as from Gradio."""

import asyncio
from typing import Any

import gradio as gr
import pytest

from ui.quick import QuickBlocks

class Counted(gr.Number):
    """Counts how often one is made."""

    made = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        type(self).made += 1
        super().__init__(*args, **kwargs)
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

def asked(kind: type[gr.Blocks], answer: Any) -> tuple[list[Any], int]:
    """What the page hears of three outputs, and how many of them were made for that."""
    with kind() as demo:
        one, two, kept = Counted(1), Counted(2), gr.State("old")
        demo.load(lambda: None, None, [one, two, kept])
    made = Counted.made
    places = {"one": one, "two": two, "kept": kept}
    said = {places[k]: v for k, v in answer.items()} if isinstance(answer, dict) else answer
    found = asyncio.run(demo.postprocess_data(next(iter(demo.fns.values())), said, None))
    return found, Counted.made - made

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
def test_the_page_hears_what_gradio_tells(answer: Any, heard: list[Any] | None) -> None:
    ours, made = asked(QuickBlocks, answer)
    theirs, _ = asked(gr.Blocks, answer)
    assert ours == theirs
    assert heard is None or ours == heard
    updated = isinstance(answer, dict) and "visible" in str(answer)
    assert made == (1 if updated else 0)

def test_an_answer_for_somebody_else_is_refused_as_by_gradio() -> None:
    with QuickBlocks() as demo:
        one, two, other = Counted(1), Counted(2), Counted(3)
        demo.load(lambda: None, None, [one, two])
    with pytest.raises(ValueError, match="not specified as output"):
        asyncio.run(demo.postprocess_data(next(iter(demo.fns.values())), {other: 1}, None))
