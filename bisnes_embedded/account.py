"""Which account an embedded server runs as, and how the step down from root is made.

PostgreSQL refuses to run as root, and neither server has any need to. When we are not root, nothing happens here.
As root the server gets the account that already owns its data, else `postgres` where the machine has it, else
`nobody`. The difficulty is that such an account often cannot even *reach* its own program and data: a clone below
`/root` or a test's temporary folder lies behind a directory of mode 0700. (The wheel's own launcher answers that by
opening every parent directory up to `/` to everybody; we do not touch other people's directories.) So, in this order:

1.  `setuid`, when a trial shows that the account reaches everything: no privilege is left.
2.  `setuid` keeping one capability as *ambient*, so that it survives `exec`: `CAP_DAC_READ_SEARCH` (pass through and
    read, never write), or `CAP_DAC_OVERRIDE` where that is all a container was given. PostgreSQL checks
    `geteuid() != 0`, and so is satisfied. It also asks access(2) for its own program, and that call ignores the
    capabilities of anyone but root unless the process carries the secure bit `NO_SETUID_FIXUP`: so we set that.
3.  A user namespace in which our root is called `nobody`: for containers that have no `CAP_SETUID` at all. Files stay
    root's own. Last, because many machines forbid such namespaces.
"""

from __future__ import annotations

import ctypes
import os
import pwd
from collections.abc import Iterable, Sequence
from pathlib import Path

from bisnes_embedded.errors import CannotStart

#: Accounts looked for, best first: both exist for programs that should own nothing else.
ACCOUNTS = ("postgres", "nobody")

#: Source: linux/capability.h, read 2026-11-23.
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522

#: Source: linux/prctl.h, read 2026-11-23.
_PR_CAPBSET_READ = 23
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2

#: Source: linux/securebits.h, read 2026-11-23.
_SECBIT_NO_SETUID_FIXUP = 1 << 2

#: Source: linux/sched.h, read 2026-11-23.
_CLONE_NEWUSER = 0x10000000


def step_down(folder: Path, needs: Sequence[Path]) -> None:
    """Gives `folder` to an unprivileged account and becomes that account, for good.

    Args:
        folder: the server's own folder; everything in it changes owner if its top does.
        needs: what the account must be able to reach.

    Raises:
        CannotStart: when we are root and the machine offers no way to stop being root.
    """
    if os.geteuid() != 0:
        _require_own(folder)
        return
    entry = _account_for(folder)
    if entry is not None and _reaches(entry, None, ()):
        for capability in (None, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
            if capability is not None and not _may_keep(capability):
                continue
            _give(folder, entry)
            if _reaches(entry, capability, needs):
                _become(entry, capability)
                return
    _give_back(folder)
    _enter_namespace()


def _require_own(folder: Path) -> None:
    owner = folder.stat().st_uid
    if owner not in (os.geteuid(), 0) or not os.access(folder, os.W_OK):
        raise CannotStart(
            f"{folder} belongs to uid {owner}: start the gateway as that user, or give the folder to uid {os.geteuid()}"
        )


def _account_for(folder: Path) -> pwd.struct_passwd | None:
    owner = folder.stat().st_uid
    candidates: list[int | str] = [owner] if owner else []
    for candidate in (*candidates, *ACCOUNTS):
        try:
            return pwd.getpwuid(candidate) if isinstance(candidate, int) else pwd.getpwnam(candidate)
        except KeyError:
            continue
    return None


def _give(folder: Path, entry: pwd.struct_passwd) -> None:
    """Makes `folder` and all in it the account's; the top last, so that a crash in between is repeated."""
    if folder.stat().st_uid != entry.pw_uid:
        _own_below(folder, entry.pw_uid, entry.pw_gid, topdown=False)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    folder.chmod(0o700)


def _give_back(folder: Path) -> None:
    """Makes `folder` root's own again: inside the namespace only root's files are reachable.

    From the top down, as a root without capabilities may not even list another's folder.
    """
    os.chown(folder, 0, 0)
    folder.chmod(0o700)
    _own_below(folder, 0, 0, topdown=True)


def _own_below(folder: Path, uid: int, gid: int, *, topdown: bool) -> None:
    def stop(refused: OSError) -> None:
        raise CannotStart(f"root may not change the owner of {refused.filename}: run as an ordinary user") from refused

    try:
        for parent, folders, files in os.walk(folder, topdown=topdown, onerror=stop):
            for name in (*folders, *files):
                os.chown(os.path.join(parent, name), uid, gid, follow_symlinks=False)
    except PermissionError as refused:
        stop(refused)


def _become(entry: pwd.struct_passwd, capability: int | None) -> None:
    """Changes to the account for good, keeping at most one capability through `exec`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if capability is not None:
        _check(libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "keep capabilities")
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    if capability is not None:
        mask = 1 << capability
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
        _check(libc.capset(header, sets), "keep one capability")
        _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0), "pass the capability on")


def _may_keep(capability: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) == 1)


def _reaches(entry: pwd.struct_passwd, capability: int | None, needs: Iterable[Path]) -> bool:
    """Tries the step in a child: does the account read and enter everything that it needs?"""
    child = os.fork()
    if child == 0:
        reached = False
        try:
            _become(entry, capability)
            reached = all(os.access(path, os.R_OK | os.X_OK) for path in needs)
        finally:
            os._exit(0 if reached else 1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def _enter_namespace() -> None:
    """Enters a user namespace in which uid 0 is called `nobody`'s number.

    Raises:
        CannotStart: when the machine forbids it.
    """
    uid = 65534
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        _check(libc.unshare(_CLONE_NEWUSER), "enter a user namespace")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} 0 1")
        Path("/proc/self/gid_map").write_text(f"{uid} 0 1")
    except OSError as refused:
        raise CannotStart(
            f"PostgreSQL must not run as root and root cannot step down here ({refused}): "
            "run as an ordinary user, or set DATABASE_URL and REDIS_URL"
        ) from refused


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {what}: {os.strerror(number)}")
