"""What the contract holds of each mechanic: its kinds of events, its section, its examples. One line a mechanic."""

from __future__ import annotations

from stream.contract.catalogue import Catalogue

CATALOGUE = Catalogue(())
