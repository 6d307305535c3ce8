"""Names and types of files: made safe, and told from the name where nobody says them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bisnes_workers.media_name import NAME_MAX_BYTES, mime_type_of, name_of, safe_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("offer.pdf", "offer.pdf"),
        ("..\\..\\offer.pdf", "offer.pdf"),
        ("/etc/passwd", "passwd"),
        (".ssh", "ssh"),
        ("..", ""),
        ("a\0b\n\u202egnp.exe", "abgnp.exe"),
        ("Angebot für Müller.pdf", "Angebot für Müller.pdf"),
        ('a<b>:"|?*.txt', "a_b______.txt"),
        ("é" * 200 + ".jpeg", "é" * 97 + ".jpeg"),
    ],
)
def test_names_are_made_safe(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.text(max_size=400))
def test_no_name_leaves_its_folder(text: str) -> None:
    name = name_of(text, text, URL("http://example.org/"), None)
    assert name not in ("", ".", "..")
    assert "/" not in name
    assert "\0" not in name
    assert len(name.encode()) <= NAME_MAX_BYTES
    assert name == Path(name).name


@pytest.mark.parametrize(
    ("content_type", "name", "mime_type"),
    [
        ("image/PNG; x=y", "a.jpg", "image/png"),
        (None, "a.webp", "image/webp"),
        ("binary/octet-stream", "a.opus", "audio/ogg"),
        ("nonsense", "a.m4a", "audio/mp4"),
        ("text/html\r\n", "a.mp4", "text/html"),
        (None, "noending", "application/octet-stream"),
    ],
)
def test_what_a_file_is(content_type: str | None, name: str, mime_type: str) -> None:
    assert mime_type_of(content_type, name) == mime_type
