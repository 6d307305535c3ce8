"""What can go wrong between us and a browser, as raw facts: one exception, told apart by its reason.

What to do about a reason (retry, reload, new browser, stop) is decided elsewhere.
"""

from __future__ import annotations

from typing import Any, Literal

Reason = Literal[
    "no_browser",  # no Chromium or no chromedriver here; the text names the command that mends it
    "version_mismatch",  # Chromium and chromedriver are of different majors
    "profile_in_use",  # somebody else holds this profile's lock
    "profile_unwritable",  # the profile's folder cannot be made or written
    "disk_full",  # too little room for a profile
    "start_failed",  # chromedriver or Chromium did not come up; the text is the driver's
    "browser_gone",  # Chromium ended or was killed
    "driver_gone",  # chromedriver (or its guardian) ended or was killed
    "page_crashed",  # the tab crashed; only a new browser helps
    "page_navigated",  # the page went elsewhere while the call was under way: its outcome is unknown
    "open_failed",  # the page could not be loaded; the text holds `net::ERR_...`, or that nothing answered
    "download_failed",  # the browser gave a download up
    "page_error",  # the page's function threw; see PageError
    "timeout",  # no answer within the call's deadline: its outcome is unknown
    "protocol_error",  # the driver refused the command
]


class BrowserFailed(Exception):
    """A browser could not do what it was asked.

    Args:
        reason: the fact, one word.
        text: what the driver, the page or the system said.
    """

    def __init__(self, reason: Reason, text: str = "") -> None:
        super().__init__(f"{reason}: {text}" if text else reason)
        self.reason: Reason = reason
        self.text = text


class NoBrowser(BrowserFailed):
    """There is no usable pair of Chromium and chromedriver; retrying cannot help (`no_browser`, `version_mismatch`)."""


class ProfileInUse(BrowserFailed):
    """Another process (or another browser of this one) holds the profile."""

    def __init__(self, text: str = "") -> None:
        super().__init__("profile_in_use", text)


class PageError(BrowserFailed):
    """The function threw inside the page.

    Attributes:
        name: the error's name in the page, such as `TypeError`.
        message: its message.
        code: its `code`, if it had one (wa-js does), else None.
        stack: its stack, cut to a bound.
    """

    def __init__(self, name: str, message: str, *, code: Any = None, stack: str = "") -> None:
        super().__init__("page_error", f"{name}: {message}")
        self.name = name
        self.message = message
        self.code = code
        self.stack = stack
