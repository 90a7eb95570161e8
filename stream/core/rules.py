"""The core's settings: every bound and threshold of a rule, in one frozen place.

Thresholds are products of judgement, not of the data they are tested on; each carries its unit.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from stream.contract.overlay import FIRST_SIGNALS

HOUR_MS = 3_600_000
WINDOWS_MS: tuple[int, ...] = (60_000, 300_000, 1_800_000)


class Rules(Struct, frozen=True, kw_only=True):
    """What the fold and the signals depend on, beside the log. Part of every replay."""

    # Which records of the input topics are read; workers before 0.2 read those of aborted transactions too.
    isolation: Literal["read_committed", "read_uncommitted"] = "read_uncommitted"
    # Among so many partitions a key must be where murmur2 puts it; 0: nobody asks.
    murmur2_partitions: int = 0

    # Time
    allowed_lateness_ms: int = 60_000
    hold_ms: int = 60_000
    presence_timeout_ms: int = 4 * 3_600_000
    room_idle_ms: int = 6 * 3_600_000
    show_idle_ms: int = 24 * 3_600_000
    ended_ttl_ms: int = 3_600_000
    ended_again_ms: int = 600_000

    # Bounds
    distinct_exact_max: int = 65_536
    remember_ids_ms: int = 3_600_000
    remember_ids_max: int = 1_000_000
    remember_orders_ms: int = 24 * 3_600_000
    remember_orders_max: int = 500_000
    order_parts_max: int = 20  # of an order, parts that are cancelled or refunded by themselves
    rooms_max: int = 50_000
    sales_per_room_max: int = 500
    feed_items: int = 8
    # Of documents in the topic `signals`, larger ones are shortened; 0: none is, workers of old left large ones out.
    signal_max_bytes: int = 0
    remember_sales_ms: int = 0  # 0: a room is forgotten with its session, as all were until sessions had memories

    # The history of rooms: how far apart its points lie (0: none is kept, as none was by workers of old), the chunks of
    # ten minutes of a session, the marks of a chunk, and the sessions of a room.
    history_step_ms: int = 0
    history_chunks: int = 144
    history_marks: int = 100
    history_sessions: int = 2

    # How many sources of views a session keeps apart; 0: none is counted, as none was before there was this rule.
    sources_max: int = 0

    # Of how many products a session keeps figures (0: of none, as none was before there was this rule), and how many
    # people of each kind one of them counts exactly.
    products_max: int = 0
    product_people_max: int = 4_096

    # Whether what is claimed and withheld is written to `live.claims` too: workers before 0.2 did not.
    keep_claims: bool = False

    # Whether an event id names an event of its topic only. In a journal that says nothing of it all topics of a room
    # shared their ids: of two events of one id the one that was folded first counted, and nobody else knew which.
    ids_by_topic: bool = False

    # Pace of publication
    pace_busy_ms: int = 100
    pace_quiet_ms: int = 700
    refresh_active_ms: int = 1_000
    refresh_quiet_ms: int = 2_000
    refresh_idle_ms: int = 5_000
    idle_after_ms: int = 60_000
    busy_records: int = 5
    stale_after_refreshes: int = 3
    ttl_beyond_stale_ms: int = 7_000

    # Velocity and urgency
    velocity_window_ms: int = 10_000
    urgency_fall_after_ms: int = 6_000
    urgency_fall_factor: float = 0.8
    velocity_min_units: int = 10
    baseline_floor_units: float = 2.0
    demand_min_carters: int = 10
    last_call_ms: int = 60_000
    # From the second edition of signals on: a rush is people who buy.
    purchases_window_ms: int = 60_000
    purchases_silent_ms: int = 8_000
    cart_max_age_ms: int = 1_800_000

    # Claims
    stale_lag_ms: int = 3_000
    claim_valid_ms: int = 3_000
    stock_left_share_max: float = 0.2
    bought_window_ms: int = 300_000
    bought_min_orders: int = 3
    in_carts_min: int = 5
    watching_min: int = 10
    leaves_min: int = 10
    leaves_share_min: float = 0.6
    leaves_long_share_min: float = 0.5
    leaves_long_open_max: float = 0.1
    leaves_silent_ms: int = 60_000
    leaves_missing_max: int = 10
    ends_in_max_ms: int = 3_600_000
    suspect_unpaid_orders: int = 5
    suspect_share_max: float = 0.1
    # The second edition's: see `suspicion`.
    suspect_window_ms: int = 600_000
    suspect_device_accounts: int = 4
    suspect_product_orders: int = 5
    # Three orders of one product in a row are regular when they lie at least so far apart, and their two distances
    # differ by no more than the second; 0: nobody asks, as nobody did before there was this rule.
    suspect_regular_gap_ms: int = 0
    suspect_regular_within_ms: int = 0
    suspect_undone_orders: int = 3
    suspect_undone_ms: int = 600_000
    suspect_seen_payers: int = 20
    suspect_seen_percent: int = 90

    # Mechanics that are known, with their limits: name → bound → value. A journal that says nothing of them is of a
    # time when their events were refused.
    mechanics: dict[str, dict[str, int]] = {}

    # Which edition of the contract is read. A journal that says nothing of it was written under the first.
    contract_edition: int = 1
    # Which rules of forecast, urgency and claims hold. A journal that says nothing of it was written under the first.
    signals_edition: int = FIRST_SIGNALS

    @property
    def second_signals(self) -> bool:
        """Whether the rules of the second edition hold: see docs/signals.md, Editions."""
        return self.signals_edition > FIRST_SIGNALS

    @property
    def kept_hold_ms(self) -> int:
        """How long an order holds that is paid on delivery or after a deposit: until it is nearly forgotten."""
        return self.remember_orders_ms - min(HOUR_MS, self.remember_orders_ms // 2)

    @property
    def remembers_rooms(self) -> bool:
        """Whether what a room knows outlives its sessions, and these leave a last document."""
        return self.remember_sales_ms > 0
