"""The simulator's judges: the unmodified ``@wppconnect/wa-js`` and ``whatsapp-web.js`` from npm in a real Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulators.whatsapp_web.support import Web

SCRIPTS = Path(__file__).with_name("node")
BIN = Path(sys.executable).parent
#: Some hundred packages; a cold cache and a slow registry fit in.
INSTALL_S = 110.0
RUN_S = 90.0
ACCOUNT = "491701234567"

#: Every step of the real whatsapp-web.js, in order.
WHATSAPP_WEB_JS_STEPS = [
    *(
        "qr",
        "authenticated",
        "ready",
        "empty qr after login",
        "info",
        "state",
        "send text",
        "message_create",
        "ack 1",
        "ack 2",
        "ack 3",
    ),
    *("incoming text", "incoming in a group", "send to a group", "ciphertext first", "LID chat", "reply"),
    *("reaction by me", "reaction by others", "getReactions", "edit by me", "edit by others", "delete for everyone"),
    *("delete for me", "revoke by others", "send image", "download sent image", "send document", "send voice"),
    *("send video", "download incoming media", "send location", "send contact card", "poll and vote", "forward"),
    *("getChats", "fetchMessages", "contacts", "number check", "seen and typing", "socket drop"),
    *("restart with the stored session", "unlink by the phone", "qr again", "pairing code", "logout"),
]

#: Every step of the real wa-js, in order.
WA_JS_STEPS = [
    *("bundle is ready at the QR code", "QR code", "authenticated and synced", "text with an id of ours"),
    *("the same id again is a copy", "acks", "incoming text", "incoming in a group", "ciphertext first", "LID chat"),
    *(
        "a chat that runs under the LID",
        "send to a group",
        "reply",
        "incoming reply",
        "edit by me",
        "edit by others",
        "reactions",
        "revoke by others",
    ),
    *("delete for everyone", "send image with an id of ours", "send video, audio, voice, document, sticker"),
    *("download media", "location, contact, contacts", "poll and vote", "forward", "seen, typing, presence"),
    *("number check", "chats and history", "a send while the link is down"),
    *("a send left behind by a closed browser", "the restored page knows a message by its id"),
    *("unlink by the phone", "pairing code", "logout", "nothing was missing"),
]

#: What faults do to a page, as a bridge sees it.
FAULT_STEPS = [
    *("any socket state", "conflict and takeover", "another page of the same profile", "stuck at 99 %"),
    *("a server that swallows sends", "a lost ack", "a refused send", "upload error", "download 404"),
    *("unknown address", "No LID for user", "reload", "memory growth", "no receipts", "endless loop"),
    *("slow load", "ban", "empty ref", "QR codes used up", "a page that never answers"),
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser: the shell where there is one, it starts in half the time."""
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if found is None:
        pytest.fail("no Chromium; run: apt-get install chromium chromium-driver chromium-headless-shell", pytrace=False)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts and what the lock file names."""
    folder = tmp_path_factory.mktemp("node")
    for file in SCRIPTS.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--omit=optional"]
    command = [str(BIN / "npm"), "ci", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Judge:
    """Runs a script; ``failed`` maps a step to its error, ``names`` are the steps that ran."""

    def __init__(self, folder: Path, chromium: str, profile: Path, web: Web) -> None:
        self._command = [str(BIN / "node")]
        self._options = ["--base", web.base, "--https-port", str(web.https_port), "--account", ACCOUNT]
        self._options += ["--chromium", chromium, "--profile", str(profile)]
        self._folder = folder
        self.names: list[str] = []
        self.failed: dict[str, str] = {}

    def run(self, script: str, *more: str) -> None:
        done = subprocess.run(
            [*self._command, script, *self._options, *more],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        self.names = [row["name"] for row in rows]
        self.failed = {row["name"]: row["error"] for row in rows if not row["ok"]}
        for row in rows:
            verdict = "passed" if row["ok"] else "FAILED"
            print(f"{verdict} {row['ms']:>6} ms  {row['name']}")  # noqa: T201 - pytest shows it with a failure


@pytest.fixture
def judge(installed: Path, chromium: str, tmp_path: Path, web: Web) -> Judge:
    return Judge(installed, chromium, tmp_path / "profile", web)


@pytest.mark.parametrize("keys", ["new", "old"])
def test_wa_js_passes_every_step(judge: Judge, web: Web, keys: str) -> None:
    web.control("PATCH", "/settings", {"keys": keys})
    judge.run("wa_js.mjs")
    assert judge.failed == {}
    assert judge.names == WA_JS_STEPS


def test_whatsapp_web_js_passes_every_step_with_old_keys(judge: Judge, web: Web) -> None:
    web.control("PATCH", "/settings", {"keys": "old"})
    judge.run("whatsapp_web_js.mjs")
    assert judge.failed == {}
    assert judge.names == WHATSAPP_WEB_JS_STEPS
    assert len(judge.names) >= 28


def test_whatsapp_web_js_fails_to_send_with_new_keys(judge: Judge) -> None:
    # It reads `_serialized`: a simulator on which it worked would be too kind.
    judge.run("whatsapp_web_js.mjs", "--only", "send")
    assert judge.failed == {"send text": "sendMessage returned nothing"}


def test_whatsapp_web_js_fails_without_a_module_that_it_needs(judge: Judge, web: Web) -> None:
    web.control("PATCH", "/settings", {"keys": "old"})
    web.control("POST", "/faults", {"kind": "remove_modules", "modules": ["WAWebSendMsgChatAction"]})
    judge.run("whatsapp_web_js.mjs", "--only", "send")
    assert list(judge.failed) == ["send text"]
    assert 'Requiring unknown module "WAWebSendMsgChatAction"' in judge.failed["send text"]


def test_faults_show_in_the_page(judge: Judge) -> None:
    judge.run("faults.mjs")
    assert judge.failed == {}
    assert judge.names == FAULT_STEPS


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((SCRIPTS / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert name == "" or package["integrity"].startswith("sha512-"), name
