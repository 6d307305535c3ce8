"""What one API process holds: pool, caches, waiting room, nudger, heartbeat.

Built by the app factory, started after the fork, stopped when the worker ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import cast
from uuid import UUID

import structlog
from flask import current_app

from bisnes_api.auth import Gate
from bisnes_api.fresh import Fresh
from bisnes_api.heartbeat import HeartbeatWriter
from bisnes_api.metrics import Metrics
from bisnes_api.nudge import Nudger
from bisnes_api.waiting import WaitingRoom
from bisnes_core.channel import ChannelSpec, load_specs
from bisnes_core.phone import Lane
from bisnes_core.sealing import BadSeal, Sealer
from bisnes_core.settings import Settings
from db import messages, phones
from db.migrate import ensure_schema
from db.phones import PhoneRow
from db.pool import Pool

#: Age of what we know of a phone: how long a changed configuration may go unnoticed by the other API processes.
PHONE_AGE_S = 2.0
#: Age of the app secrets that phones bring themselves.
SECRETS_AGE_S = 5.0
#: A wait for the database is reported anew after this; requests are answered 503 meanwhile.
SCHEMA_PATIENCE_S = 60.0

log = structlog.get_logger(__name__)


def load_channels(settings: Settings) -> dict[str, ChannelSpec]:
    """Specs of the enabled channels; one that cannot be imported is left out and said so, the others go on."""
    specs: dict[str, ChannelSpec] = {}
    for name in settings.channels:
        try:
            specs |= load_specs([name])
        except Exception:  # a plug-in may raise anything; it harms its own channel only
            log.exception("channel left out: its spec cannot be loaded", channel=name)
    return specs


class Runtime:
    """Everything that requests share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.specs: Mapping[str, ChannelSpec] = load_channels(settings)
        self.sealer = Sealer(settings.encryption_key.get_secret_value()) if settings.encryption_key else None
        self.pool = Pool(settings)
        self.gate = Gate(self.pool)
        self.phones: Fresh[Lane, PhoneRow] = Fresh(self._find_phone, PHONE_AGE_S)
        self.webhook_secrets: Fresh[str, list[str]] = Fresh(self._find_secrets, SECRETS_AGE_S)
        self.room = WaitingRoom(self._look, settings)
        self.metrics = Metrics(settings, self.pool, self.room)
        self.accepted = 0
        self.schema_ready = threading.Event()
        self._stop = threading.Event()
        self._nudger: Nudger | None = None
        self._heartbeat = HeartbeatWriter(settings, self.pool, lambda: self.accepted)

    # -- life ---------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Opens what the process needs; returns at once. Requests get 503 until the schema is there."""
        self._nudger = Nudger(self.settings.nudge_address)
        self.room.start()
        threading.Thread(target=self._open, name="schema", daemon=True).start()

    def stop_waiting(self) -> None:
        """The end is near: callers that wait get their 202 now."""
        self.room.close()

    def stop(self) -> None:
        """Closes everything."""
        self._stop.set()
        self.room.close()
        if self.schema_ready.is_set():
            self._heartbeat.stop()
        self.pool.close()
        if self._nudger:
            self._nudger.close()

    def _open(self) -> None:
        while not self._stop.is_set():
            try:
                ensure_schema(self.settings.database_conninfo, SCHEMA_PATIENCE_S, self._stop)
            except Exception:  # edge of a thread: a broken migration too must be said and tried again
                log.exception("the schema is not ready; requests are answered 503")
                self._stop.wait(1.0)
                continue
            self.pool.open()
            self.schema_ready.set()
            self._heartbeat.start()
            log.info("ready", pool_size=self.settings.pool_size, threads=self.settings.api_threads)
            return

    # -- nudges -------------------------------------------------------------------------------------------------------
    def nudge_lane(self, lane: Lane, channel: str) -> None:
        """Tells the relay that a lane has work."""
        if self._nudger:
            self._nudger.lane(lane, channel)

    def nudge_events(self) -> None:
        """Tells the relay that an event was stored."""
        if self._nudger:
            self._nudger.events()

    # -- look-ups behind the caches -----------------------------------------------------------------------------------
    def _find_phone(self, lane: Lane) -> PhoneRow | None:
        with self.pool.connection() as conn:
            return phones.find_phone(conn, lane)

    def _find_secrets(self, channel: str) -> list[str]:
        with self.pool.connection() as conn:
            sealed = phones.sealed_app_secrets(conn, channel)
        secrets: list[str] = []
        if self.sealer is None:
            return secrets
        for text in sealed:
            try:
                secrets.append(self.sealer.open(text))
            except BadSeal as error:
                log.warning("a phone's app secret is left out", channel=channel, error=str(error))
        return secrets

    def _look(self, ids: Iterable[UUID]) -> list[messages.Progress]:
        with self.pool.connection() as conn:
            return messages.progress_of(conn, ids)


def runtime() -> Runtime:
    """The runtime of the current request's application."""
    return cast(Runtime, current_app.extensions["bisnes"])
