"""Channels that come with the gateway; each is found by its entry point, none is imported by name."""
