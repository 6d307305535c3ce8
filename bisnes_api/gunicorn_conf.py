"""gunicorn's configuration: `gunicorn --config python:bisnes_api.gunicorn_conf 'bisnes_api.app:create_app()'`.

One worker process per gunicorn, since Circus counts and scales processes. The application is loaded and opened after
the fork; the master holds no connection.
"""

from __future__ import annotations

import os
from typing import Any

from bisnes_core.settings import load_settings

os.environ.setdefault("BISNES_PROCESS", "api")  # gunicorn reads this file as a program: it is the process's beginning
_settings = load_settings()

#: A new process leaves connections to those that are ready, or in the socket's backlog, for as long as this; with the
#: database away it then answers 503. Less than gunicorn's `timeout`.
BOOT_PATIENCE_S = 5.0

bind = [f"{_settings.api_host}:{_settings.api_port}"]
workers = 1
worker_class = "bisnes_api.worker.Worker"
threads = _settings.api_threads
preload_app = False
#: Idle keep-alive connections cost a file descriptor each and no thread.
worker_connections = 2000
keepalive = 30
#: Longer than the longest Prefer: wait.
graceful_timeout = int(_settings.wait_max_s) + 5
timeout = 60
accesslog = None
errorlog = "-"
loglevel = "warning"
#: Its heartbeat file on a disk would stall with the disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - gunicorn makes a private file there
control_socket_disable = True
#: Its own health socket is for this user only.
umask = 0o177


def post_fork(server: Any, worker: Any) -> None:
    """In the new process, before the application is loaded."""
    from bisnes_api.logs import configure_logs

    configure_logs(_settings.process, _settings.instance)


def post_worker_init(worker: Any) -> None:
    """The application is loaded: open what it needs, and take no connection before the database can answer it."""
    run = worker.runtime()
    run.start()
    run.schema_ready.wait(BOOT_PATIENCE_S)


def worker_exit(server: Any, worker: Any) -> None:
    """The last requests are answered: close everything."""
    run = worker.runtime()
    if run:
        run.stop()
