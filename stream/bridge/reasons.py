"""Why a message became no event, and what was read into those that did."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a message gave no event."""

    NOT_JSON = "not_json"
    NOT_TEXT = "not_text"
    TOO_LARGE = "too_large"
    TOO_DEEP = "nested_too_deep"
    NOT_A_MESSAGE = "not_a_message"
    IGNORED_KIND = "ignored_kind"
    CONNECTED = "connected"
    SAID_TWICE = "said_twice"
    BACKLOG = "backlog"
    TOO_OLD = "too_old"
    NO_TIME = "no_time"
    NO_ROOM = "no_room"
    NO_USER = "no_user"
    NO_ID = "no_id"
    NO_TEXT = "no_text"
    NOTHING_COUNTED = "nothing_counted"
    BAD_NUMBER = "bad_number"
    OUT_OF_RANGE = "out_of_range"
    TEST = "test"
    OTHER_ROOM = "other_room"
    NO_LINES = "no_lines"
    AMOUNT_UNKNOWN = "amount_unknown"
    PARTIAL_REFUND = "partial_refund"
    UNKNOWN_ORDER = "refund_of_unknown_order"
    UNKNOWN_PARCEL = "parcel_of_unknown_order"
    NOT_ALL_SENT = "not_all_sent"
    REFUSED = "refused_by_the_contract"


class Note(StrEnum):
    """What the adapter read into a message that gave events."""

    TIME_OF_ARRIVAL = "time_of_arrival"
    TIME_AHEAD = "time_ahead_taken_as_arrival"
    ID_MADE = "id_made"
    ID_HASHED = "id_hashed"
    USER_UNKNOWN = "user_unknown"
    TEXT_CUT = "text_cut"
    COINS_UNKNOWN = "coins_unknown"
    GIFT_SPLIT = "gift_split"
    ORDER_CUT = "order_cut"
    GUEST = "guest"
    HALF_CHARACTER = "half_character"
    PART_LEFT_OUT = "part_left_out"
    PAID_MESSAGE = "amount_of_paid_message_left_out"


REASON_WORDS: dict[Reason, str] = {
    Reason.NOT_JSON: "the line is no JSON",
    Reason.NOT_TEXT: "a message of a WebSocket that is no text",
    Reason.TOO_LARGE: "the line is longer than any message",
    Reason.TOO_DEEP: "arrays and objects nest deeper than 64 levels",
    Reason.NOT_A_MESSAGE: "no object, or an empty one",
    Reason.IGNORED_KIND: "a kind that maps to nothing",
    Reason.CONNECTED: "the bridge says that it connected",
    Reason.SAID_TWICE: "another message says the same, and counts",
    Reason.BACKLOG: "older than the connection: the platform repeats what was before",
    Reason.TOO_OLD: "older than 7 days, which no worker takes",
    Reason.NO_TIME: "neither the message nor the line says a time",
    Reason.NO_ROOM: "neither the message nor --room says a room",
    Reason.NO_USER: "the platform does not say who entered",
    Reason.NO_ID: "what tells this message from others is missing",
    Reason.NO_TEXT: "a message without text",
    Reason.NOTHING_COUNTED: "a batch or a counter without a number",
    Reason.BAD_NUMBER: "a fraction or a text where a whole number belongs",
    Reason.OUT_OF_RANGE: "a number that nobody can mean",
    Reason.TEST: "marked as a test",
    Reason.OTHER_ROOM: "sent from a linked room, where it counts",
    Reason.NO_LINES: "an order of nothing",
    Reason.AMOUNT_UNKNOWN: "an amount that is no whole number of minor units, or unclear",
    Reason.PARTIAL_REFUND: "a refund of no line of the order, or of a part of one that is cut into several",
    Reason.UNKNOWN_ORDER: "a refund of an order that this bridge has not seen",
    Reason.UNKNOWN_PARCEL: "a parcel of an order that this bridge has not seen",
    Reason.NOT_ALL_SENT: "an update of an order of which not everything is sent",
    Reason.REFUSED: "made into an event that the contract refuses",
}
NOTE_WORDS: dict[Note, str] = {
    Note.TIME_OF_ARRIVAL: "no time in the message: that of arrival",
    Note.TIME_AHEAD: "more than a minute ahead of arrival: that of arrival",
    Note.ID_MADE: "no id in the message: made from kind, user, time and content",
    Note.ID_HASHED: "an id too long for the contract: hashed",
    Note.USER_UNKNOWN: "the platform does not say who: `-`",
    Note.TEXT_CUT: "longer than 500 characters: cut",
    Note.COINS_UNKNOWN: "a gift without a price in whole coins: 0 coins",
    Note.GIFT_SPLIT: "worth more than one gift may be: told as several",
    Note.ORDER_CUT: "more than one record holds: several orders",
    Note.GUEST: "no customer: a guest of that order",
    Note.HALF_CHARACTER: "half of a character: replaced",
    Note.PART_LEFT_OUT: "a refund or parcel of the order without an id or a clear number: left out",
    Note.PAID_MESSAGE: "a paid message: its text counts, its money is left out",
}


class NoEventError(Exception):
    """Ends the reading of one message; caught in `bridge.Bridge`, never further."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
