/* The native kernel: reads record batches and scans the contract's flat events into columns.
 *
 * The kernel answers only for what is usual in every way. Everything else is odd: "not mine", and the Python path
 * gives the answer. So a mistake here may cost time; only what is taken must be right, and tests compare that with
 * Python. No function keeps anything between two calls, allocates more than a fixed number of bytes for each record, or
 * reads outside the given bytes. All numbers are in the machine's byte order; stream/kernel/library.py has the same
 * layouts.
 */
#ifndef SNAPUP_KERNEL_H
#define SNAPUP_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define SNAPUP_ABI 2

enum {
    NAME_BYTES = 32,
    FIELDS_MAX = 16,
    KINDS_MAX = 8,
    ID_COLUMNS_MAX = 8,
    NUMBER_COLUMNS_MAX = 4,
    RECORDS_MAX = 1 << 20
};

/* Where one record lies. `stamped`: the broker set its time. */
struct row {
    int64_t offset;
    int64_t timestamp_ms;
    uint32_t key_at, key_bytes;
    uint32_t value_at, value_bytes;
    uint32_t stamped, unused;
};

/* What the head of a batch says, and what is taken of it. Offsets are inclusive. */
struct batch {
    int64_t first_offset, last_offset;
    int64_t first_ms, stamp_ms; /* stamp_ms: the time of all its records; negative: each has its own */
    int64_t count, last_moment_ms, key_most_bytes, value_most_bytes;
};

/* What a field holds. */
enum { IS_TYPE = 0, IS_ID = 1, IS_NUMBER = 2, IS_TEXT = 3 };
/* Columns that every form has. */
enum { COLUMN_ROOM = -1, COLUMN_TIME = -2, COLUMN_NONE = -3 };

struct field {
    uint8_t name[NAME_BYTES];
    uint32_t name_bytes, is;
    int64_t least, most; /* of a number; of an id or a text, how many characters */
    int32_t column;
    uint32_t unused;
};

/* One kind of event. The masks have a bit for each field. */
struct kind {
    uint8_t tag[NAME_BYTES];
    uint32_t tag_bytes, known, required, nullable;
};

/* What one topic's good records look like. */
struct form {
    uint32_t fields, kinds;
    struct field field[FIELDS_MAX];
    struct kind kind[KINDS_MAX];
    int64_t record_most_bytes, most_age_ms, most_ahead_ms, lateness_ms;
    uint8_t id_char[256];
};

/* One room's records of a piece. `newest_ms`: its greatest append time; `least_ms`, `most_ms`: of its effective times. */
struct part {
    uint32_t key_at, key_bytes, begin, count, first_place, retimed;
    int64_t newest_ms, least_ms, most_ms;
};

/* Columns, room by room in the order of the rooms' first records, each in the order of the log. Rooms are no more than
 * records. Ids are joined by line breaks: 65 bytes a record and column are enough.
 * `odd`: the places of records that are not mine and in no column, in their order; it has room for `odd_most`. */
struct columns {
    struct part *parts;
    int64_t *event_time_ms, *at_ms;
    uint32_t *places;
    uint8_t *kinds;
    int64_t *numbers[NUMBER_COLUMNS_MAX];
    uint8_t *ids[ID_COLUMNS_MAX];
    uint64_t ids_bytes[ID_COLUMNS_MAX];
    uint32_t *odd;
    uint32_t odd_most, odds;
};

/* The version of these layouts, and the checksum of the sources. */
uint32_t snapup_abi(void);
const char *snapup_sources(void);

/* The CRC-32C of these bytes. */
uint32_t snapup_crc32c(const uint8_t *bytes, uint64_t count);

/* The rows of an unpacked batch. Returns how many; -1: not mine. `rows` has room for batch->count. */
int32_t snapup_index(const uint8_t *bytes, uint64_t count, const struct batch *batch, struct row *rows);

/* Move where these rows point to, for a text that now stands behind another. */
void snapup_move(struct row *rows, uint32_t count, uint32_t by);

/* The columns of records. Returns the number of rooms, or -1: more than `odd_most` of the records are odd. */
int32_t snapup_scan(const uint8_t *text, uint64_t text_bytes, const struct row *rows, uint32_t count,
                    const struct form *form, const uint64_t seed[2], struct columns *out);

#endif
