"""The mechanics under the laws: each alone, and all of them together."""

from __future__ import annotations

from stream.contract.catalogue import Catalogue, Forms
from stream.core.mechanic import Installed
from stream.mechanics.gifts.events import EXAMPLES, Gift
from stream.mechanics.gifts.fold import GiftFold
from stream.mechanics.gifts.section import Gifts
from tests.support.candles import CANDLES, FORMS, CandleFold

GIFTS = Forms("gifts", (Gift,), Gifts, EXAMPLES)
EACH: dict[str, Installed] = {
    "candles": CANDLES,
    "gifts": Installed(Catalogue((GIFTS,)), (GiftFold,)),
    "all": Installed(Catalogue((GIFTS, FORMS)), (GiftFold, CandleFold)),
}
