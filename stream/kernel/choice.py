"""What may be chosen of `SNAPUP_KERNEL`."""

from __future__ import annotations

from typing import Literal, get_args

Choice = Literal["auto", "python", "native"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
