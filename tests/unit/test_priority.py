"""Background threads give way to sliders, and only they."""

import os
import sys
import threading

import pytest
import torch

from merging.jobs import JobRunner
from ui.services import POLITE, background


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is of the whole process")
def test_a_worker_gives_way_and_the_others_do_not() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = priority()
    runner = JobRunner(prepare=background)
    try:
        runner.submit("owner", "key", lambda report: (priority(), torch.get_num_threads()))
        found = runner.wait("owner", 20)
    finally:
        runner.close()
    assert found is not None and found.result == (min(19, before + POLITE), 1)
    assert priority() == before
