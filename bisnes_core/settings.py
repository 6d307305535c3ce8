"""Every setting of the gateway, declared once: name, unit, default, reason.

Values come from the environment (`BISNES_*` plus the legacy names) and from `.env` in the working directory.
An unknown `BISNES_*` variable is an error with a suggestion, so that a misspelled setting is never silently ignored.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import shlex
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

#: Longest directory for Unix sockets: the kernel allows 107 bytes for the whole path, and the longest file name of
#: ours, `health-<process>-<instance>.sock`, takes 37 with a process name of 20 (`process_health`) and four digits.
SOCKET_DIR_MAX_BYTES = 69

#: Variables that belong to one process rather than to the installation: set by circus.ini, read here, never in `.env`.
PROCESS_VARIABLES = ("BISNES_PROCESS", "BISNES_INSTANCE", "BISNES_HEALTH_FD", "BISNES_HEALTH_PORT")


#: Where `bisnes up` keeps the secrets that nobody gave it; relative to the working directory, which is the home.
SECRETS_FILE = "var/secrets.env"


class UnknownSetting(ValueError):
    """A `BISNES_*` variable that no setting declares."""


def _names(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class Settings(BaseSettings):
    """The installation's settings; durations in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(
        env_prefix="BISNES_", env_file=(SECRETS_FILE, ".env"), extra="ignore", frozen=True, populate_by_name=True
    )

    # -- where things live -------------------------------------------------------------------------------------------
    home: Path = Field(default_factory=Path.cwd, description="Folder that holds var/ and logs/.")
    socket_dir: Path | None = Field(
        None,
        validation_alias=_names("BISNES_RUN_DIR"),
        description="Folder of the Unix sockets (0700). Default: var/run below the home, or a short path below /tmp.",
    )
    database_url: str | None = Field(
        None,
        validation_alias=_names("BISNES_DATABASE_URL", "DATABASE_URL"),
        description="PostgreSQL 14 or newer. Unset: the embedded one.",
    )
    redis_url: str | None = Field(
        None,
        validation_alias=_names("BISNES_REDIS_URL", "REDIS_URL"),
        description="Redis-protocol server. Unset: the embedded Valkey.",
    )

    # -- ports ----------------------------------------------------------------------------------------------------
    api_host: str = Field("127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(3000, validation_alias=_names("BISNES_API_PORT", "API_PORT"), description="Port of the API.")
    health_host: str = Field("127.0.0.1", description="Address of the workers' health ports.")
    wwebjs_port: int = Field(
        3001, validation_alias=_names("BISNES_WWEBJS_PORT", "WWEBJS_PORT"), description="Health port of `wwebjs`."
    )
    meta_port: int = Field(
        3002, validation_alias=_names("BISNES_META_PORT", "META_PORT"), description="Health port of `meta`."
    )
    relay_port: int = Field(3003, description="Health port of `relay`.")
    events_port: int = Field(3004, description="Health port of `events`.")
    loopback_port: int = Field(3005, description="Health port of `loopback`.")

    # -- this process (set by circus.ini) ----------------------------------------------------------------------------
    process: str = Field("shell", description="Watcher name of this process; chooses its pool size.")
    instance: str = Field("0", description="Number of this process within its watcher.")
    health_fd: int | None = Field(None, description="Inherited listening socket for /health, shared by a watcher.")
    health_port: int | None = Field(None, description="Port for /health when there is no inherited socket.")

    # -- secrets ----------------------------------------------------------------------------------------------------
    encryption_key: SecretStr | None = Field(
        None,
        validation_alias=_names("BISNES_ENCRYPTION_KEY", "ENCRYPTION_KEY"),
        description="AES-256 key as 64 hex digits; encrypts provider tokens at rest (legacy format).",
    )
    meta_app_secret: SecretStr | None = Field(
        None,
        validation_alias=_names("BISNES_META_APP_SECRET", "META_APP_SECRET"),
        description="Signs Meta's webhooks; numbers of other apps bring their own.",
    )
    meta_webhook_verify_token: SecretStr | None = Field(
        None,
        validation_alias=_names(
            "BISNES_META_WEBHOOK_VERIFY_TOKEN", "META_WEBHOOK_VERIFY_TOKEN", "WEBHOOK_VERIFY_TOKEN"
        ),
        description="Answered to Meta's verification request.",
    )

    # -- channels -----------------------------------------------------------------------------------------------------
    channels: Annotated[tuple[str, ...], NoDecode] = Field(
        ("meta", "wwebjs", "loopback"), description="Allow-list of channel plug-ins, comma separated."
    )
    meta_graph_url: str = Field("https://graph.facebook.com", description="Base of Meta's Graph API.")
    meta_360dialog_url: str = Field("https://waba-v2.360dialog.io", description="Base of 360dialog's API.")
    meta_graph_version: str = Field("v25.0", description="Graph version; v25.0 is served until 2028-07-29.")

    # -- WhatsApp Web (`wwebjs`) --------------------------------------------------------------------------------------
    wwebjs_url: str = Field("https://web.whatsapp.com", description="Address of WhatsApp Web.")
    wwebjs_profiles: Path | None = Field(
        None, description="Folder of the browser profiles, one per phone: they hold the logins. Default: var/wwebjs."
    )
    wwebjs_browser: str | None = Field(
        None,
        validation_alias=_names("BISNES_WWEBJS_BROWSER", "CHROME_PATH"),
        description="Chromium. Default: the one on PATH, `chromium-headless-shell` first: it takes half the memory.",
    )
    wwebjs_driver: str | None = Field(None, description="chromedriver of the same major. Default: the one on PATH.")
    wwebjs_browser_download: bool = Field(
        False, description="Let Selenium Manager download a browser (some 200 MiB) where there is none."
    )
    wwebjs_browser_arguments: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Further arguments for Chromium, separated by spaces; quoted as in a shell."
    )
    wwebjs_bundles: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Builds of wa-js, tried in order, comma separated. Default: the one of `wpp-whatsapp`."
    )
    wwebjs_bundles_sha256: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="SHA-256 sum of each of them, in the same order; another file is refused."
    )
    wwebjs_probe_s: float = Field(15.0, description="Each phone's page is asked for its state this often.")
    wwebjs_probe_timeout_s: float = Field(
        5.0, description="A page that does not answer within this, twice in a row, hangs; answers take milliseconds."
    )
    wwebjs_load_s: float = Field(60.0, description="From loading the page to its QR code or connection, at most.")
    wwebjs_attach_s: float = Field(
        30.0, description="From QR code or connection until wa-js is ready, at most; about a second is usual."
    )
    wwebjs_sync_s: float = Field(
        180.0, description="From connected to synchronised, at most; long histories take minutes."
    )
    wwebjs_reconnect_s: float = Field(
        120.0, description="WhatsApp's page reconnects by itself within this, or is reloaded."
    )
    wwebjs_ack_s: float = Field(
        60.0, description="A sent message without WhatsApp's acknowledgement is suspicious after this."
    )
    wwebjs_qr_idle_s: float = Field(60.0, description="A QR code that nobody has watched for so long is given up.")
    wwebjs_memory_soft_bytes: int = Field(
        1_200_000_000, description="A browser larger than this (proportional set size) is replaced when it is idle."
    )
    wwebjs_memory_hard_bytes: int = Field(2_000_000_000, description="A browser larger than this is replaced at once.")
    wwebjs_memory_total_bytes: int = Field(
        3_600_000_000, description="All browsers together; below the 4G that circus.ini gives the process."
    )
    wwebjs_memory_check_s: float = Field(30.0, description="How often each browser's memory is looked at.")

    # -- database -----------------------------------------------------------------------------------------------------
    pool_max: int | None = Field(None, description="Connections of each process, whatever its own setting below says.")
    database_patience_s: float = Field(
        1.5, description="Longest silence of PostgreSQL for one API request; answered 503 after it (promised: 2 s)."
    )
    database_pool_api_max: int = Field(
        20, validation_alias=_names("BISNES_API_POOL_MAX", "DATABASE_POOL_API_MAX"), description="Pool of `api`."
    )
    database_pool_wwebjs_max: int = Field(
        10,
        validation_alias=_names("BISNES_WWEBJS_POOL_MAX", "DATABASE_POOL_WWEBJS_MAX"),
        description="Pool of `wwebjs`.",
    )
    database_pool_meta_max: int = Field(
        20, validation_alias=_names("BISNES_META_POOL_MAX", "DATABASE_POOL_META_MAX"), description="Pool of `meta`."
    )
    database_pool_relay_max: int = Field(
        4, validation_alias=_names("BISNES_RELAY_POOL_MAX"), description="Pool of `relay`."
    )
    database_pool_events_max: int = Field(
        6, validation_alias=_names("BISNES_EVENTS_POOL_MAX"), description="Pool of `events`."
    )

    # -- accepting ----------------------------------------------------------------------------------------------------
    api_threads: int = Field(24, description="Threads of one API process; half of them may wait (`Prefer: wait`).")
    body_max_bytes: int = Field(
        1_000_000, description="Largest JSON body of a request; a text has at most 4,096 characters at Meta."
    )
    webhook_body_max_bytes: int = Field(3_145_728, description="Largest provider webhook: Meta sends up to 3 MB.")
    wait_max_s: float = Field(30.0, description="Longest `Prefer: wait`.")
    wait_company_share: float = Field(0.5, description="Share of the waiting places that one company may hold.")

    # -- files of messages -------------------------------------------------------------------------------------------
    media_max_bytes: int = Field(
        100_000_000, description="Largest file of a message that is fetched; Meta takes documents up to 100 MB."
    )
    media_timeout_s: float = Field(
        30.0, description="Longest fetch of a file; as in the legacy server. A send of a file may take so much longer."
    )
    media_private_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts (`host` or `host:port`, comma separated) that files may be fetched from though they are in "
        "a private network or on this machine; all others are refused.",
    )

    # -- delivering --------------------------------------------------------------------------------------------------
    deliver_batch: int = Field(100, description="Messages claimed with one ticket; more means fewer statements.")
    deliver_lane_limit: int = Field(128, description="Messages of one lane in flight in one process.")
    deliver_timeout_s: float = Field(10.0, description="Deadline of one send; past it the outcome is unknown.")
    deliver_patience_s: float = Field(
        0.25, description="A ticket waits this long for its batch, then leaves the stragglers alone and goes on."
    )
    deliver_tickets: int = Field(16, description="Tickets that one process handles at a time (Dramatiq threads).")
    lease_s: float = Field(
        5.0, description="A claimed message is its holder's for this long; renewed while it is sent."
    )
    ticket_s: float = Field(3.0, description="A ticket whose holder died is issued anew after this.")
    relay_poll_s: float = Field(0.25, description="Looks for due work when no nudge comes; bounds a lost nudge.")
    confirm_wait_s: float = Field(
        6.0,
        description="How long a receipt may take to say whether an unconfirmed message left; with the lease < 15 s.",
    )
    redelivery_wait_s: float = Field(
        30.0,
        description="The same after we could not receive for a while (database or API restarted): the provider's "
        "redelivery has growing gaps.",
    )
    heartbeat_s: float = Field(10.0, description="Period of the heartbeats in process_health.")
    wanted_poll_s: float = Field(
        1.0, description="How often it is looked which channels have phones: the first one's processes start after it."
    )
    session_poll_s: float = Field(
        0.5, description="How often a channel looks which phones' sessions to hold, and what people ask of them."
    )
    session_grace_s: float = Field(
        10.0,
        description="A process whose database connection broke keeps its sessions open for this long while it tries to "
        "get their locks back; another one waits longer than that.",
    )
    graceful_stop_s: float = Field(12.0, description="SIGTERM to exit; longer than one send's deadline.")
    raw_event_retention_s: float = Field(
        7 * 86400.0, description="Raw provider events are kept this long after parsing."
    )

    @field_validator("channels", "media_private_hosts", "wwebjs_bundles", "wwebjs_bundles_sha256", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        """`"meta, loopback"` as the environment gives it."""
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("wwebjs_browser_arguments", mode="before")
    @classmethod
    def _split_as_a_shell(cls, value: object) -> object:
        """Arguments hold commas and, quoted, spaces: `--a=b '--host-resolver-rules=MAP * ~NOTFOUND'`."""
        return tuple(shlex.split(value)) if isinstance(value, str) else value

    # -- what else follows from them ---------------------------------------------------------------------------------
    @cached_property
    def run_dir(self) -> Path:
        """Folder of the Unix sockets; short enough for the kernel's limit on socket paths."""
        if self.socket_dir is not None:
            return self.socket_dir.absolute()
        below_home = self.home.resolve() / "var" / "run"
        if len(os.fsencode(below_home)) <= SOCKET_DIR_MAX_BYTES:
            return below_home
        digest = hashlib.sha256(os.fsencode(self.home.resolve())).hexdigest()[:12]
        return Path("/tmp") / f"bisnes-{os.getuid()}-{digest}"  # noqa: S108 - made 0700 by whoever starts the gateway

    @property
    def database_conninfo(self) -> str:
        """Connection string of the configured or the embedded PostgreSQL."""
        return self.database_url or f"postgresql://bisnes@/bisnes?host={self.run_dir}"

    @property
    def redis_address(self) -> str:
        """URL of the configured or the embedded Redis-protocol server."""
        return self.redis_url or f"unix://{self.run_dir}/valkey.sock"

    @property
    def nudge_address(self) -> str:
        """ZeroMQ address on which the relay hears nudges."""
        return f"ipc://{self.run_dir}/relay-nudge.sock"

    @property
    def health_socket(self) -> Path:
        """Unix socket on which this process, and no other, answers for its health."""
        return self.run_dir / f"health-{self.process}-{self.instance}.sock"

    @property
    def wanted_dir(self) -> Path:
        """Folder with one file for each channel that has phones: circusd runs the channels named there."""
        return self.run_dir / "wanted"

    @property
    def wwebjs_profiles_dir(self) -> Path:
        """Folder of WhatsApp Web's browser profiles."""
        return self.wwebjs_profiles or self.home / "var" / "wwebjs"

    @property
    def process_events_file(self) -> Path:
        """The supervisor's journal; `journal` in circus.ini names the same file."""
        return self.home / "var" / "process-events.jsonl"

    @property
    def pool_size(self) -> int:
        """Connections that this process may hold."""
        if self.pool_max is not None:
            return self.pool_max
        return int(getattr(self, f"database_pool_{self.process}_max", 10))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before `.env`; nothing else."""
        return init_settings, env_settings, dotenv_settings


def declared_variables() -> dict[str, str]:
    """Environment name of every setting with the field that it sets."""
    variables: dict[str, str] = {}
    for field, info in Settings.model_fields.items():
        if isinstance(info.validation_alias, AliasChoices):
            variables |= {str(name): field for name in info.validation_alias.choices}
        else:
            variables[f"BISNES_{field.upper()}"] = field
    return variables


def load_settings(**overrides: Any) -> Settings:
    """Reads the environment and `.env`.

    Raises:
        UnknownSetting: when a `BISNES_*` variable names no setting.
        pydantic.ValidationError: when a value has the wrong form.
    """
    declared = declared_variables()
    given = {*os.environ, *dotenv_values(".env")}
    for name in sorted(given):
        if name.startswith("BISNES_") and name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UnknownSetting(f"{name} is no setting of Bisnes{hint}")
    return Settings(**overrides)


__all__ = ["PROCESS_VARIABLES", "Settings", "UnknownSetting", "ValidationError", "declared_variables", "load_settings"]
