"""The browser profile of one phone: its folder, its lock, and what became of earlier ones.

The folder holds the phone's login; who has it is the phone. So it is never deleted at once, only renamed aside, and it
is touched only under a lock of our own: headless-shell takes none, and Chromium's `SingletonLock` names host and pid,
which says nothing across containers.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from plugins.wwebjs.browser_failed import BrowserFailed, ProfileInUse, Reason

#: Profiles set aside that are kept per phone; the oldest beyond them are deleted. Each is some tens of MiB.
ASIDE_MAX: Final = 3
#: Less room than this and no browser is started: a fresh profile writes some 10 MiB, and a database that meets a full
#: disk may lose the login.
ROOM_MIN_BYTES: Final = 64 * 1024 * 1024
#: chromedriver rewrites these in place at each start: killed meanwhile it leaves one cut, and no later start reads it.
#: They hold no login (tried with 156): Chromium makes them anew.
SETTINGS: Final = ("Default/Preferences", "Local State")
#: Longer escaped company ids are cut and told apart by a hash; a name may have 255 bytes, suffixes included.
NAME_MAX: Final = 150


def folder_name(company_id: str, phone_index: int) -> str:
    """`<company>-<phone index>`, the company's id escaped: whatever it is, the name is one plain folder of its own.

    Letters, digits, `_` and `-` stay. A dot never stays: what follows one in a name beside the profile is ours.
    """
    escaped = re.sub(rb"[^A-Za-z0-9_-]", lambda found: b"%%%02X" % found[0][0], company_id.encode()).decode()
    if len(escaped) > NAME_MAX:
        digest = hashlib.sha256(company_id.encode()).hexdigest()[:16]
        escaped = f"{escaped[:NAME_MAX]}%{digest}"
    return f"{escaped}-{phone_index}"


class Profile:
    """One phone's profile below `root`.

    Attributes:
        path: the profile's folder, which Chromium calls its user data directory.
        downloads: folder for finished downloads, emptied with each start.
        temporary: the browser's TMPDIR, emptied too. In the system's own: the path of Chromium's singleton socket would
            exceed 107 bytes below a long root.
    """

    def __init__(self, root: Path, company_id: str, phone_index: int) -> None:
        self.path = root.resolve() / folder_name(company_id, phone_index)
        self.downloads = self.path.with_name(f"{self.path.name}.downloads")
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        self.temporary = Path(tempfile.gettempdir()) / f"bisnes-browser-{os.getuid()}-{digest}"
        self._lock: int | None = None
        self._occupied = False

    @property
    def held(self) -> bool:
        """Whether we hold the lock."""
        return self._lock is not None

    @property
    def lock(self) -> int:
        """Descriptor of the held lock, for the guardian to keep open until the browser's tree is gone."""
        if self._lock is None:
            raise RuntimeError("hold the profile first")
        return self._lock

    def hold(self) -> None:
        """Takes the lock: ours until `release()` or our death, and then until the tree of our browser is gone.

        Raises:
            ProfileInUse: at once, when another holds it, in this process or elsewhere on this host.
            BrowserFailed: `profile_unwritable` or `disk_full`.
        """
        if self._lock is not None:
            raise ProfileInUse(f"{self.path} is held by this very object")
        with _told_apart(self.path):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ProfileInUse(f"another process or browser holds {self.path}.lock") from None
        self._lock = lock

    def release(self) -> None:
        """Lets go. Closed and not unlocked: the guardian of a browser that still ends keeps it a little longer."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def occupy(self) -> None:
        """For a browser that starts: takes the only place on a held profile; `vacate()` frees it.

        Raises:
            ProfileInUse: when another browser has the place.
        """
        _ = self.lock
        if self._occupied:
            raise ProfileInUse(f"a browser of this process runs on {self.path}")
        self._occupied = True

    def vacate(self) -> None:
        """For a browser that ended."""
        self._occupied = False

    def prepare(self) -> None:
        """Makes the folders ready for a browser, when no process uses them: removes what a dead one left.

        Raises:
            BrowserFailed: `profile_unwritable` or `disk_full`.
        """
        _ = self.lock
        with _told_apart(self.path):
            self.path.mkdir(mode=0o700, exist_ok=True)
            for stale in self.path.glob("Singleton*"):
                stale.unlink()
            for settings in SETTINGS:
                _remove_unless_json(self.path / settings)
            for folder in (self.downloads, self.temporary):
                _empty(folder)
            (self.path / "bisnes-written").write_text(datetime.now(UTC).isoformat())
            room_bytes = shutil.disk_usage(self.path).free
        if room_bytes < ROOM_MIN_BYTES:
            raise BrowserFailed("disk_full", f"only {room_bytes // 1024**2} MiB are left for {self.path}")

    def clean(self) -> None:
        """Removes what a browser leaves outside its profile; downloads stay until the next start."""
        shutil.rmtree(self.temporary, ignore_errors=True)

    def move_aside(self) -> Path | None:
        """Renames the folder to `<folder>.aside-<UTC>`, browser closed; the next start begins without a login.

        Deletes the oldest of more than `ASIDE_MAX`, which may take a second: not for the event loop's thread.

        Returns:
            The new place, or None when there was no profile.
        """
        _ = self.lock
        if not self.path.exists():
            return None
        aside = self.path.with_name(f"{self.path.name}.aside-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
        with _told_apart(self.path):
            self.path.rename(aside)
        for old in self.set_aside()[ASIDE_MAX:]:
            shutil.rmtree(old, ignore_errors=True)
        return aside

    def set_aside(self) -> list[Path]:
        """Earlier profiles of this phone, the newest first."""
        prefix = f"{self.path.name}.aside-"
        return sorted((entry for entry in self.path.parent.iterdir() if entry.name.startswith(prefix)), reverse=True)


def _empty(folder: Path) -> None:
    """Makes an empty folder of our own.

    Raises:
        PermissionError: when another user has put something in its place.
    """
    with suppress(FileNotFoundError):
        if folder.lstat().st_uid != os.getuid():
            raise PermissionError(errno.EACCES, "belongs to another user", str(folder))
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)


@contextmanager
def _told_apart(path: Path) -> Iterator[None]:
    """Turns what the system says about a folder into the reason that it is."""
    try:
        yield
    except OSError as error:
        reason: Reason = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "profile_unwritable"
        raise BrowserFailed(reason, f"{path}: {error}") from error


def _remove_unless_json(path: Path) -> None:
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:
        return
    except ValueError:
        path.unlink()
