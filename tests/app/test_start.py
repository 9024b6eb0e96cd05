"""Starting the app: options, and one clear line when it cannot start."""

import socket
import subprocess
import sys

import pytest

import app


def test_defaults_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT"):
        monkeypatch.delenv(name, raising=False)
    chosen = app.options([])
    assert (chosen.host, chosen.port, chosen.share) == ("127.0.0.1", 7860, False)


def test_a_space_listens_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    monkeypatch.setenv("SPACE_ID", "someone/merge-explorer")
    assert app.options([]).host == "0.0.0.0"


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", "9000")
    assert app.options([]).port == 9000
    assert app.options(["--port", "9001", "--share"]).port == 9001


def test_port_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "app.py", "--port", str(port)], capture_output=True, text=True
        )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"Cannot listen on 127.0.0.1:{port} (Address already in use). Choose another --port."
    )


def test_old_python_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "OLDEST", (9, 0))
    assert "is too old: Merge explorer needs 3.11 to 3.13." in (app.complaint("127.0.0.1", 0) or "")
