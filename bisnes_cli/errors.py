"""How commands end, and how they say what went wrong: as those of the supervisor."""

from bisnes_supervisor.cli.errors import ALREADY_RUNNING, FAILED, NOT_RUNNING, OK, USAGE, Refused

__all__ = ["ALREADY_RUNNING", "FAILED", "NOT_RUNNING", "OK", "USAGE", "Refused"]
