"""Which hosts the gateway may fetch a caller's file from: public ones, and those that the operator lists.

A caller names an address, the gateway goes there: without a guard it would read the inside of its network for them.
The guard stands where the connection is made, on the addresses that are connected to, so that a name that resolves
differently a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterator

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

#: IPv6 addresses that a translator turns into the IPv4 address in their last 32 bits (RFC 6052).
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotPublic(OSError):
    """A host that is none of the public internet's."""


class HostGuard(AbstractResolver):
    """Resolves names for an aiohttp connector, and refuses what does not lead to public addresses.

    Args:
        resolver: what really resolves.
        allowed: hosts, as `host` or `host:port`, that may be anywhere.
    """

    def __init__(self, resolver: AbstractResolver, allowed: Collection[str]) -> None:
        self._resolver = resolver
        self._allowed = frozenset(host.lower() for host in allowed)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            NotPublic: when one of them is not public and the host is not allowed.
        """
        found = await self._resolver.resolve(host, port, family)
        if not self._allows(host, port):
            for address in found:
                _check_address(address["host"], host)
        return found

    async def close(self) -> None:
        """Releases the resolver."""
        await self._resolver.close()

    def check(self, url: URL) -> None:
        """Looks at an address that has no name: a connector asks no resolver about those.

        Raises:
            NotPublic: when it is not public and not allowed.
        """
        host = url.host or ""
        if _parse(host) and not self._allows(host, url.port or 0):
            _check_address(host, host)

    def _allows(self, host: str, port: int) -> bool:
        name = host.lower().rstrip(".")
        return not self._allowed.isdisjoint((name, f"{name}:{port}", f"[{name}]:{port}"))


def _check_address(text: str, host: str) -> None:
    address = _parse(text)
    if address is None or not all(one.is_global and not one.is_multicast for one in _meant(address)):
        raise NotPublic(f"{host} is no host of the public internet")


def _parse(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _meant(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 addresses that it carries inside."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address in _TRANSLATED:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    yield from filter(None, (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())))
