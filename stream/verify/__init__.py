"""The independent recount: what the log says, counted again by code that shares nothing with the fold.

Imports `stream.contract` alone. Plain dictionaries and sets, no eviction, no windows that move: slow, and easy to
believe.
"""
