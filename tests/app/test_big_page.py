"""The page that the bench times stands on made-up services: they must know all that a page asks."""

from merging.jobs import JobRunner
from scripts.big_page import NAME, BigServices
from ui.app import build_app


def test_a_page_is_drawn_on_a_set_without_weights() -> None:
    services = BigServices(JobRunner())
    services.warm()
    try:
        told = str(build_app(services).get_config_file())
    finally:
        services.close()
    assert "Llama, 135 M" in told and f"set={NAME}" not in told
    assert "From the base to" in told  # the bar of the map
