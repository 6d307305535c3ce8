"""Finished downloads of one page, by the name that the page gave them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

from plugins.wwebjs.browser_failed import BrowserFailed

#: Downloads whose end nobody has asked for yet; a page function's answer follows its download in milliseconds.
KEPT_MAX: Final = 64


class Downloads:
    """Brings together a download's events and whoever waits for its file, whichever comes first."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._files: OrderedDict[str, asyncio.Future[Path]] = OrderedDict()

    def began(self, event: dict[str, Any]) -> None:
        """`browsingContext.downloadWillBegin`."""
        self._names[event["download"]] = event["suggestedFilename"]

    def ended(self, event: dict[str, Any]) -> None:
        """`browsingContext.downloadEnd`."""
        name = self._names.pop(event["download"], None)
        if name is None:
            return
        file = self._file(name)
        if file.done():
            return
        if event["status"] == "complete":
            file.set_result(Path(event["filepath"]))
        else:
            file.set_exception(BrowserFailed("download_failed", f"{name}: {event['status']}"))
            file.exception()  # seen: nobody may ever ask for it

    async def file(self, name: str) -> Path:
        """The finished file of this name, once.

        Raises:
            BrowserFailed: `download_failed` when it was cancelled, as with a full disk.
        """
        try:
            return await self._file(name)
        finally:
            self._files.pop(name, None)

    def _file(self, name: str) -> asyncio.Future[Path]:
        if name not in self._files:
            self._files[name] = asyncio.get_running_loop().create_future()
            if len(self._files) > KEPT_MAX:
                self._files.popitem(last=False)
        return self._files[name]

    def fail(self, failure: BrowserFailed) -> None:
        """Ends every wait."""
        for file in self._files.values():
            if not file.done():
                file.set_exception(failure)
                file.exception()
