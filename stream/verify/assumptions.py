"""What a recount assumes of the worker: the rules that its figures depend on, by their names in the journal."""

from __future__ import annotations

from stream.contract.events import FIRST_EDITION
from stream.contract.overlay import FIRST_SIGNALS
from stream.verify.suspicion import Thresholds


class Assumptions(Thresholds, frozen=True, kw_only=True):
    """The settings under which the worker ran; a recount under others answers another question."""

    allowed_lateness_ms: int = 60_000
    hold_ms: int = 60_000
    presence_timeout_ms: int = 4 * 3_600_000
    room_idle_ms: int = 6 * 3_600_000
    # An id that comes again later than this may have been forgotten by the worker; such cases are counted apart.
    remember_ids_ms: int = 1_800_000
    remember_orders_ms: int = 24 * 3_600_000
    # 0: what a room knows ends with its session, as a journal that says nothing of it was written.
    remember_sales_ms: int = 0
    show_idle_ms: int = 24 * 3_600_000
    # A journal that says nothing of it was written under the first.
    contract_edition: int = FIRST_EDITION
    signals_edition: int = FIRST_SIGNALS
    # Whether an event id names an event of its topic only; a journal that says nothing of it had one place for all.
    ids_by_topic: bool = False
    # How old a cart may be, from the second edition of signals on.
    cart_max_age_ms: int = 1_800_000
    # A key must be where murmur2 puts it among so many partitions; 0: nobody asked.
    murmur2_partitions: int = 0
