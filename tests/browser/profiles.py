"""Browser profiles for visitors: one that is kept, and fresh ones beside it.

Chromium compiles the app's scripts once for the kept profile; a fresh one takes four more seconds
of processor time. Nothing of a visitor is left in the kept one: its storage is emptied for each.
"""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

KEPT_OPTIONS = {"viewport", "color_scheme"}  # what a page can be told after it was made
STORAGE = "cookies,local_storage,indexeddb,cache_storage,service_workers"


class Profile:
    """One visitor's place in a browser."""

    def __init__(
        self, context: BrowserContext, options: dict[str, Any], leave: Callable[[], None]
    ) -> None:
        """Use a context; ``leave`` is called when the visitor goes."""
        self.context, self._options, self.leave = context, options, leave

    def new_page(self) -> Page:
        """Open a page as the visitor's options have it."""
        page = self.context.new_page()
        if self._options:
            page.set_viewport_size(self._options["viewport"])
            page.emulate_media(color_scheme=self._options.get("color_scheme", "light"))
        return page


class Profiles:
    """Gives visitors their profiles: the kept one while it is free and does for their options."""

    def __init__(self, kept: BrowserContext, others: Callable[[], Browser]) -> None:
        """Keep a context whose first page stays; ``others`` gives a browser for more."""
        self._kept, self._others, self._taken = kept, others, False
        self._first = kept.pages[0]

    def take(self, origin: str, **options: Any) -> Profile:
        """Return a profile without any trace of earlier visitors of an origin."""
        if self._taken or not options.keys() <= KEPT_OPTIONS:
            context = self._others().new_context(**options)
            return Profile(context, {}, context.close)
        self._taken = True
        session = self._kept.new_cdp_session(self._first)
        session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": STORAGE})
        session.detach()
        return Profile(self._kept, options, self._leave)

    def _leave(self) -> None:
        for page in self._kept.pages:
            if page != self._first:
                page.close()
        self._kept.unroute_all()
        self._taken = False
