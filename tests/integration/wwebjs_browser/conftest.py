"""A page to open, and a profile to open it on."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plugins.wwebjs.process_tree import processes_of
from plugins.wwebjs.profile import Profile
from tests.fixtures.one_browser import KINDS, chromium

PAGE = b"""<!doctype html><title>A page</title><body><input type="file" id="file" hidden><script>
window.saveAs = (name, bytes) => {
  const link = document.createElement("a");
  const content = Uint8Array.from({ length: bytes }, (_, at) => at % 251);
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = name;
  link.click();
  return name;
};
window.digest = async () => {
  const bytes = await document.querySelector("#file").files[0].arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
};
</script>"""


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module", autouse=True)
def _chromium_found() -> None:
    """Looked for before any test has an event loop; without a browser it fails with the command that mends it."""
    for kind in KINDS:
        chromium(kind)


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    """A held profile on which nothing runs at the end."""
    profile = Profile(tmp_path / "profiles", "acme", 0)
    profile.hold()
    yield profile
    profile.release()
    assert processes_of(profile.path) == []
    profile.clean()
