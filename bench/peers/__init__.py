"""Other ways to count the same events, each a program of its own, beside the worker: `python -m bench.peers`."""
