"""Reports of runs and sweeps: what stands in them, hostile names, CSV, and the handlers."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from merging.errors import MergeError
from merging.evaluation import compare, normalised, wilson
from merging.evaluation.record import RunRecord
from merging.recipe import make_recipe, write_recipe
from merging.search.axis import parameter_axis
from merging.search.plan import SweepPlan
from merging.search.sweep import SweepResult, sweep
from merging.sets import shipped_runs
from tests.app.conftest import bar, opening
from tests.app.sent import Sent, plain
from tests.held_measure import HeldMeasure
from ui.page import Page
from ui.report import Part, report_page
from ui.report_csv import FIGURES
from ui.reports import PICTURES, REPORTED, TUNED, Reports
from ui.runbook import ListedRun, RunList
from ui.runs_desk import RunsDesk
from ui.services import MOST_REPORTS, Services
from ui.state import WAYS
from ui.sweeps import Swept
from ui.sweeps_desk import SweepsDesk
from ui.views import headings
from ui.views.axes import COARSE, axes_offered
from ui.ways.bar import whatif

HOSTILE = "</script><img src=x onerror=alert(1)>&\u2028"
OWNER = "owner-of-the-reports-0123456789"


class Outline(HTMLParser):
    """Tags in order, headings, and the texts of tables and preformatted parts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.headings, self.cells, self.texts = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        last = self.tags[-1] if self.tags else ""
        {"h1": self.headings, "h2": self.headings, "td": self.cells, "th": self.cells,
         "pre": self.texts}.get(last, []).append(data)  # fmt: skip


@pytest.fixture(scope="module")
def reports(services: Services) -> Reports:
    return Reports(services)


@pytest.fixture(scope="module")
def records(services: Services) -> list[RunRecord]:
    services.first("gentle")
    return list(shipped_runs("gentle")[:3])


@pytest.fixture(scope="module")
def swept(services: Services, records: list[RunRecord]) -> SweepResult:
    measure = HeldMeasure([t["id"] for t in services.sets["gentle"].card["tasks"]])
    measure.failing = 1.9
    recipe = records[0].recipe
    plan = SweepPlan(recipe, (parameter_axis(recipe, "scale"),))
    return sweep(plan, lambda fraction, message: None, measure=measure)


def listed(records: list[RunRecord], *names: str) -> list[ListedRun]:
    return [ListedRun(r, n, "") for r, n in zip(records, names, strict=False)]


def charts(page: str) -> list[Any]:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def test_a_run_is_told_by_the_apps_sentences_and_charts(
    reports: Reports, records: list[RunRecord]
) -> None:
    page = reports.run(records[0], "Run 1")
    seen = Outline(page)
    assert seen.headings == [
        "Run 1: Task arithmetic, set Gentle", "The recipe", headings.SCORES, *PICTURES.values(),
    ]  # fmt: skip
    assert seen.texts == [write_recipe(records[0].recipe)]
    drawn = charts(page)
    assert len(drawn) == seen.tags.count("figure") - 2 == 7  # heatmap and dialects are tables
    assert all({"data", "layout"} <= set(chart) for chart in drawn)
    assert "keeps 42&nbsp;% of what its experts can do" in page
    assert "pinned" not in page[: page.index("<script")]


def test_nothing_is_fetched_from_elsewhere(reports: Reports, records: list[RunRecord]) -> None:
    page = reports.run(records[0])
    ours = re.sub(r"(?s)<script.*?</script>", "", page)
    assert not re.search(r"(?i)<(link|iframe|img|object|form|base)\b|\bsrc=|@import|url\(", ours)
    assert "default-src 'none'" in ours and page.count("<script") == 3
    assert re.findall(r'href="(.*?)"', ours) == []


def test_light_and_dark_colours_are_those_of_the_page() -> None:
    page = report_page("t", "a", [])
    light, dark = re.findall(r"--me-panel: (#\w+);", page)
    assert (light, dark) == ("#ffffff", "#1a1f26")
    assert page.index("@media screen and (prefers-color-scheme: dark)") < page.index(dark)
    assert "@media print" in page


def test_hostile_texts_stay_texts(reports: Reports, records: list[RunRecord]) -> None:
    calm, hostile = (
        Outline(reports.beside(listed(records, "A", name))).tags for name in ("B", HOSTILE)
    )
    assert calm == hostile
    chart = {
        "data": [{"x": [1], "y": [1], "name": HOSTILE}],
        "layout": {},
        "label": HOSTILE,
        "sentence": HOSTILE,
        "table": {"columns": [HOSTILE], "rows": [[HOSTILE], [None]]},
    }
    page = report_page(HOSTILE, HOSTILE, [Part(HOSTILE, "", [HOSTILE], chart, None, HOSTILE)])
    seen = Outline(page)
    assert "img" not in seen.tags and page.count("<script") == page.count("</script>") == 3
    assert "".join(seen.headings) == HOSTILE * 2 and "".join(seen.texts) == HOSTILE
    assert charts(page)[0]["data"][0]["name"] == HOSTILE


def test_runs_side_by_side(reports: Reports, records: list[RunRecord], services: Services) -> None:
    runs = listed(records, "One", "Two", "Three")
    page = reports.beside(runs)
    seen = Outline(page)
    assert seen.headings == ["3 runs side by side", headings.BESIDE, "One", "Two", "Three"]
    assert seen.texts == [write_recipe(r.recipe) for r in records] and len(charts(page)) == 3
    own = services.references("gentle").own
    gap = compare(records[1].correct, records[0].correct, own).mean[1]
    want = f"{100 * gap.value:+.1f} points ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
    assert want in " ".join(seen.cells)


def test_a_sweep_tells_tuned_and_reported_apart(reports: Reports, swept: SweepResult) -> None:
    page = reports.sweep(swept)
    seen = Outline(page)
    assert seen.headings[1:] == [
        headings.WHAT_IF, TUNED, REPORTED, "The recipe of the best", "The recipe that was varied",
    ]  # fmt: skip
    assert swept.chosen is not None and swept.chosen.recipe is not None
    assert seen.texts == [write_recipe(swept.chosen.recipe), write_recipe(swept.plan.recipe)]
    assert len(charts(page)) == 1 and "Click a point" not in page[: page.index("<script")]
    assert "Not scored: λ = 2: &lt;b&gt;not a number&lt;/b&gt;" in page


def test_all_tables_list_tasks_as_the_set_does(
    reports: Reports, swept: SweepResult, records: list[RunRecord], services: Services
) -> None:
    words = [t["label"] for t in services.sets["gentle"].card["tasks"]]
    assert sorted(words) != words  # figures come by name: the order says something

    def listed_in(cells: list[str]) -> list[str]:
        found = [word for cell in cells for word in words if word in cell]
        return [word for i, word in enumerate(found) if i == 0 or found[i - 1] != word]

    told = listed_in(Outline(reports.sweep(swept)).cells)
    assert told == words + words  # columns of what was tried, rows of the best
    beside = listed_in(Outline(reports.beside(listed(records, "One", "Two"))).cells)
    assert beside == words * 3
    for rows in (
        rows_of(reports.sweep_csv(swept))[:6],
        rows_of(reports.runs_csv(listed(records, "One")))[:6],
    ):
        assert listed_in([row["task"] for row in rows]) == words


def test_a_sweep_in_part_has_no_reported_half(reports: Reports, swept: SweepResult) -> None:
    part = replace(swept, points=swept.points[:4], chosen=None, simplest=None, ended="cancelled")
    seen = Outline(reports.sweep(part))
    assert REPORTED not in seen.headings and TUNED in seen.headings


def test_a_sweep_without_a_scored_point_says_why(reports: Reports, swept: SweepResult) -> None:
    bad = tuple(p for p in swept.points if p.error)
    none = replace(swept, points=bad, chosen=None, best=None, simplest=None)
    page = reports.sweep(none)
    assert charts(page) == [] and page.count("Not scored: ") == 2
    assert [r["error"] for r in rows_of(reports.sweep_csv(none))] == [p.error for p in bad]


def test_a_sweep_at_work_does_not_say_that_it_broke_off(
    reports: Reports, swept: SweepResult
) -> None:
    part = replace(swept, points=swept.points[:4], chosen=None, simplest=None, ended="")
    assert "4 of 21 values so far." in reports.sweep(part, live=True)
    assert "It broke off after 4 of 21 values." in reports.sweep(part)


def test_a_report_speaks_to_readers_without_a_page(reports: Reports, swept: SweepResult) -> None:
    (chart,) = charts(reports.sweep(swept))
    told = [shape["label"]["text"] for shape in chart["patch"]["shapes"] if "label" in shape]
    assert any(text.startswith("before: ") for text in told)
    assert not any("yours" in text for text in told)


def test_a_grid_is_told_as_one(reports: Reports, services: Services) -> None:
    recipe = make_recipe("ties", ["digits", "fashion"], set="gentle")
    axes = axes_offered(recipe, (), count=COARSE)
    plan = SweepPlan(recipe, (axes["scale"], axes["density"]))
    measure = HeldMeasure([t["id"] for t in services.sets["gentle"].card["tasks"]])
    found = sweep(plan, lambda fraction, message: None, measure=measure)
    page, count = reports.sweep(found), len(axes["scale"].values) * len(axes["density"].values)
    seen, (chart,) = Outline(page), charts(page)
    assert seen.headings[0] == "Strength λ and Density of TIES, set Gentle"
    assert seen.headings[2:4] == [TUNED, REPORTED] and chart["data"][0]["type"] == "heatmap"
    said = page[: page.index("<script")]
    assert "dotted frame: the recipe that was varied." in said
    assert "Click" not in said and "your settings" not in said
    assert len({r["point"] for r in rows_of(reports.sweep_csv(found))}) == count


def test_draws_have_no_simplest(reports: Reports, swept: SweepResult) -> None:
    recipe = make_recipe("dare", ["digits", "fashion"], set="gentle", seed=4)
    axis = axes_offered(recipe, ())["seed"]
    drawn = replace(swept, plan=SweepPlan(recipe, (axis,)))
    assert {r["mark"] for r in rows_of(reports.sweep_csv(drawn))} == {"", "best"}


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_scores_of_runs_as_csv(
    reports: Reports, records: list[RunRecord], services: Services
) -> None:
    rows = rows_of(reports.runs_csv(listed(records, "=A1", "Two")))
    assert len(rows) == 12 and {r["half"] for r in rows} == {"reporting"}
    assert rows[0]["run"] == "'=A1" and rows[6]["run"] == "Two"
    own, record = services.references("gentle").own, records[1]
    bits = record.correct["digits"]
    share = normalised(record.correct, own)[0]["digits"]
    gap = compare(record.correct, records[0].correct, own).tasks["digits"][1]
    want = next(r for r in rows if r["run"] == "Two" and r["task"] == "Digits")
    accuracy = wilson(int(bits.sum()), len(bits))
    assert int(want["items"]) == len(bits) == 500
    assert float(want["accuracy"]) == pytest.approx(accuracy.value, abs=1e-5)
    assert float(want["share low"]) == pytest.approx(share.low, abs=1e-5)
    assert float(want["gap high"]) == pytest.approx(gap.high, abs=1e-5)
    assert not rows[0]["gap low"] and rows[5]["task"] == "mean of all tasks"


def test_runs_of_different_sets_have_no_gaps(reports: Reports, services: Services) -> None:
    two = [services.first("gentle"), services.first("bold")]
    rows = rows_of(reports.runs_csv(listed(two, "One", "Two")))
    assert len(rows) == 12 and not any(r["gap low"] for r in rows)


def test_a_sweep_as_csv_names_the_half_of_every_line(reports: Reports, swept: SweepResult) -> None:
    rows = rows_of(reports.sweep_csv(swept))
    halves = [r["half"] for r in rows]
    assert halves.count("reporting") == 6 and halves.count("tuning") == 19 * 6 + 2
    assert {r["point"] for r in rows if r["half"] == "reporting"} == {"λ = 0.5"}
    assert {r["mark"] for r in rows if r["point"] == "λ = 0.5"} >= {"best, simplest within noise"}
    assert [r["error"] for r in rows if r["error"]] == [
        "λ = 2: <b>not a number</b>", "λ = 1.9: <b>not a number</b>",
    ]  # fmt: skip
    digits = next(r for r in rows if r["point"] == "λ = 0.5" and r["task"] == "Digits")
    figures = [float(digits[name]) for name in FIGURES[:2]]
    assert figures == [40, 0.85] and float(digits["share of own"]) == pytest.approx(
        34 / 36, abs=1e-5
    )


def file_of(updates: dict[Any, Any], page: Page) -> Path:
    return Path(updates[page.file].value["path"])


def test_the_list_hands_out_reports(
    runs: RunsDesk, page: Page, services: Services, records: list[RunRecord]
) -> None:
    state = opening(services)
    rest = (state, OWNER, bar(state), *plain(state.values, page))
    services.runs.put(OWNER, RunList(tuple(listed(records, "One", "Two"))))
    keys = [r.key for r in records[:2]]
    for action, chosen, want in (
        ("report", keys[:1], "<h1>One: Task arithmetic, set Gentle</h1>"),
        ("report", keys, "<h1>2 runs side by side</h1>"),
        ("csv", keys, "run,set,settings,recipe"),
    ):
        updates = runs.touch(Sent(action=action, keys=chosen), *rest)
        path = file_of(updates, page)
        assert want in path.read_text("utf-8")
        assert path.suffix == (".csv" if action == "csv" else ".html")
        assert set(updates) == {page.file}
    for strange in ([], ["x"], "text", None, [["a"]]):
        with pytest.raises(MergeError, match="forgotten"):
            runs.touch(Sent(action="report", keys=strange), *rest)


def test_the_sweep_hands_out_reports(
    runs: RunsDesk, page: Page, services: Services, swept: SweepResult, monkeypatch
) -> None:
    sweeps, state = SweepsDesk(runs), opening(services)
    rest = (state, OWNER, bar(state), *plain(state.values, page))
    with pytest.raises(MergeError, match="forgotten"):
        sweeps.act(Sent(action="report"), *rest)
    monkeypatch.setattr(services.sweeps, "of", lambda owner: Swept(swept, 1))
    made = sweeps.act(Sent(action="report"), *rest)
    assert headings.WHAT_IF in file_of(made, page).read_text("utf-8")
    assert rows_of(file_of(sweeps.act(Sent(action="csv"), *rest), page).read_text())


def test_only_the_values_offer_reports(
    runs: RunsDesk, services: Services, swept: SweepResult, monkeypatch
) -> None:
    state, offered = opening(services), {}
    assert not whatif(runs.desk.scene(state, OWNER))["report"]
    monkeypatch.setattr(services.sweeps, "of", lambda owner: Swept(swept, 1))
    for way in WAYS:
        offered[way] = whatif(runs.desk.scene(state.look(way=way), OWNER))["report"]
    assert offered == {"values": True, "find": False, "walk": False}


def test_only_the_newest_reports_are_kept(services: Services) -> None:
    paths = [services.report_file(f"report {n}", "html") for n in range(MOST_REPORTS + 3)]
    assert len(list(services.files.glob("report-*"))) == MOST_REPORTS
    assert paths[-1].read_text() == f"report {MOST_REPORTS + 2}" and not paths[0].exists()
