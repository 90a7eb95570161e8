"""The independent recount: the log's figures, counted again by code that shares nothing with the fold.

It imports `stream.contract` alone. Plain dictionaries and sets, no eviction, no moving windows: slow, and easy to
believe.
"""
