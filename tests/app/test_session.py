"""What is touched at the same time: nothing is lost, and nothing that came too late undoes it."""

import copy
import threading
from dataclasses import replace
from typing import Any

import pytest

from tests.app.conftest import bar
from tests.app.sent import Sent, moved, plain
from tests.app.test_handlers import OWNER, REST
from ui.desk import Desk
from ui.page import Page
from ui.runs_desk import RunsDesk
from ui.services import Services
from ui.session import Session, as_of_now, in_turn
from ui.state import AppState

CELL = "the component that holds the session"


def test_a_handler_gets_the_state_and_its_new_one_is_kept_and_not_sent(state: AppState) -> None:
    session = Session(state)
    seen: list[Any] = []

    def handler(*values: Any) -> dict[Any, Any]:
        seen.extend(values)
        return {CELL: replace(state, step=7), "panel": 1}

    assert in_turn(CELL, handler)("a", session, 3) == {"panel": 1}
    assert seen == ["a", state, 3] and session.state.step == 7


def test_handlers_wait_for_their_turn(state: AppState) -> None:
    session = Session(state)
    inside, go_on = threading.Event(), threading.Event()

    def slow(before: AppState) -> dict[Any, Any]:
        inside.set()
        assert go_on.wait(60)
        return {CELL: replace(before, step=before.step + 1)}

    def quick(before: AppState) -> dict[Any, Any]:
        return {CELL: replace(before, step=before.step * 10)}

    first = threading.Thread(target=in_turn(CELL, slow), args=(session,))
    second = threading.Thread(target=in_turn(CELL, quick), args=(session,))
    first.start()
    assert inside.wait(60)
    second.start()
    assert session.state.step == 0
    go_on.set()
    for thread in (first, second):
        thread.join(60)
    assert session.state.step == 10


def test_readers_do_not_wait(state: AppState) -> None:
    session = Session(state)
    read: list[AppState] = []
    reader = as_of_now(lambda before: read.append(before) or {})
    with session.lock:
        thread = threading.Thread(target=reader, args=(session,))
        thread.start()
        thread.join(60)
    assert read == [state]


def test_an_error_leaves_the_state_and_the_turn(state: AppState) -> None:
    session = Session(state)
    broken = in_turn(CELL, lambda before: {}[before.step])
    with pytest.raises(KeyError):
        broken(session)
    assert session.state is state and session.lock.acquire(blocking=False)


def test_each_visitor_has_a_session_of_their_own(state: AppState) -> None:
    first = Session(state)
    other = copy.deepcopy(first)
    in_turn(CELL, lambda before: {CELL: replace(before, step=3)})(other)
    assert (first.state.step, other.state.step) == (0, 3)


def test_sliders_at_rest_that_are_heard_after_an_undo_do_not_take_it_back(
    desk: Desk, page: Page, state: AppState
) -> None:
    """The rest was sent before the page heard of the undo: its step tells."""
    dragged = moved(state.values, scale=0.5)
    sent = bar(state), *plain(dragged, page)
    undone = desk.act(Sent(action="undo"), state, OWNER, *sent)
    assert undone[page.state].values == state.values
    late = desk.act(REST, undone[page.state], OWNER, *sent)
    assert late[page.state].values == state.values
    assert late[page.state].redo().recipe().settings().number("scale") == 0.5


def test_an_undo_with_no_expert_on_brings_back_the_last_settings_that_could_be_merged(
    desk: Desk, page: Page, state: AppState
) -> None:
    """One step, not two; what the page sent before it heard of it does not take it back."""
    before = state.patch(moved(state.values, scale=0.5))
    sent = plain(replace(before.values, on=frozenset()), page)
    undone = desk.act(Sent(action="undo"), before, OWNER, bar(before), *sent)
    after = undone[page.state]
    assert after.values == before.values and after.past == before.past
    assert undone[page.notice] == "" and "λ = 0.5" in undone[page.formula]
    assert all(undone[box].value for box in page.controls.on[: len(before.values.on)])
    late = desk.act(Sent(action="undo"), after, OWNER, bar(before), *sent)
    assert late[page.state].values == state.values  # a step on, as boxes of before do not count


def test_an_undo_clears_what_was_said_of_the_settings_before_it(
    desk: Desk, page: Page, state: AppState
) -> None:
    moved_on = state.patch(moved(state.values, scale=0.5))
    sent = plain(moved_on.values, page)
    assert desk.act(Sent(action="undo"), moved_on, OWNER, bar(moved_on), *sent)[page.notice] == ""
    rest = desk.act(REST, moved_on, OWNER, bar(moved_on), *sent)
    assert page.notice not in rest


def test_an_undo_in_the_middle_of_a_drag_draws_what_the_page_had_left(
    desk: Desk, page: Page, state: AppState
) -> None:
    """Ticks have drawn 0.5; the state never heard of it, and goes back to where it is."""
    dragged = moved(state.values, scale=0.5)
    undone = desk.act(Sent(action="undo"), state, OWNER, bar(state), *plain(dragged, page))
    assert undone[page.heatmap]["stamp"] == state.recipe().key()
    assert "λ = 1" in undone[page.formula] and undone[page.link]["redo"]
    assert undone[page.state].step == state.step + 1


def test_an_expert_switched_off_before_the_page_heard_of_a_method_keeps_the_method(
    desk: Desk, page: Page, state: AppState
) -> None:
    sent = plain(state.values, page)
    chosen = desk.choose_method(Sent(method="ties"), state, OWNER, bar(state), *sent)
    fewer = replace(state.values, on=state.values.on - {"digits"})
    after = desk.switch(chosen[page.state], OWNER, bar(state), *plain(fewer, page))
    recipe = after[page.state].recipe()
    assert recipe.method == "ties"
    assert [e.id for e in recipe.experts] == ["fashion", "optical", "scripts", "pictograms"]
    assert after[page.controls.panel]["method"] == "ties"


def test_a_preset_chosen_while_a_slider_moves_is_a_step_of_its_own(
    desk: Desk, page: Page, state: AppState
) -> None:
    dragged = moved(state.values, scale=0.5)
    event = Sent(dialect="paper")
    after = desk.choose_dialect(event, state, OWNER, bar(state), *plain(dragged, page))
    assert after[page.heatmap]["stamp"] == after[page.state].recipe().key()
    back = after[page.state].undo()
    assert back.recipe().settings().number("scale") == 0.5
    assert back.undo().recipe().key() == state.recipe().key()


def test_a_job_that_ends_in_the_middle_of_a_drag_leaves_the_sliders(
    desk: Desk, runs: RunsDesk, page: Page, services: Services, state: AppState
) -> None:
    owner, dragged = "j" * 24, moved(state.values, scale=0.47)
    linear = replace(state.values, method="linear", on=frozenset({"optical", "digits"}))
    started = runs.start(state, owner, bar(state), *plain(linear, page))[page.state]
    assert services.jobs.wait(owner, 60).status == "done"
    after = runs.poll(started, owner, -1, bar(started), *plain(dragged, page))
    assert after[page.state].recipe().settings().number("scale") == 0.47
    assert after[page.heatmap]["stamp"] == after[page.state].recipe().key()
    assert "scale=0.47" in after[page.link]["query"] and "moving" not in after[page.link]
    assert page.dialects in after


def test_a_name_given_in_the_middle_of_a_drag_lets_sliders_come_to_rest(
    runs: RunsDesk, page: Page, services: Services, state: AppState
) -> None:
    event = Sent(action="rename", key=services.first().key, name="the first")
    dragged = moved(state.values, scale=0.47)
    after = runs.touch(event, state, "n" * 24, bar(state), *plain(dragged, page))
    assert [row["name"] for row in after[page.runs]["rows"]] == ["the first"]
    assert after[page.state].past == (state.values,) and page.dialects in after


def test_a_click_while_the_answer_at_rest_is_under_way_takes_what_the_sliders_say(
    desk: Desk, runs: RunsDesk, page: Page, state: AppState
) -> None:
    """The rest only read the sliders, so they may be read again from a page that has not heard."""
    sent = bar(state)
    rested = desk.act(REST, state, OWNER, sent, *plain(moved(state.values, scale=0.95), page))
    on = plain(moved(state.values, scale=0.8), page)
    started = runs.start(rested[page.state], "c" * 24, sent, *on)
    assert started[page.state].recipe().settings().number("scale") == 0.8
    pinned = desk.act(Sent(action="pin"), rested[page.state], OWNER, sent, *on)[page.state]
    assert pinned.pinned.settings().number("scale") == 0.8
    assert pinned.step == rested[page.state].step + 1 and pinned.written == state.written


def test_a_method_chosen_beside_a_slider_that_no_tick_has_told_yet(
    desk: Desk, page: Page, state: AppState
) -> None:
    """The answer at rest has been heard; only after something was written are controls in doubt."""
    sent = bar(state)
    rested = desk.act(REST, state, OWNER, sent, *plain(moved(state.values, scale=0.95), page))
    still = bar(rested[page.state], moving=False)
    on = plain(moved(state.values, scale=0.9), page)
    chosen = desk.choose_method(Sent(method="ties"), rested[page.state], OWNER, still, *on)
    after = chosen[page.state]
    assert after.values.method == "ties" and after.undo().recipe().settings().number("scale") == 0.9
    written = bar(after, moving=False)
    doubted = desk.act(Sent(action="undo"), after, OWNER, written, *on)
    assert doubted[page.state].values == after.undo().values


def test_merging_what_the_page_had_not_heard_of_merges_what_was_chosen(
    desk: Desk, runs: RunsDesk, page: Page, services: Services, state: AppState
) -> None:
    sent = plain(state.values, page)
    chosen = desk.choose_method(Sent(method="linear"), state, OWNER, bar(state), *sent)
    owner = "m" * 24
    after = runs.start(chosen[page.state], owner, bar(state), *sent)
    assert after[page.state].recipe().method == "linear"
    assert services.jobs.wait(owner, 60).key == chosen[page.state].recipe().key()
