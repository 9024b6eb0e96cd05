"""Start Merge explorer: ``python app.py [--host H] [--port P] [--share]``."""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Sequence

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

OLDEST = (3, 11)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; a Space sets host and port in the environment."""
    parser = argparse.ArgumentParser(description="Explore merges of fine-tuned models.")
    on_space = "SPACE_ID" in os.environ
    host = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0" if on_space else "127.0.0.1")
    parser.add_argument("--host", default=host)
    port = int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--share", action="store_true", help="make a public link")
    return parser.parse_args(arguments)


def complaint(host: str, port: int) -> str | None:
    """Return why the server cannot start here, in one line, or None."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        return f"Python {found} is too old: Merge explorer needs 3.11 to 3.13."
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return f"Cannot listen on {host}:{port} ({error.strerror}). Choose another --port."
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; return the exit code."""
    chosen = options(arguments)
    problem = complaint(chosen.host, chosen.port)
    if problem:
        print(problem, file=sys.stderr)
        return 1
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    from merging.errors import MergeError
    from ui.app import build_app, launch_options
    from ui.services import build_services, rehearse

    try:
        services = build_services()
        demo = build_app(services)
        _, address, _ = demo.launch(
            server_name=chosen.host, server_port=chosen.port, share=chosen.share,
            quiet=not chosen.share, prevent_thread_lock=True, **launch_options(services),
        )  # fmt: skip
        print(f"Merge explorer runs at {address} (Ctrl+C stops it)", flush=True)
        rehearse(services)
        demo.block_thread()
    except (MergeError, OSError) as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        return 1
    services.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
