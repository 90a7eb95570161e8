"""What a recount assumes of the worker: the rules behind the figures, by their names in the journal."""

from __future__ import annotations

from stream.contract.events import FIRST_EDITION
from stream.contract.overlay import FIRST_SIGNALS
from stream.verify.suspicion import Thresholds


class Assumptions(Thresholds, frozen=True, kw_only=True):
    """The settings under which the worker ran. A recount under other settings answers another question."""

    allowed_lateness_ms: int = 60_000
    hold_ms: int = 60_000
    presence_timeout_ms: int = 4 * 3_600_000
    room_idle_ms: int = 6 * 3_600_000
    # The worker may have forgotten an id that repeats later than this. Such cases are counted apart.
    remember_ids_ms: int = 1_800_000
    remember_orders_ms: int = 24 * 3_600_000
    # The number of parts of an order that are kept.
    order_parts_max: int = 20
    # 0: a room's knowledge ends with its session. So older journals, which lack this rule, were written.
    remember_sales_ms: int = 0
    show_idle_ms: int = 24 * 3_600_000
    # A journal without this rule was written under the first edition.
    contract_edition: int = FIRST_EDITION
    signals_edition: int = FIRST_SIGNALS
    # Whether an event id is unique within its topic only. A journal without this rule had one place for all ids.
    ids_by_topic: bool = False
    # The greatest age of a cart, from the second edition of signals on.
    cart_max_age_ms: int = 1_800_000
    # Mechanics whose events were read, with their limits: ((name, ((limit, value), …)), …). A journal without this rule
    # is of a time when their events were refused.
    mechanics: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    # The number of partitions over which murmur2 must place a key; 0: the place was not checked.
    murmur2_partitions: int = 0
    # The number of sources of views that are kept apart; 0: sources were not counted.
    sources_max: int = 0
    # The number of products with figures of their own; 0: products were not counted.
    products_max: int = 0
