"""One real page beside nineteen HTTP clients that send the same requests as it does."""

import json
import random
import string
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page, Request, TimeoutError

from scripts.browsing import LIVE, Server, choose, drag, visit
from scripts.figures import Report
from scripts.stolen import least_disturbed

CLIENTS = 19
EVENTS = 50
PAUSE = 0.2  # seconds between two requests of a client: a hand that drags and looks
PATIENCE = 5_000  # ms until the page has come to rest after the drag


@dataclass
class Tick:
    """What the page sends when a slider moves, and where to."""

    url: str
    body: dict[str, Any]

    def moved(self, session: str, density: float) -> bytes:
        """Return the same request of another visitor, at another density."""
        body = json.loads(json.dumps(self.body))
        body["session_hash"] = session
        panel = json.loads(body["data"]["panel"])
        panel["values"]["params"]["density"] = density
        body["data"] |= {"panel": json.dumps(panel), "owner": session * 3}
        return json.dumps(body).encode()


@dataclass
class Crowd:
    """Clients, each in a thread; what they got and what went wrong."""

    tick: Tick
    stop: threading.Event = field(default_factory=threading.Event)
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def client(self, number: int) -> None:
        """Send ticks of one visitor until the crowd goes; each answer must be of what was asked."""
        source = random.Random(number)
        session = "".join(source.choices(string.ascii_lowercase, k=11))
        while not self.stop.wait(PAUSE):
            density = round(source.uniform(0.05, 0.95), 3)
            begin = time.perf_counter()
            try:
                answer = self._ask(session, density)
            except OSError as error:
                self.wrong.append(str(error))
                continue
            self.seconds.append(time.perf_counter() - begin)
            if f"d = {density:g}" not in answer:
                self.wrong.append(f"{session} asked for {density}")

    def _ask(self, session: str, density: float) -> str:
        sent = urllib.request.Request(
            self.tick.url,
            self.tick.moved(session, density),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(sent, timeout=20) as answer:
            return str(answer.read().decode())


def caught(page: Page) -> Tick:
    """Return what the page sends when the density of TIES moves."""
    found: list[Request] = []
    page.on("request", lambda r: found.append(r) if "component_server" in r.url else None)
    drag(page, "#ties-density", [0.21])
    body = json.loads(found[0].post_data or "{}")
    return Tick(found[0].url, body)


def told(page: Page, value: str) -> bool:
    """Return whether the formula says a value, at the latest when the page has come to rest."""
    formula = "document.querySelector('#formula').innerText.replaceAll('\\u00a0', ' ')"
    try:
        page.wait_for_function(f"(value) => {formula}.includes(value)", arg=value, timeout=PATIENCE)
    except TimeoutError:
        return False
    return True


def measure_crowd(browser: Browser, server: Server, report: Report) -> None:
    """Time the page's slider beside the clients; the last value of its drag must arrive."""
    page, _, _ = visit(browser, server.url, viewport={"width": 1440, "height": 5600})
    choose(page, "TIES", "ties")
    tick = caught(page)
    timed = least_disturbed(lambda: _beside(page, Crowd(tick)))
    page.context.close()
    times, arrived, crowd = timed.found
    report.times("slider to all live charts beside 19 clients", times, 400, 400, timed.note)
    report.add("answers of others or none, of the clients", len(crowd.wrong), "", 0)
    report.add("the last value of the drag did not arrive", 0 if arrived else 1, "", 0)
    report.times("a client's request", crowd.seconds, 1000, 1000, timed.note)


def _beside(page: Page, crowd: Crowd) -> tuple[list[float], bool, Crowd]:
    threads = [threading.Thread(target=crowd.client, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    values = [round(0.1 + 0.01 * i, 2) for i in range(EVENTS)]
    times = drag(page, "#ties-density", values, LIVE)
    arrived = told(page, f"d = {values[-1]:g}")
    crowd.stop.set()
    for thread in threads:
        thread.join()
    return times, arrived, crowd
