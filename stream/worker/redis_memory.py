"""A warning at the start when Redis is set up to drop our documents before their time, as far as we may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from stream.redis_clients import REDIS_ERRORS, eviction_advice

if TYPE_CHECKING:
    from stream.worker.overlay_store import OverlayStore

log = structlog.get_logger(__name__)


async def warn_of_eviction(store: OverlayStore) -> None:
    """Log a line when the memory policy drops documents that are on screens, or when we may not ask for the policy."""
    try:
        advice = eviction_advice(await store.configuration())
    except REDIS_ERRORS as error:
        log.info("the memory policy of Redis cannot be seen: docs/operations.md says which", error=store.words(error))
        return
    if advice is not None:
        log.warning("Redis may drop documents that are on screens", advice=advice)
