"""Why a Chromium does not start, in its own words: chromedriver throws away what the browser says."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from plugins.wwebjs.flags import PIPE

#: A browser that could not start says so at once; one that can has shown an empty page by then (0.4 s measured).
TIMEOUT_S: Final = 5.0
#: The last lines tell; those before are about graphics and D-Bus, which no headless browser has.
TAIL_BYTES: Final = 2048


async def last_words(browser: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Starts the browser once more, without a driver, to show an empty page; gives the end of its standard error.

    For the holder of the profile, when nothing runs on it.
    """
    given = [argument for argument in arguments if argument != PIPE]
    try:
        process = await asyncio.create_subprocess_exec(
            *(str(browser), *given, "--dump-dom", "about:blank"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env=dict(environment),
        )
    except OSError as error:
        return str(error)
    said = b""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while process.stderr is not None and (more := await process.stderr.read(TAIL_BYTES)):
                said = (said + more)[-TAIL_BYTES:]
    except TimeoutError:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return said.decode(errors="replace").strip()
