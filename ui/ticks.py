"""What the page asks while a slider moves: a call of its own, without Gradio's events.

An event lets Gradio's page copy the state of every output twice, which takes as long as drawing.
The call keeps nothing: the query of the page and what its controls hold go in, the values of the
pictures that change come back. When the slider rests an event tells the same to the page's state.
Anyone may send anything here.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from merging.errors import MergeError, RecipeError
from ui.controls import controls_of
from ui.link import LONGEST, LONGEST_WORD, Starts, decode
from ui.panels import values as panel_values
from ui.presenter import Presenter
from ui.scene import Scene, token_of
from ui.services import Services
from ui.views.panel import LONGEST_PANEL

log = logging.getLogger(__name__)

APOLOGY = "Something broke on our side. Nothing was lost; the log has the details."
LAST_PICTURE = (
    '<p class="me-note">With these settings there is nothing to show. '
    "The charts below are of the last settings that could be merged.</p>"
)
MOST_ROWS = 64
MOST_STEPS = 1 << 53


@dataclass(frozen=True, slots=True)
class Sent:
    """What the page's controls hold; lists have one entry for each row of an expert."""

    query: str
    scored: str
    owner: object
    step: int
    on: tuple[bool, ...]
    weights: tuple[Any, ...]
    seed: Any
    panel: object
    cell: str | None = None


def read_sent(sent: object) -> Sent:
    """Check what came.

    Raises:
        RecipeError: It is not what our page sends.
    """
    if isinstance(sent, list) and len(sent) == 1:
        sent = sent[0]
    if not isinstance(sent, Mapping):
        raise _not_ours()
    query, scored, panel = (sent.get(name) for name in ("query", "scored", "panel"))
    on, weights = sent.get("on"), sent.get("weights")
    short = isinstance(query, str) and len(query) <= LONGEST
    listed = isinstance(on, list) and isinstance(weights, list) and len(on) == len(weights)
    if not (short and listed and isinstance(scored, str) and len(on) <= MOST_ROWS):
        raise _not_ours()
    if not isinstance(panel, str) or len(panel) > LONGEST_PANEL:
        raise _not_ours()
    flags = tuple(flag is True for flag in on)
    owner, seed, step = (sent.get(name) for name in ("owner", "seed", "step"))
    counted = step if isinstance(step, int) and 0 <= step < MOST_STEPS else 0
    cell = sent.get("cell")
    opened = cell[:LONGEST_WORD] if isinstance(cell, str) else None
    return Sent(query, scored[:40], owner, counted, flags, tuple(weights), seed, panel, opened)


def ticker(services: Services, presenter: Presenter, starts: Starts) -> Callable[[Any], str]:
    """Return the function that the page calls: JSON in, JSON text out, never an exception.

    The answer has a text for each component that changes, by the name of its panel, or only
    ``notice`` with a sentence.
    """

    def tick(sent: Any) -> str:
        try:
            found = _answer(services, presenter, starts, read_sent(sent))
        except MergeError as error:
            found = {"notice": str(error), "effect": LAST_PICTURE}
        except Exception:
            log.exception("a tick failed")
            found = {"notice": APOLOGY, "effect": LAST_PICTURE}
        return json.dumps(found, ensure_ascii=False)

    return tick


def _answer(services: Services, presenter: Presenter, starts: Starts, sent: Sent) -> dict[str, str]:
    state, _ = decode(sent.query, starts)
    state = replace(state, scored=sent.scored, step=sent.step)
    values = controls_of(
        services.sets, state.values.set, sent.seed, sent.on, sent.weights, sent.panel
    )
    after = state.patch(values)
    if sent.cell is not None:
        state, after = after, after.look(cell=sent.cell)
    owner = token_of(sent.owner)
    listed = services.runs.get(owner, services.first())
    recipe = after.recipe()
    services.check(recipe)
    before = Scene(services, state, state.recipe(), listed, owner)
    scene = Scene(services, after, recipe, listed, owner)
    found = panel_values(presenter, scene, [before])
    link = found.pop("link", None)
    if link is not None and sent.cell is None:
        found["link"] = {**link, "moving": True}
    return {**{name: _text(value) for name, value in found.items()}, "notice": ""}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _not_ours() -> RecipeError:
    return RecipeError("The page sent settings that cannot be read. Reload the page.")
