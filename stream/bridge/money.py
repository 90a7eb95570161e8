"""Decimal amounts → minor units, exactly or not at all."""

from __future__ import annotations

import re
from typing import Any

from stream.bridge.reasons import NoEventError, Reason
from stream.contract.events import MAX_AMOUNT_MINOR

# ISO 4217: decimals of the currencies that have not two.
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"
_EXPONENTS = {code: exponent for exponent, codes in ((0, _NONE), (3, _THREE), (4, _FOUR)) for code in codes.split()}
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_AMOUNT = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]{1,18}))?")


def currency_of(value: Any) -> str:
    """The currency code. Raises NoEventError where it is none."""
    if isinstance(value, str) and _CODE.fullmatch(value):
        return value
    raise NoEventError(Reason.AMOUNT_UNKNOWN)


def minor_units(value: Any, currency: str) -> int:
    """The amount in minor units of a currency; 0 where it is missing.

    Raises:
        NoEventError: no decimal text, or with a remainder below the minor unit. A double is no amount.
    """
    if value is None:
        return 0
    if type(value) is int and abs(value) < 10**18:
        value = str(value)
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise NoEventError(Reason.AMOUNT_UNKNOWN)
    sign, units, decimals = found.groups()
    exponent, decimals = _EXPONENTS.get(currency, 2), (decimals or "").rstrip("0")
    if len(decimals) > exponent:
        raise NoEventError(Reason.AMOUNT_UNKNOWN)
    minor = int(units + decimals.ljust(exponent, "0"))
    return -minor if sign else minor


def line_amount(minor: int) -> int:
    """The amount of a whole line. Raises NoEventError where it is below 0 or beyond the contract."""
    if not 0 <= minor <= MAX_AMOUNT_MINOR:
        raise NoEventError(Reason.AMOUNT_UNKNOWN)
    return minor
