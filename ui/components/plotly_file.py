"""plotly.js from the pinned plotly package, compressed once instead of for every visitor.

Gradio compresses what it serves anew for each request, on the thread that answers all of them: 90
ms of silence for everyone at each first visit. The address holds the version, so that browsers keep
the file for good.
"""

from functools import cache
from pathlib import Path

import brotli
import plotly
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = f"merge-explorer/plotly-{plotly.__version__}.js"
KEPT = {"cache-control": "public, max-age=31536000, immutable", "vary": "Accept-Encoding"}


@cache
def _source() -> bytes:
    folder = Path(plotly.__file__).resolve().parent
    return (folder / "package_data" / "plotly.min.js").read_bytes()


@cache
def _compressed() -> bytes:
    return brotli.compress(_source(), quality=5)


def _send(request: Request) -> Response:
    if "br" in request.headers.get("accept-encoding", ""):
        headers = KEPT | {"content-encoding": "br"}
        return Response(_compressed(), media_type="text/javascript", headers=headers)
    return Response(_source(), media_type="text/javascript", headers=KEPT)


def plotly_route() -> Route:
    """Return the route that serves plotly.js at ``PATH``."""
    return Route(f"/{PATH}", _send)
