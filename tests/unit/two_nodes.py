"""A real Ray cluster on this machine: two nodes of one core each, processes that can be killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from scripts.bench_process import descendants

ROOT = Path(__file__).resolve().parents[2]
START = 180  # s until a node runs


class TwoNodes:
    """A head node and another one; neither has a dashboard, reports usage or is seen outside."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="me-", dir="/tmp"))  # sockets: short names
        port = _free_port()
        self.address = f"127.0.0.1:{port}"
        head = ["--head", f"--port={port}", f"--temp-dir={self.folder}"]
        self.head = self._node("127.0.0.1", *head, "--include-dashboard=false")
        self._ours = next(self.folder.glob("session_2*")) / "node_ip_address.json"
        self._first, self._added = self._ours.read_text(), 0
        self.add()

    def add(self) -> None:
        """Start the other node; Ray then takes it for this machine's own.

        Each has an address that none had before: a node that died is known by its own for a while.
        """
        self._added += 1
        self.other = self._node(f"127.0.0.{1 + self._added}", f"--address={self.address}")

    def hang_on_head(self) -> None:
        """Let who connects to the cluster from now on hang on the head's node."""
        self._ours.write_text(self._first)

    def _node(self, address: str, *arguments: str) -> subprocess.Popen[str]:
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1",
            "--object-store-memory=80000000",
            f"--node-ip-address={address}", "--disable-usage-stats", *arguments,
        ]  # fmt: skip
        node = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        told, runs, over = [], threading.Event(), threading.Event()

        def listen() -> None:
            assert node.stdout is not None
            with node.stdout:
                for line in node.stdout:
                    told.append(line)
                    if "Ray runtime started" in line:
                        runs.set()
                        over.set()
            over.set()

        threading.Thread(target=listen, daemon=True).start()
        over.wait(START)
        if not runs.is_set():
            self.send(node, signal.SIGKILL)
            raise AssertionError("".join(told)[-2000:])
        return node

    def send(self, node: subprocess.Popen[str], number: signal.Signals) -> None:
        """Send a signal to a node and all its workers."""
        for pid in reversed(descendants(node.pid)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def close(self) -> None:
        """Kill what still runs."""
        for node in (self.other, self.head):
            self.send(node, signal.SIGKILL)
            node.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
