"""The parts of rules of claims: settings, conditions, and what is said if all conditions hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from stream.verify.suspicion import Thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

Number = int | float


class ClaimSettings(Thresholds, frozen=True, kw_only=True):
    """The workers' rules behind claims, by their names. A journal without one of them is old."""

    signals_edition: int = 1
    contract_edition: int = 1
    hold_ms: int = 60_000
    presence_timeout_ms: int = 4 * 3_600_000
    remember_orders_ms: int = 24 * 3_600_000
    order_parts_max: int = 20
    velocity_window_ms: int = 10_000
    stale_lag_ms: int = 3_000
    claim_valid_ms: int = 3_000
    stock_left_share_max: float = 0.2
    bought_window_ms: int = 300_000
    bought_min_orders: int = 3
    in_carts_min: int = 5
    cart_max_age_ms: int = 1_800_000
    watching_min: int = 10
    leaves_min: int = 10
    leaves_share_min: float = 0.6
    leaves_long_share_min: float = 0.5
    leaves_long_open_max: float = 0.1
    leaves_silent_ms: int = 60_000
    leaves_missing_max: int = 10
    ends_in_max_ms: int = 3_600_000
    suspect_share_max: float = 0.1


def claim_settings_of(rules: Mapping[str, Any]) -> ClaimSettings:
    """The settings of claims in the rules of a journal or of settings."""
    known = {name: rules[name] for name in ClaimSettings.__struct_fields__ if name in rules}
    return msgspec.convert(known, ClaimSettings)


class Condition(NamedTuple):
    """A condition of a rule: `value` of a `figure` must stand in `relation` to `bound`, else the claim is withheld."""

    reason: str
    figure: str
    value: Number | str | None
    relation: Literal["is", "is not", "at least", "at most", "more than"]
    bound: Number | str | None

    @property
    def holds(self) -> bool:
        """Whether the condition holds. An unknown figure fulfils no comparison."""
        value, bound = self.value, self.bound
        if self.relation == "is":
            return value == bound
        if self.relation == "is not":
            return value != bound
        if not isinstance(value, int | float) or not isinstance(bound, int | float):
            return False
        if self.relation == "at least":
            return value >= bound
        return value <= bound if self.relation == "at most" else value > bound


class Figures(NamedTuple):
    """What is said if all conditions hold."""

    value: int | list[int]
    unit: str
    window_ms: int | None
    inputs: dict[str, Number | None]
