"""Starts one worker process: `python -m bisnes_workers relay | events | channel NAME`."""

from __future__ import annotations

import argparse
import faulthandler
import sys

import uvloop

from bisnes_core.settings import Settings, load_settings
from bisnes_workers.process import WorkerProcess, prepare


def _worker(role: str, channel: str | None, settings: Settings) -> WorkerProcess:
    """The table of worker roles; each imports only what it runs."""
    if role == "relay":
        from bisnes_workers.relay import Relay

        return Relay(settings)
    from bisnes_workers.ticket_worker import ChannelWorker, EventsWorker

    return ChannelWorker(settings, channel) if channel else EventsWorker(settings)


def main() -> int:
    """Runs the role that the command line names until it is told to stop."""
    faulthandler.enable()  # a process that hangs is ended with SIGABRT, and its log says where it hung
    parser = argparse.ArgumentParser(prog="bisnes_workers", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    roles.add_parser("relay", help="finds due work and queues tickets")
    roles.add_parser("events", help="parses provider events")
    roles.add_parser("channel", help="sends the messages of one channel").add_argument("channel")
    arguments = parser.parse_args()
    channel = getattr(arguments, "channel", None)
    settings = load_settings()
    if settings.process == "shell":
        settings = load_settings(process=channel or arguments.role)
    prepare(settings)

    async def run() -> int:
        return await _worker(arguments.role, channel, settings).main()

    return uvloop.run(run())


if __name__ == "__main__":
    sys.exit(main())
