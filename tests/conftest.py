"""Settings shared by all tests."""

from hypothesis import HealthCheck, settings

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
