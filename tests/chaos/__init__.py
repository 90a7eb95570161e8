"""Chaos on real parts: workers, brokers and Redis under a seeded schedule of faults, each seen to hit; then a recount.

`python -m tests.chaos --help`. Everything started here ends with it.
"""
