"""Producers that are not ours: other people's client libraries write the same show, and the worker counts it."""
