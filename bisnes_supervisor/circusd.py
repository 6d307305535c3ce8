"""The `bisnes-circusd` command: `circusd` with our arbiter, watcher and reading of the environment.

Takes circusd's own arguments. The folders of its Unix sockets are created, closed to everybody else.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Runs circusd until it is told to stop."""
    import circus.arbiter
    import circus.circusd
    import circus.config
    import circus.watcher

    from bisnes_supervisor.arbiter import Arbiter
    from bisnes_supervisor.controller import Controller
    from bisnes_supervisor.environment import expand_references, read_configuration
    from bisnes_supervisor.watcher import Watcher

    _find_own_programs_first()
    # circusd has no other seam: it looks these names up in its modules when it starts.
    circus.circusd.Arbiter = Arbiter
    circus.arbiter.Controller = Controller
    circus.arbiter.Watcher = Watcher
    circus.arbiter.get_config = circus.circusd.get_config = read_configuration
    circus.arbiter.parse_env_dict = circus.watcher.parse_env_dict = expand_references
    circus.circusd.main()


def _find_own_programs_first() -> None:
    """Lets `python` and `gunicorn` in a watcher's command mean those beside this interpreter."""
    own = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != own:
        os.environ["PATH"] = os.pathsep.join((own, path))


if __name__ == "__main__":
    main()
