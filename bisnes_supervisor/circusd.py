"""The `bisnes-circusd` command: the warden, and below it `circusd` with our changes.

Takes circusd's own arguments. What starts before the fork is the warden's, so imports of Circus stay below it.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

from bisnes_supervisor import warden

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def main() -> None:
    """Runs circusd until it is told to stop, and leaves nothing behind."""
    if _takes_background_from(sys.argv):
        warden.go_to_background()
    warden.stand_guard()
    _run_circusd()


def _takes_background_from(arguments: list[str]) -> bool:
    """Removes circusd's `--daemon` (it accepts `--d`, `--da`, ... as well) and answers whether it was there."""
    daemon = [argument for argument in arguments if len(argument) > 2 and "--daemon".startswith(argument)]
    for argument in daemon:
        arguments.remove(argument)
    return bool(daemon)


def _run_circusd() -> None:
    import faulthandler

    import circus.circusd

    from bisnes_supervisor import notify
    from bisnes_supervisor.policy import BadPolicy

    for number in STOP_SIGNALS:
        signal.signal(number, _leave)
    faulthandler.enable()  # a circusd that hangs is ended with SIGABRT and says where it hung
    notify.take_over()
    _find_own_programs_first()
    _make_circus_ours()
    try:
        circus.circusd.main()
    except BadPolicy as bad:
        sys.exit(f"The configuration cannot be obeyed: {bad}")
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # the interpreter would die of one while it clears up


def _leave(number: int, frame: FrameType | None) -> None:
    """A request to stop before the arbiter can take it, or when all is stopped already."""
    raise SystemExit(0)


def _make_circus_ours() -> None:
    """Replaces names in Circus's modules; circusd has no other seam: it looks them up when it starts."""
    import circus.arbiter
    import circus.circusd
    import circus.config
    import circus.watcher

    import bisnes_supervisor.commands  # noqa: F401 - they enter Circus's list of commands
    from bisnes_supervisor.arbiter import Arbiter
    from bisnes_supervisor.controller import Controller
    from bisnes_supervisor.environment import expand_references, read_configuration
    from bisnes_supervisor.watcher import Watcher

    circus.circusd.Arbiter = Arbiter
    circus.arbiter.Controller = Controller
    circus.arbiter.Watcher = Watcher
    circus.circusd.get_config = read_configuration
    circus.arbiter.get_config = _claim_configuration
    circus.arbiter.parse_env_dict = circus.watcher.parse_env_dict = expand_references


def _claim_configuration(path: str) -> dict[str, Any]:
    """Reads circus.ini for the arbiter, after which the log is set up and before a watcher or socket exists."""
    from bisnes_supervisor import stale
    from bisnes_supervisor.environment import read_configuration

    stale.claim(read_configuration(path))
    # Anew, with the mark in the environment that watchers copy: `reloadconfig` would take it for a change of them all.
    return read_configuration(path)


def _find_own_programs_first() -> None:
    """Lets `python` and `gunicorn` in a watcher's command mean those beside this interpreter."""
    own = os.path.dirname(os.path.abspath(sys.executable))
    path = os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != own:
        os.environ["PATH"] = os.pathsep.join((own, path))


if __name__ == "__main__":
    main()
