"""Files that never change under their address, from memory, compressed once for all visitors.

These are plotly.js of the pinned plotly package and the sixty files of Gradio's own front end that
a page consists of. Gradio opens, reads and compresses each of them anew for each visitor, on the
thread that answers all of them. Their addresses hold a version or a hash of their content, so
browsers keep them for good.
"""

from functools import cache
from pathlib import Path

import brotli
import gradio
import plotly
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

PLOTLY_PATH = f"merge-explorer/plotly-{plotly.__version__}.js"
KEPT = {"cache-control": "public, max-age=31536000, immutable", "vary": "Accept-Encoding"}
FRONT_END = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
TEXTS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
OTHERS = {".woff2": "font/woff2", ".woff": "font/woff", ".ttf": "font/ttf"}


@cache
def _compressed(file: Path) -> bytes:
    return brotli.compress(file.read_bytes(), quality=5)


def _answer(request: Request, file: Path) -> Response:
    media = {**TEXTS, **OTHERS}.get(file.suffix, "application/octet-stream")
    if file.suffix in TEXTS and "br" in request.headers.get("accept-encoding", ""):
        headers = KEPT | {"content-encoding": "br"}
        return Response(_compressed(file), media_type=media, headers=headers)
    return Response(file.read_bytes(), media_type=media, headers=KEPT)


def plotly_route() -> Route:
    """Return the route that serves plotly.js at ``PLOTLY_PATH``."""

    def send(request: Request) -> Response:
        return _answer(request, PLOTLY)

    return Route(f"/{PLOTLY_PATH}", send)


def front_end_route() -> Route:
    """Return the route that serves Gradio's own scripts and styles where its pages ask for them.

    Only names that its folder held at the start are served: no address leads out of it.
    """
    files = {file.name: file for file in FRONT_END.iterdir() if file.is_file()}

    async def send(request: Request) -> Response:
        file = files.get(request.path_params["name"])
        return _answer(request, file) if file else PlainTextResponse("Not Found", 404)

    return Route("/assets/{name}", send)
