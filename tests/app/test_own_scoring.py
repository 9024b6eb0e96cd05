"""Own data on the page of own models: handed in, scored, compared, forgotten; refusals in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merging.checkpoints import open_folder
from merging.errors import EvaluationError, MergeError, ResourceError
from merging.evaluation.change import change, outputs
from merging.evaluation.own_data import read_own_data
from merging.evaluation.own_models import open_model
from merging.evaluation.own_scores import score_own
from tests.app.own_page import OTHER, OWNER, chosen, desk_of, forms, method, services_of
from tests.own_models import make_models  # it lets the next one be found
from ui.own.desk import OwnDesk
from ui.own.page import OwnPage
from ui.own.scores import ScoreParts
from ui.own.scores_desk import ScoresDesk
from ui.own.scoring import MERGED, NOTHING
from ui.own.services import OwnServices
from ui.own.state import OwnState
from ui.views.job import job_view

from reading_models import reading, texts  # isort: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_models(tmp_path_factory.mktemp("models"))
    for seed, name in enumerate(("start", "left", "right")):
        reading("llama", root / name, seed)
    return root


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Iterator[OwnServices]:
    with services_of(root, tmp_path) as made:
        yield made


@pytest.fixture
def desk(own: OwnServices, tmp_path: Path) -> OwnDesk:
    return desk_of(own, tmp_path)


@pytest.fixture
def scores(desk: OwnDesk) -> ScoresDesk:
    return ScoresDesk(desk)


@pytest.fixture
def page(desk: OwnDesk) -> OwnPage:
    return desk.page


@pytest.fixture
def parts(page: OwnPage) -> ScoreParts:
    return page.scoring


def merged(desk: OwnDesk, *names: str, base: str = "start", **fields: Any) -> OwnState:
    """Merge and wait; return the visitor's state."""
    settings = method(chosen(desk.services, *names, base=base, **fields), "linear")
    state = desk.touch(OwnState(), OWNER, *forms(settings))[desk.page.state]
    desk.services._checks.wait(f"own {OWNER}", 60)
    desk.start(state, OWNER, *forms(settings))
    done = desk.services.jobs.wait(f"own {OWNER}", 60)
    assert done is not None and done.status == "done", done
    return state


def handed_in(tmp_path: Path, content: bytes, name: str = "mine.jsonl") -> str:
    path = tmp_path / "upload" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return str(path)


def waited(desk: OwnDesk, owner: str = OWNER) -> None:
    desk.services.jobs.wait(f"score {owner}", 60)


def test_scores_are_those_of_the_models_by_themselves(
    desk, page, parts, scores, own, root: Path, tmp_path: Path
) -> None:
    state = merged(desk, "left", "right")
    path = handed_in(tmp_path, texts(30))
    found = scores.open_data(state, OWNER, path)
    assert not Path(path).exists()  # nothing of it stays on disk
    said = f"Your data, {Path(path).name}: 30 plain texts, of which "
    assert said in found[parts.data]
    assert "One model at a time is in memory: about " in found[parts.data]
    assert found[parts.score].interactive and found[parts.forget].interactive
    state = found[page.state]
    started = scores.score(state, OWNER)
    assert started[parts.timer].active and not started[parts.score].interactive
    waited(desk)
    found = scores.poll(state, OWNER, "")
    rows = found[parts.table]["table"]["rows"]
    data = read_own_data(texts(30), "a.jsonl")
    places = [root / n for n in ("start", "left", "right")] + [own.output(OWNER).folder]
    for row, path in zip(rows, places, strict=True):
        alone = score_own(open_model(open_folder(path)), data)
        assert row[2].startswith(f"{alone.perplexity().value:.4g} (")
    assert [row[0] for row in rows] == ["start", "left", "right", MERGED]
    assert found[parts.table]["sentence"].startswith("The merge: perplexity ")
    assert found[parts.job]["state"] == "done" and not found[parts.timer].active
    assert len(found[parts.chart]["data"]) == 4
    assert scores.poll(state, OWNER, found[parts.seen]) == {}


def test_without_data_outputs_are_compared(desk, parts, scores, own, root: Path) -> None:
    state = merged(desk, "left", "right")
    scores.compare(state, OWNER)
    waited(desk)
    found = scores.poll(state, OWNER, "")
    pair = [outputs(open_model(open_folder(p))) for p in (own.output(OWNER).folder, root / "left")]
    row = next(r for r in found[parts.table]["table"]["rows"] if r[0] == "left")
    wanted = change(*pair)
    assert row[2] == f"{wanted.alike[-1]:.3f}" and row[4] == f"{wanted.divergence:.4g}"
    assert "answers most like" in found[parts.table]["sentence"]


def test_an_adapter_that_was_written_is_scored_over_its_base(desk, parts, scores) -> None:
    state = merged(desk, "lora-a", "lora-b", base="base", output="adapter")
    scores.compare(state, OWNER)
    waited(desk)
    rows = scores.poll(state, OWNER, "")[parts.table]["table"]["rows"]
    assert [row[1] for row in rows] == ["base", "expert", "expert"]
    assert float(rows[0][4]) > 0


def test_adapters_without_a_base_cannot_be_asked(desk, parts, scores) -> None:
    state = merged(desk, "lora-a", "lora-b", base="", output="adapter")
    found = desk.poll(state, OWNER, "")
    assert not found[parts.compare].interactive and "base" in found[parts.data]
    with pytest.raises(MergeError, match="base"):
        scores.compare(state, OWNER)


def test_models_without_a_tokenizer_say_so(desk, parts, scores, own, tmp_path, root) -> None:
    state = merged(desk, "one", "two", base="base")
    state = scores.open_data(state, OWNER, handed_in(tmp_path, texts(8)))[desk.page.state]
    scores.score(state, OWNER)
    waited(desk)
    found = scores.poll(state, OWNER, "")
    assert found[parts.job]["state"] == "failed"
    assert "base has no tokenizer.json" in found[parts.job]["text"]
    assert str(root) not in found[parts.job]["text"]


def test_forgotten_data_and_scores_are_gone(desk, page, parts, scores, tmp_path) -> None:
    state = merged(desk, "left", "right")
    state = scores.open_data(state, OWNER, handed_in(tmp_path, texts(8)))[page.state]
    scores.score(state, OWNER)
    waited(desk)
    assert desk.services.scoring.result(OWNER) is not None
    found = scores.forget(state, OWNER)
    assert found[page.state].data is None and found[parts.table] is None
    assert "No data of your own yet" in found[parts.data] and not found[parts.score].interactive
    with pytest.raises(EvaluationError, match="Open a file"):
        scores.score(found[page.state], OWNER)


def test_another_merge_makes_scores_old(desk, parts, scores) -> None:
    state = merged(desk, "left", "right")
    scores.compare(state, OWNER)
    waited(desk)
    state = merged(desk, "left")
    assert "which was merged before" in desk.poll(state, OWNER, "")[parts.notes]


def test_visitors_see_their_own_scores_only(desk, parts, scores) -> None:
    state = merged(desk, "left", "right")
    scores.compare(state, OWNER)
    waited(desk)
    found = scores.poll(state, OTHER, "?")
    assert found[parts.table] is None and NOTHING in found[parts.data]
    with pytest.raises(MergeError, match="Merge first"):
        scores.compare(state, OTHER)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"text,label\nalone\n", "a.csv", "line 2: 1 fields"),
        (b'{"text": 5.5}\n', "a.jsonl", "line 1: text is float"),
        (b"x" * 5_000_001, "a.txt", "more than 5 MB"),
        (b"\x00", "a.exe", "must end in .csv, .jsonl or .txt"),
    ],
)
def test_data_that_is_refused_names_row_and_column_and_leaves_no_file(
    desk, scores, tmp_path, content: bytes, name: str, said: str
) -> None:
    path = handed_in(tmp_path, content, name)
    with pytest.raises(EvaluationError) as caught:
        scores.open_data(OwnState(), OWNER, path)
    message = str(caught.value)
    assert said in message or "zero byte" in message
    assert not Path(path).exists() and str(tmp_path) not in message
    for nothing in (None, 7, b"text"):
        with pytest.raises(EvaluationError, match="No file arrived"):
            scores.open_data(OwnState(), OWNER, nothing)


def test_too_large_models_are_refused_before_any_work(desk, scores, monkeypatch) -> None:
    state = merged(desk, "left", "right")
    monkeypatch.setattr("ui.own.scoring.free_memory", lambda: 1000)
    with pytest.raises(ResourceError, match="1 KB are free"):
        scores.compare(state, OWNER)
    assert desk.services.scoring.job(OWNER) is None


def test_stop_ends_a_scoring_in_words(desk, parts, scores, monkeypatch) -> None:
    state = merged(desk, "left", "right")

    def stubborn(*args: Any) -> None:
        args[-1](0.1, "ask left")
        desk.services.jobs.cancel(f"score {OWNER}")
        args[-1](0.2, "ask right")

    monkeypatch.setattr("ui.own.scoring.changes_from", stubborn)
    scores.compare(state, OWNER)
    waited(desk)
    found = scores.stop(state, OWNER)
    assert found[parts.job]["state"] == "cancelled" and found[parts.compare].interactive
    assert job_view(None).state == "idle"
