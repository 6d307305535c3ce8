"""The gateways that end-to-end tests use."""

from tests.fixtures.gateway import gateway, own_gateway

__all__ = ["gateway", "own_gateway"]
