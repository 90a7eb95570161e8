"""Claims from `live.claims`: as a document for the checker, and as explanations if the log is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.overlay import (
    SCHEMA,
    Claim,
    Clock,
    Count,
    Orders,
    Overlay,
    Sale,
    Totals,
    Urgency,
    Velocity,
    Withheld,
)
from stream.verify.claim_check import NOT_RECOUNTED, SAID
from stream.verify.claim_rules import ROOM_RULES, RULES
from stream.verify.explain import Explanation, Records

if TYPE_CHECKING:
    from stream.verify.kept_claims import Standing

GONE = "the journal and the records that led to it are not there any more"


def overlay_of(standing: Standing) -> Overlay:
    """A document with these claims. Of everything else it has only what a checker of claims needs."""
    room = standing.room
    subjects = {(sale_id, sku_id) for _, sale_id, sku_id in standing.claims if sale_id is not None}
    return Overlay(
        schema=SCHEMA,
        room_id=room.room_id,
        epoch=room.epoch,
        rev=room.rev,
        as_of_ms=room.as_of_ms,
        stale_after_ms=room.stale_after_ms,
        clock=Clock("log", 0),
        totals=Totals(Count(0, "exact"), 0, 0, 0, 0, 0, Orders(0, 0, 0, 0), []),
        rates=[],
        sales=[_sale(sale_id, sku_id or "") for sale_id, sku_id in sorted(subjects, key=repr)],
        urgency=Urgency("unknown", room.as_of_ms, []),
        claims=standing.said(),
        withheld=standing.withheld(),
        feed=[],
    )


def _sale(sale_id: str, sku_id: str) -> Sale:
    return Sale(
        sale_id=sale_id,
        sku_id=sku_id,
        status="unknown",
        starts_at_ms=None,
        ends_at_ms=None,
        extended=False,
        offered=None,
        restocked=0,
        available=None,
        held=0,
        sold=0,
        oversold=0,
        over_limit=0,
        released=0,
        sell_through=None,
        carters_without_order=Count(0, "exact"),
        suspect_units=0,
        velocity=Velocity(0, 0),
        eta_sellout_ms=None,
        restock_planned_at_ms=None,
        price_minor=None,
        list_price_minor=None,
        currency=None,
        urgency=Urgency("unknown", 0, []),
    )


def explain_kept(standing: Standing) -> list[Explanation]:
    """The explanations of what was said and withheld, without a recount: the records behind the claims are gone."""
    found: list[Claim | Withheld] = [*standing.said(), *standing.withheld()]
    return [
        _explained(standing, each)
        for each in sorted(found, key=lambda each: (each.sale_id or "", each.sku_id or "", each.claim))
    ]


def _explained(standing: Standing, each: Claim | Withheld) -> Explanation:
    room = standing.room
    claim = each if isinstance(each, Claim) else None
    rule = None if claim is None else RULES.get(claim.rule) or ROOM_RULES.get(claim.rule)
    return Explanation(
        room_id=room.room_id,
        claim=each.claim,
        sale_id=each.sale_id,
        sku_id=each.sku_id,
        as_of_ms=room.as_of_ms,
        epoch=room.epoch,
        rev=room.rev,
        published=each.reason if isinstance(each, Withheld) else SAID,
        recomputed="",
        verdict=NOT_RECOUNTED,
        why=GONE,
        rule="" if claim is None else claim.rule,
        rule_in_words="" if rule is None else rule.words,
        value=None if claim is None else claim.value,
        recomputed_value=None,
        unit=None if claim is None else claim.unit,
        window_ms=None if claim is None else claim.window_ms,
        valid_until_ms=None if claim is None else claim.valid_until_ms,
        inputs={} if claim is None else claim.inputs,
        conditions=[],
        takes=GONE,
        records=[
            Records(
                topic=one.topic,
                partition=one.partition,
                first_offset=one.first_offset,
                next_offset=one.next_offset,
                count=None,
                last=[],
            )
            for one in (() if claim is None else claim.evidence)
        ],
    )
