"""The source of points that a cluster scores: its process dies, babbles, hangs, refuses."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_measure import CancelAfter, quiet

from merging.errors import Cancelled, MergeError, ResourceError
from merging.recipe import make_recipe
from merging.search import cluster as module
from merging.search import driver
from merging.search.cluster import Cluster
from merging.search.measure import SetMeasure

READ = """
import json, os, sys, time
def say(**message): print(json.dumps(message), flush=True)
def hear(): return json.loads(sys.stdin.readline() or "null")
"""
RIGHT = 'answers={"t": [8, "%02x" % i]}, worker="w", seconds=0.5'
SERVE = (
    'say(ready=True)\nwhile (o := hear()):\n  if "recipes" in o:\n'
    f"    for i in range(len(o['recipes'])): say(index=i, {RIGHT})\n    say(ended=True)"
)
RECIPES = [make_recipe("linear", ["one", "two"], set="tiny", seed=s) for s in range(3)]


@pytest.fixture
def measure(zoo: Path) -> SetMeasure:
    return SetMeasure("tiny", zoo, items=7)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.001)


class Made:
    """Clusters whose process is a few lines of Python; closed at the end."""

    def __init__(self) -> None:
        self.all: list[Cluster] = []

    def __call__(self, lines: str) -> Cluster:
        made = Cluster("auto", (sys.executable, "-c", READ + lines))
        self.all.append(made)
        return made


@pytest.fixture
def made() -> Iterator[Made]:
    found = Made()
    yield found
    for cluster in found.all:
        cluster.close()


def taken(cluster: Cluster, measure: SetMeasure, report: Any = quiet) -> list[tuple[int, Any]]:
    return list(cluster.source(measure)(RECIPES, report))


def test_answers_come_as_they_are_done_and_the_process_serves_again(
    made: Made, measure: SetMeasure
) -> None:
    cluster = made(SERVE.replace("range(len(o['recipes']))", "(2, 0, 1)"))
    for _ in range(2):
        found = taken(cluster, measure)
        assert [i for i, _ in found] == [2, 0, 1]
        assert found[0][1]["t"].tolist() == [False] * 6 + [True, False]
        assert cluster.ran == [("w", 0.5)] * 3


def test_the_order_holds_texts_and_numbers_only(
    made: Made, measure: SetMeasure, tmp_path: Path
) -> None:
    path = tmp_path / "order"
    keep = f'say(ready=True)\nopen({str(path)!r}, "w").write(sys.stdin.readline())'
    with pytest.raises(ResourceError, match="lost after 0 of 3 points"):
        taken(made(keep), measure)
    import yaml

    told = yaml.safe_load(path.read_text())
    assert told["set"] == "tiny" and told["items"] == 7
    assert len(told["content"]) == len(told["code"]) == 16
    assert [yaml.safe_load(r)["seed"] for r in told["recipes"]] == [0, 1, 2]


def test_words_of_a_node_become_the_points_error(made: Made, measure: SetMeasure) -> None:
    cluster = made(
        'say(ready=True)\nhear()\nsay(index=0, error="The set tiny differs")\n'
        'say(index=1, broken="memory")\nsay(index=2, broken="KeyError: x")\nsay(ended=True)\nhear()'
    )
    (_, first), (_, second), (_, third) = taken(cluster, measure)
    assert isinstance(first, MergeError) and str(first) == "The set tiny differs"
    assert isinstance(second, MemoryError) and isinstance(third, RuntimeError)
    lost = made('say(ready=True)\nhear()\nfor i in range(3): say(index=i, lost="it died")\nhear()')
    assert "lost again and again: it died" in str(taken(lost, measure)[0][1])
    wrong = made("say(ready=True)\nhear()\nfor i in range(3): say(index=i, answers=5)\nhear()")
    assert "no answer" in str(taken(wrong, measure)[0][1])


@pytest.mark.parametrize(
    "then", ["", "print('babble', flush=True)", "say(index=0)", "say(index=7)", "say(index='1')",
             "print('[1]', flush=True)", "os._exit(9)", "say(ended=True)"]
)  # fmt: skip
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_process_that_ends_or_babbles_is_started_anew_for_what_it_left(
    made: Made, measure: SetMeasure, then: str, times: int, tmp_path: Path
) -> None:
    """What came is handed on once; a new process is asked for the rest only."""
    orders = tmp_path / "orders"
    orders.touch()
    bad = (
        f"say(ready=True); o = hear(); note(o); say(index=0, {RIGHT.replace('% i', '% 1')}); {then}"
    )
    code = (
        f"f = {str(orders)!r}\nlost = len(open(f).readlines())\n"
        "def note(o): print(*[r.split('seed: ')[1][0] for r in o['recipes']], file=open(f, 'a'))\n"
    )
    cluster = made(f"{code}if lost >= {times}:\n  exec({SERVE!r})\nelse:\n  {bad}")
    assert [i for i, _ in taken(cluster, measure)] == [0, 1, 2]
    assert orders.read_text().split("\n")[:-1] == ["0 1 2", "1 2", "2"][:times]
    assert [i for i, _ in taken(cluster, measure)] == [0, 1, 2]


@pytest.mark.parametrize("then", ["say(ready=True); hear()", 'say(failed="no head")'])
def test_what_came_before_the_cluster_was_lost_is_handed_on(
    made: Made, measure: SetMeasure, then: str, tmp_path: Path
) -> None:
    """Later processes answer nothing, or do not reach it."""
    starts = tmp_path / "starts"
    first = f"say(ready=True); hear(); say(index=2, {RIGHT.replace('% i', '% 1')})"
    code = f"f = open({str(starts)!r}, 'a+')\nprint(1, file=f, flush=True)\nf.seek(0)\n"
    cluster = made(f"{code}if len(f.readlines()) == 1:\n  {first}\nelse:\n  {then}")
    found, source = [], cluster.source(measure)(RECIPES, quiet)
    with pytest.raises(ResourceError, match=r"lost after 1 of 3 points\. What is done is kept"):
        for point in source:
            found.append(point)
    assert [i for i, _ in found] == [2]
    assert len(starts.read_text().split()) == module.STARTS


def test_a_cluster_whose_head_is_gone_is_not_waited_for(made: Made, measure: SetMeasure) -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        lines = f"{READ}say(ready=True); hear()\nsay(index=0, {RIGHT.replace('% i', '% 1')})"
        cluster = Cluster(address, (sys.executable, "-c", lines))
        made.all.append(cluster)
        source = cluster.source(measure)(RECIPES, quiet)
        assert next(source)[0] == 0
    with pytest.raises(ResourceError, match="lost after 1 of 3 points"):
        next(source)


def test_a_cluster_that_refuses_is_told_in_words(
    made: Made, measure: SetMeasure, caplog: pytest.LogCaptureFixture
) -> None:
    for lines in ('say(failed="ConnectionError: no head at 10.0.0.7")', "", "print(1)"):
        with pytest.raises(ResourceError, match="MERGE_EXPLORER_RAY names cannot be reached"):
            taken(made(lines), measure)
    assert "10.0.0.7" in caplog.text


def test_a_process_that_never_gets_ready(
    made: Made, measure: SetMeasure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START", 0.2)
    with pytest.raises(ResourceError, match="cannot be reached"):
        taken(made("hear()"), measure)


def test_nothing_listens(measure: SetMeasure) -> None:
    with pytest.raises(ResourceError, match="cannot be reached: nothing answers there"):
        taken(Cluster("127.0.0.1:1"), measure)


@pytest.mark.parametrize(
    "address", ["", "ray://host:1", "host", "host:", "host:123456", "-x:1;ls", "a b:1", "auto "]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ResourceError, match="must be host:port"):
        Cluster(address)


HOLD = (
    'say(ready=True)\nwhile (o := hear()):\n  if "recipes" in o:\n'
    f"    i = 1; say(index=1, {RIGHT})\n    stop = hear(); assert 'stop' in stop\n"
    "    open(sys.argv[-1], 'a').write('s'); say(ended=True)"
)


def test_cancel_reaches_the_process_which_then_serves_again(
    measure: SetMeasure, tmp_path: Path
) -> None:
    path = tmp_path / "stops"
    cluster = Cluster("auto", (sys.executable, "-c", READ + HOLD, str(path)))
    for count in (1, 2):
        report = CancelAfter(10_000)
        source = cluster.source(measure)(RECIPES, report)
        assert next(source)[0] == 1
        report.calls = 0
        with pytest.raises(Cancelled):
            next(source)
        assert path.read_text() == "s" * count
    source = cluster.source(measure)(RECIPES, quiet)
    next(source)
    source.close()
    assert path.read_text() == "sss"
    cluster.close()


def test_a_process_that_does_not_stop_is_ended(
    measure: SetMeasure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "STOP", 0.3)
    path = tmp_path / "pid"
    lines = f'say(ready=True)\nopen({str(path)!r}, "w").write(str(os.getpid()))\n'
    lines += f"hear(); i = 0; say(index=0, {RIGHT})\nimport signal; signal.pause()"
    cluster = Cluster("auto", (sys.executable, "-c", READ + lines))
    source = cluster.source(measure)(RECIPES, quiet)
    next(source)
    source.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


def test_cancel_while_it_is_reached(made: Made, measure: SetMeasure) -> None:
    with pytest.raises(Cancelled):
        taken(made("hear()"), measure, CancelAfter(2))


def test_bits_are_arrays_of_their_own(made: Made, measure: SetMeasure) -> None:
    found = taken(made(SERVE), measure)[1][1]["t"]
    found[0] = True
    assert isinstance(found, np.ndarray) and found.flags.writeable
