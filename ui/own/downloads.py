"""The address under which a visitor fetches what was merged: unguessable, in parts, never copied.

Gradio's own download would copy and hash gigabytes first.
"""

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from ui.own.outputs import Output, Outputs

PATH = "merge-explorer/merged"
GONE = "This download is no longer here: it is kept for an hour. Merge again."


def address(output: Output) -> str:
    """Return where an output is fetched, relative to the app's first page."""
    return f"{PATH}/{output.token}/{output.name}.zip"


def download_route(outputs: Outputs) -> Route:
    """Return the route that hands outputs out."""

    def send(request: Request) -> Response:
        output = outputs.get(str(request.path_params["token"]))
        if output is None or not output.archive.exists():
            return PlainTextResponse(GONE, 404)
        return FileResponse(
            output.archive, media_type="application/zip", filename=output.archive.name,
            headers={"cache-control": "private, no-store"},
        )  # fmt: skip

    return Route(f"/{PATH}/{{token}}/{{name}}", send)
