"""Settings shared by all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from merging.jobs import JobRunner
from ui.services import Services

# Examples are fixed by the test's code, so that a run is the same everywhere; no clock decides.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    """What a server has: sets, sketches, a worker."""
    made = Services(JobRunner())
    made.warm()
    yield made
    made.close()
