"""A spec's session side: it is the only one, and reads whatever was stored."""

from __future__ import annotations

from collections.abc import Iterator

from bisnes_core.channel import ChannelSpec
from bisnes_core.conformance.webhook import check_parse


def check_session(spec: ChannelSpec) -> Iterator[str]:
    """A channel receives in one way, and its `parse` survives everything."""
    if spec.session is None:
        return
    if spec.webhook is not None:
        yield "a channel receives by webhook or by session, not both"
    yield from check_parse(spec.session.parse)
