"""Measurements of the whole gateway and of its parts; `python -m benchmarks --help` lists them."""
