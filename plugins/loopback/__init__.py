"""The reference channel: its provider is a file, and its faults are switched on by hand."""
