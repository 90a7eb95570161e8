/* Flat JSON events, by the form of their topic, into columns. What a form says comes from stream/contract. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

struct span {
    uint32_t at, bytes;
};

/* What one record says. */
struct seen {
    int64_t event_time_ms, number[NUMBER_COLUMNS_MAX];
    struct span room, id[ID_COLUMNS_MAX];
    uint32_t room_number; /* NO_ROOM: the record is odd */
    uint8_t kind;
};

#define NO_ROOM UINT32_MAX

struct cursor {
    const uint8_t *start, *at, *end;
};

/* -- JSON ----------------------------------------------------------------------------------------------------------- */

static void skip_space(struct cursor *cursor) {
    while (cursor->at < cursor->end) {
        uint8_t byte = *cursor->at;
        if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r') return;
        cursor->at++;
    }
}

static int take(struct cursor *cursor, uint8_t byte) {
    if (cursor->at == cursor->end || *cursor->at != byte) return 0;
    cursor->at++;
    return 1;
}

static int take_word(struct cursor *cursor, const char *word) {
    size_t bytes = strlen(word);
    if ((size_t)(cursor->end - cursor->at) < bytes || memcmp(cursor->at, word, bytes) != 0) return 0;
    cursor->at += bytes;
    return 1;
}

/* A string of ASCII without escapes. */
static int take_plain(struct cursor *cursor, const uint8_t **text, uint32_t *bytes) {
    if (!take(cursor, '"')) return 0;
    const uint8_t *at = cursor->at;
    while (at < cursor->end && *at != '"') {
        if (*at < 0x20 || *at >= 0x80 || *at == '\\') return 0;
        at++;
    }
    if (at == cursor->end) return 0;
    *text = cursor->at;
    *bytes = (uint32_t)(at - cursor->at);
    cursor->at = at + 1;
    return 1;
}

static int take_id(struct cursor *cursor, const struct form *form, const struct field *field, struct span *span) {
    if (!take(cursor, '"')) return 0;
    const uint8_t *begin = cursor->at;
    while (cursor->at < cursor->end && form->id_char[*cursor->at]) cursor->at++;
    int64_t bytes = cursor->at - begin;
    if (bytes < field->least || bytes > field->most || !take(cursor, '"')) return 0;
    span->at = (uint32_t)(begin - cursor->start);
    span->bytes = (uint32_t)bytes;
    return 1;
}

/* A whole number from 0 of at most 18 digits. */
static int take_number(struct cursor *cursor, int64_t *number) {
    const uint8_t *begin = cursor->at;
    int64_t value = 0;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
        if (cursor->at - begin == 18) return 0;
        value = 10 * value + (*cursor->at++ - '0');
    }
    if (cursor->at == begin || (*begin == '0' && cursor->at - begin > 1)) return 0;
    if (cursor->at < cursor->end && (*cursor->at == '.' || *cursor->at == 'e' || *cursor->at == 'E')) return 0;
    *number = value;
    return 1;
}

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static int take_half(struct cursor *cursor, unsigned *half) {
    if (cursor->end - cursor->at < 4) return 0;
    *half = 0;
    for (int place = 0; place < 4; place++) {
        int digit = hex_digit(*cursor->at++);
        if (digit < 0) return 0;
        *half = *half << 4 | (unsigned)digit;
    }
    return 1;
}

/* What follows a backslash: one character. Half a surrogate pair is none. */
static int take_escape(struct cursor *cursor) {
    if (cursor->at == cursor->end) return 0;
    uint8_t byte = *cursor->at++;
    if (byte != 'u') return byte != 0 && strchr("\"\\/bfnrt", byte) != NULL;
    unsigned half;
    if (!take_half(cursor, &half)) return 0;
    if (half < 0xd800 || half > 0xdfff) return 1;
    return half < 0xdc00 && take_word(cursor, "\\u") && take_half(cursor, &half) && half >= 0xdc00 && half <= 0xdfff;
}

/* One character of several bytes: well-formed UTF-8 (Unicode 16, table 3-7). */
static int take_wide(struct cursor *cursor) {
    uint8_t lead = *cursor->at++;
    int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || cursor->end - cursor->at < more) return 0;
    uint8_t second = *cursor->at;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
    for (; more; more--)
        if ((*cursor->at++ & 0xc0) != 0x80) return 0;
    return 1;
}

static int take_text(struct cursor *cursor, const struct field *field) {
    if (!take(cursor, '"')) return 0;
    int64_t characters = 0;
    while (cursor->at < cursor->end && *cursor->at != '"') {
        uint8_t byte = *cursor->at;
        if (byte < 0x20) return 0;
        if (byte >= 0x80) {
            if (!take_wide(cursor)) return 0;
        } else {
            cursor->at++;
            if (byte == '\\' && !take_escape(cursor)) return 0;
        }
        characters++;
    }
    return take(cursor, '"') && characters >= field->least && characters <= field->most;
}

/* The value of a field that the form does not know. Only what can have nothing wrong with it is mine. */
static int take_unknown(struct cursor *cursor) {
    const uint8_t *text;
    uint32_t bytes;
    int64_t number;
    if (cursor->at == cursor->end) return 0;
    switch (*cursor->at) {
        case '"': return take_plain(cursor, &text, &bytes);
        case 't': return take_word(cursor, "true");
        case 'f': return take_word(cursor, "false");
        case 'n': return take_word(cursor, "null");
        default: return take_number(cursor, &number);
    }
}

/* -- one record ----------------------------------------------------------------------------------------------------- */

/* The number of the field with this name; form->fields: none. Fields mostly come in the order of the one before. */
static uint32_t field_of(const struct form *form, const uint8_t *name, uint32_t bytes, uint32_t likely) {
    for (uint32_t step = 0, number = likely; step < form->fields; step++, number++) {
        if (number >= form->fields) number = 0;
        const struct field *field = &form->field[number];
        if (field->name_bytes == bytes && memcmp(field->name, name, bytes) == 0) return number;
    }
    return form->fields;
}

static int take_type(struct cursor *cursor, const struct form *form, struct seen *seen) {
    const uint8_t *tag;
    uint32_t bytes;
    if (!take_plain(cursor, &tag, &bytes)) return 0;
    for (uint32_t kind = 0; kind < form->kinds; kind++)
        if (form->kind[kind].tag_bytes == bytes && memcmp(form->kind[kind].tag, tag, bytes) == 0) {
            seen->kind = (uint8_t)kind;
            return 1;
        }
    return 0;
}

static int take_value(struct cursor *cursor, const struct form *form, const struct field *field, struct seen *seen) {
    int64_t number;
    switch (field->is) {
        case IS_TYPE: return take_type(cursor, form, seen);
        case IS_ID: return take_id(cursor, form, field, field->column == COLUMN_ROOM ? &seen->room : &seen->id[field->column]);
        case IS_TEXT: return take_text(cursor, field);
        default:
            if (!take_number(cursor, &number) || number < field->least || number > field->most) return 0;
            if (field->column == COLUMN_TIME) seen->event_time_ms = number;
            else seen->number[field->column] = number;
            return 1;
    }
}

/* Whether the value is a good event of the form's topic. */
static int scan_value(struct cursor cursor, const struct form *form, struct seen *seen) {
    uint32_t met = 0, held = 0, likely = 0;
    memset(seen, 0, sizeof *seen);
    skip_space(&cursor);
    if (!take(&cursor, '{')) return 0;
    do {
        const uint8_t *name;
        uint32_t bytes;
        skip_space(&cursor);
        if (!take_plain(&cursor, &name, &bytes)) return 0;
        skip_space(&cursor);
        if (!take(&cursor, ':')) return 0;
        skip_space(&cursor);
        uint32_t number = field_of(form, name, bytes, likely);
        if (number == form->fields) {
            if (!take_unknown(&cursor)) return 0;
        } else {
            uint32_t bit = UINT32_C(1) << number;
            if (met & bit) return 0; /* said twice */
            met |= bit;
            if (!take_word(&cursor, "null")) {
                if (!take_value(&cursor, form, &form->field[number], seen)) return 0;
                held |= bit;
            }
            likely = number + 1;
        }
        skip_space(&cursor);
    } while (take(&cursor, ','));
    if (!take(&cursor, '}')) return 0;
    skip_space(&cursor);
    const struct kind *kind = &form->kind[seen->kind];
    return cursor.at == cursor.end && (held & kind->required) == kind->required &&
           !(met & ~held & ~kind->nullable & kind->known);
}

static int scan_record(const uint8_t *text, uint64_t text_bytes, const struct row *row, const struct form *form,
                       struct seen *seen) {
    if ((uint64_t)row->key_at + row->key_bytes > text_bytes) return 0;
    if ((uint64_t)row->value_at + row->value_bytes > text_bytes || row->value_bytes > form->record_most_bytes) return 0;
    struct cursor cursor = {text, text + row->value_at, text + row->value_at + row->value_bytes};
    if (row->timestamp_ms < 0 || !scan_value(cursor, form, seen)) return 0;
    if (seen->room.bytes != row->key_bytes || memcmp(text + seen->room.at, text + row->key_at, row->key_bytes) != 0) return 0;
    int64_t ahead_ms = seen->event_time_ms - row->timestamp_ms;
    return ahead_ms >= -form->most_age_ms && ahead_ms <= form->most_ahead_ms;
}

/* -- rooms ---------------------------------------------------------------------------------------------------------- */

static uint64_t rotated(uint64_t word, int by) { return word << by | word >> (64 - by); }

/* SipHash-1-3 (Aumasson, Bernstein 2012): whoever chooses room ids does not know the seed, and cannot make them meet. */
static uint64_t hash_of(const uint8_t *bytes, uint32_t count, const uint64_t seed[2]) {
    uint64_t a = seed[0] ^ UINT64_C(0x736f6d6570736575), b = seed[1] ^ UINT64_C(0x646f72616e646f6d);
    uint64_t c = seed[0] ^ UINT64_C(0x6c7967656e657261), d = seed[1] ^ UINT64_C(0x7465646279746573);
    uint32_t left = count;
    int finals = 3;
    for (;;) {
        uint64_t word = 0;
        uint32_t taken = left < 8 ? left : 8;
        memcpy(&word, bytes, taken);
        if (left < 8) word |= (uint64_t)count << 56;
        d ^= word;
        for (int rounds = 1; rounds; rounds--) {
            a += b, b = rotated(b, 13) ^ a, a = rotated(a, 32), c += d, d = rotated(d, 16) ^ c;
            a += d, d = rotated(d, 21) ^ a, c += b, b = rotated(b, 17) ^ c, c = rotated(c, 32);
        }
        a ^= word;
        if (left < 8) break;
        bytes += 8, left -= 8;
    }
    for (c ^= 0xff; finals; finals--) {
        a += b, b = rotated(b, 13) ^ a, a = rotated(a, 32), c += d, d = rotated(d, 16) ^ c;
        a += d, d = rotated(d, 21) ^ a, c += b, b = rotated(b, 17) ^ c, c = rotated(c, 32);
    }
    return a ^ b ^ c ^ d;
}

/* The number of a record's room among `parts`; a room that is met first becomes the next. `table`: room numbers + 1. */
static uint32_t room_of(const uint8_t *text, const struct row *row, uint32_t place, const uint64_t seed[2],
                        struct part *parts, uint32_t *rooms, uint32_t *table, uint32_t mask) {
    const uint8_t *key = text + row->key_at;
    uint32_t at = (uint32_t)hash_of(key, row->key_bytes, seed) & mask;
    for (; table[at]; at = (at + 1) & mask) {
        const struct part *part = &parts[table[at] - 1];
        if (part->key_bytes == row->key_bytes && memcmp(text + part->key_at, key, row->key_bytes) == 0) return table[at] - 1;
    }
    parts[*rooms] = (struct part){.key_at = row->key_at, .key_bytes = row->key_bytes, .first_place = place,
                                  .newest_ms = INT64_MIN, .least_ms = INT64_MAX, .most_ms = INT64_MIN};
    table[at] = ++*rooms;
    return *rooms - 1;
}

/* -- columns -------------------------------------------------------------------------------------------------------- */

static void put(const struct row *row, const struct form *form, const struct seen *seen,
                uint32_t place, struct part *part, struct columns *out) {
    uint32_t to = part->begin + part->count++;
    int64_t earliest_ms = row->timestamp_ms - form->lateness_ms;
    int64_t at_ms = seen->event_time_ms > row->timestamp_ms ? row->timestamp_ms
                    : seen->event_time_ms < earliest_ms     ? earliest_ms
                                                            : seen->event_time_ms;
    out->event_time_ms[to] = seen->event_time_ms;
    out->at_ms[to] = at_ms;
    out->places[to] = place;
    out->kinds[to] = seen->kind;
    part->retimed += at_ms != seen->event_time_ms;
    if (row->timestamp_ms > part->newest_ms) part->newest_ms = row->timestamp_ms;
    if (at_ms < part->least_ms) part->least_ms = at_ms;
    if (at_ms > part->most_ms) part->most_ms = at_ms;
    for (uint32_t number = 0; number < form->fields; number++)
        if (form->field[number].is == IS_NUMBER && form->field[number].column >= 0)
            out->numbers[form->field[number].column][to] = seen->number[form->field[number].column];
}

static void put_ids(const uint8_t *text, const struct seen *seen, uint32_t is_known, int32_t column, struct columns *out) {
    uint8_t *to = out->ids[column] + out->ids_bytes[column];
    if (is_known) {
        memcpy(to, text + seen->id[column].at, seen->id[column].bytes);
        to += seen->id[column].bytes;
    }
    *to++ = '\n';
    out->ids_bytes[column] = (uint64_t)(to - out->ids[column]);
}

static void put_all(const uint8_t *text, const struct row *rows, uint32_t count, const struct form *form,
                    const struct seen *seen, uint32_t rooms, struct columns *out) {
    for (uint32_t place = 0; place < count; place++)
        if (seen[place].room_number != NO_ROOM) out->parts[seen[place].room_number].count++;
    uint32_t begin = 0;
    for (uint32_t room = 0; room < rooms; room++) {
        out->parts[room].begin = begin;
        begin += out->parts[room].count;
        out->parts[room].count = 0;
    }
    for (uint32_t place = 0; place < count; place++)
        if (seen[place].room_number != NO_ROOM)
            put(&rows[place], form, &seen[place], place, &out->parts[seen[place].room_number], out);
    for (uint32_t number = 0; number < form->fields; number++) {
        const struct field *field = &form->field[number];
        if (field->is != IS_ID || field->column < 0) continue;
        out->ids_bytes[field->column] = 0;
        for (uint32_t to = 0; to < begin; to++) {
            const struct seen *of = &seen[out->places[to]];
            put_ids(text, of, form->kind[of->kind].known >> number & 1, field->column, out);
        }
    }
}

int32_t snapup_scan(const uint8_t *text, uint64_t text_bytes, const struct row *rows, uint32_t count,
                    const struct form *form, const uint64_t seed[2], struct columns *out) {
    if (count == 0 || count > RECORDS_MAX || text_bytes > UINT32_MAX) return -1;
    uint32_t places = 2;
    while (places < 2 * count) places *= 2;
    struct seen *seen = malloc(count * sizeof *seen);
    uint32_t *table = calloc(places, sizeof *table);
    int32_t answer = -1;
    if (seen != NULL && table != NULL) {
        uint32_t rooms = 0, place = 0;
        for (out->odds = 0; place < count; place++) {
            if (scan_record(text, text_bytes, &rows[place], form, &seen[place])) {
                seen[place].room_number = room_of(text, &rows[place], place, seed, out->parts, &rooms, table, places - 1);
            } else {
                if (out->odds == out->odd_most) break;
                seen[place].room_number = NO_ROOM;
                out->odd[out->odds++] = place;
            }
        }
        if (place == count) {
            put_all(text, rows, count, form, seen, rooms, out);
            answer = (int32_t)rooms;
        }
    }
    free(seen);
    free(table);
    return answer;
}
