"""The native kernel: C that reads record batches and scans flat events. Python is the specification, and the way out.

`src/` is the C, `building.py` compiles it, `library.py` loads and calls it.
"""
