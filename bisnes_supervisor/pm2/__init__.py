"""From PM2's ecosystem file to a circus.ini that runs the same applications, with a report of every line of it.

-   `attributes`: PM2's names for things, and the values that it takes;
-   `report`: what became of each;
-   `draft`: one application on its way to a watcher;
-   `command`, `environment`, `logs`, `rules`: its parts;
-   `ini`: text that Circus reads back as it was meant;
-   `translation`: the whole file.

Nothing here runs a program; `bisnes_supervisor.ecosystem` reads the file, `bisnes_supervisor.import_command` writes.

Facts about PM2 are those of its package, version 7.0.4 of 2026-08-24, read on 2026-11-24; each names its file.
"""

from bisnes_supervisor.pm2.draft import Place
from bisnes_supervisor.pm2.report import Line, Outcome
from bisnes_supervisor.pm2.translation import Translation, translate

__all__ = ["Line", "Outcome", "Place", "Translation", "translate"]
