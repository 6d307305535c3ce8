"""A local stand-in for Meta's Graph API (WhatsApp Cloud API): ``python -m simulators.graph --help``."""
