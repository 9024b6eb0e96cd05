"""Files that browsers keep for good: they arrive whole, compressed where the browser can."""

import brotli
import plotly
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.components.kept_files import FRONT_END, PLOTLY, PLOTLY_PATH, front_end_route, plotly_route

ACCEPTED = ["br", "gzip, deflate, br, zstd", "identity", "gzip"]
SCRIPT = max(FRONT_END.glob("index-*.js"), key=lambda file: file.stat().st_size)
STYLE = max(FRONT_END.glob("*.css"), key=lambda file: file.stat().st_size)
FONT = next(FRONT_END.glob("*.woff2"))


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=[plotly_route(), front_end_route()]))


def _arrived(client: TestClient, address: str, accepted: str) -> tuple[bytes, bool, str]:
    with client.stream("GET", address, headers={"accept-encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    packed = answer.headers.get("content-encoding") == "br"
    return raw, packed, answer.headers["content-type"].split(";")[0]


@pytest.mark.parametrize("accepted", ACCEPTED)
def test_plotly_arrives_whole(client: TestClient, accepted: str) -> None:
    raw, packed, media = _arrived(client, f"/{PLOTLY_PATH}", accepted)
    assert packed == ("br" in accepted) and media == "text/javascript"
    assert (brotli.decompress(raw) if packed else raw) == PLOTLY.read_bytes()
    assert len(raw) < 1_400_000 or not packed


def test_another_version_has_another_address() -> None:
    assert plotly.__version__ in PLOTLY_PATH


@pytest.mark.parametrize("accepted", ACCEPTED)
@pytest.mark.parametrize(
    ("file", "kind"), [(SCRIPT, "text/javascript"), (STYLE, "text/css"), (FONT, "font/woff2")]
)
def test_files_of_the_front_end_arrive_whole(client, file, kind: str, accepted: str) -> None:
    for _ in range(2):
        raw, packed, media = _arrived(client, f"/assets/{file.name}", accepted)
        assert packed == ("br" in accepted and file is not FONT) and media == kind
        assert (brotli.decompress(raw) if packed else raw) == file.read_bytes()


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2Findex.html", "%2e%2e", "..%5Cindex.html", "a%00b", "index.html"]
)
def test_no_other_file_is_sent(client: TestClient, name: str) -> None:
    answer = client.get(f"/assets/{name}")
    assert answer.status_code == 404 and "<html" not in answer.text
