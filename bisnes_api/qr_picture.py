"""Pictures of QRs. Whoever sees one owns the session: none is kept, none may be cached."""

from __future__ import annotations

import io

import segno

#: Pixels of one module: a QR of WhatsApp Web then has some 500 pixels, which a telephone reads from a screen.
SCALE = 8
#: Light modules around it, as ISO/IEC 18004 wants them.
BORDER = 4


def png(text: str) -> bytes:
    """A PNG."""
    return _saved(text, "png")


def svg(text: str) -> bytes:
    """An SVG document."""
    return _saved(text, "svg")


def png_data_url(text: str) -> str:
    """A PNG as a `data:` URL."""
    return segno.make_qr(text).png_data_uri(scale=SCALE, border=BORDER)


def _saved(text: str, kind: str) -> bytes:
    out = io.BytesIO()
    segno.make_qr(text).save(out, kind=kind, scale=SCALE, border=BORDER)
    return out.getvalue()
