"""Sets for teaching on the page: read when somebody chooses one, with as many rows as they need."""

import json

import pytest

from merging.jobs import JobRunner
from merging.sets import bundled, set_names, shipped_runs
from ui import services as kept
from ui.link import decode
from ui.page import Page
from ui.scene import starts
from ui.services import Services
from ui.state import AppState


def test_they_are_read_when_first_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, str]] = []

    def noted(what, found):
        return lambda name: read.append((what, name)) or found(name)

    monkeypatch.setattr(kept.bundled, "sketch", noted("sketch", bundled.sketch))
    monkeypatch.setattr(kept, "shipped_runs", noted("runs", shipped_runs))
    made = Services(JobRunner())
    try:
        made.warm()
        assert tuple(made.sets) == set_names() and len(made.sets) == 8
        assert made.at_hand() == ("gentle", "bold", "stranger")
        assert {name for _, name in read} == set(made.at_hand())
        known = starts(made)
        assert list(known) == list(made.sets) and len(known) == 8 and "none" not in known
        assert {name for _, name in read} == set(made.at_hand())
        first = shipped_runs("twin")[0]
        assert made.record(first.key) is None
        assert known["twin"].first == first.recipe and made.record(first.key) is first
        assert {name for _, name in read} == {*made.at_hand(), "twin"}
    finally:
        made.close()


@pytest.mark.parametrize("name", ["weak", "twin", "narrow", "sparse", "checkpoints"])
def test_a_link_opens_every_one_with_its_first_run(runs, page, state, services, name: str) -> None:
    updates = runs.restore(Asked(f"set={name}"), state, None, "")
    after: AppState = updates[page.state]
    assert after.values.set == name and after.scored == services.first(name).key
    assert "me-stale" not in updates[page.verdict] and "NaN" not in json.dumps(
        [updates[p] for p in (page.heatmap, page.scores, page.magnitudes, page.who_won)]
    )
    assert updates[page.controls.set].info.startswith("For lessons: ")


class Asked:
    """What Gradio tells of the page's address."""

    def __init__(self, query: str) -> None:
        self.query_params = query


def test_a_sixth_expert_has_a_row(page: Page, services: Services) -> None:
    assert len(services.rows) == 6 and services.rows[5] == "expert-6"
    assert [row.visible for row in page.controls.rows] == [True] * 5 + [False]
    values = decode("set=checkpoints", starts(services))[0].values
    assert len(values.on) == 6
    updates = page.controls.write(values, services.sets["checkpoints"], {})
    assert [updates[row].visible for row in page.controls.rows] == [True] * 6
    assert updates[page.controls.on[5]].label == "F Step 900"
    plain = decode("", starts(services))[0].values
    back = page.controls.write(plain, services.sets["gentle"], {})
    assert [back[row].visible for row in page.controls.rows] == [True] * 5 + [False]
    sent = ["checkpoints", 0, *[False] * 5, True, *[1.0] * 5, 0.5, updates[page.controls.panel]]
    sent[-1] = json.dumps(sent[-1])
    read = page.controls.read(sent, services.sets)
    assert read.on == {"step900"} and read.weights["step900"] == 0.5
