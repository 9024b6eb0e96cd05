"""plotly.js as it is served: whole, compressed where the browser can, kept for good."""

from pathlib import Path

import brotli
import plotly
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.components.plotly_file import PATH, plotly_route

FILE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=[plotly_route()]))


@pytest.mark.parametrize("accepted", ["br", "gzip, deflate, br, zstd", "identity", "gzip"])
def test_the_file_arrives_whole(client: TestClient, accepted: str) -> None:
    with client.stream("GET", f"/{PATH}", headers={"accept-encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    packed = answer.headers.get("content-encoding")
    assert packed == ("br" if "br" in accepted else None)
    assert (brotli.decompress(raw) if packed else raw) == FILE.read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    assert len(raw) < 1_400_000 or packed is None


def test_another_version_has_another_address() -> None:
    assert plotly.__version__ in PATH
