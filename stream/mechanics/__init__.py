"""Mechanics: what a room does besides selling from stock, a folder each. CONTRIBUTING.md says how to add one.

A folder holds `events.py` and `section.py` (what goes in and comes out), `fold.py` (what the worker does), `recount.py`
(the same rules, written a second time for the audit), `show.py` (a simulation with known totals), `widget.js` and
`words.js` (what viewers and hosts see) and `README.md`. No part of Snapup below this one knows a mechanic: worker,
serve and commands hand in the lists `kinds`, `folds`, `recounts`, `scenarios` and `mechanics.js`, one line a mechanic.
"""
