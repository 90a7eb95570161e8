/* Record batches of Kafka's format 2: checksum, and where each record lies. */
#include "kernel.h"

#ifndef SNAPUP_SOURCES
#define SNAPUP_SOURCES ""
#endif

uint32_t snapup_abi(void) { return SNAPUP_ABI; }

const char *snapup_sources(void) { return SNAPUP_SOURCES; }

/* -- CRC-32C: an instruction where the machine has one, else four bits at a time ---------------------------------- */

static uint32_t crc_by_table(uint32_t crc, const uint8_t *bytes, uint64_t count) {
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                       0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    for (uint64_t at = 0; at < count; at++) {
        crc ^= bytes[at];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <nmmintrin.h>
#include <string.h>

__attribute__((target("sse4.2,crc32"))) static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *bytes,
                                                                           uint64_t count) {
    uint64_t wide = crc;
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    for (; count; bytes++, count--) crc = _mm_crc32_u8(crc, *bytes);
    return crc;
}

static int has_instruction(void) { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#include <string.h>

static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *bytes, uint64_t count) {
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = __crc32cd(crc, word);
    }
    for (; count; bytes++, count--) crc = __crc32cb(crc, *bytes);
    return crc;
}

static int has_instruction(void) { return 1; }
#else
static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *bytes, uint64_t count) {
    return crc_by_table(crc, bytes, count);
}

static int has_instruction(void) { return 0; }
#endif

uint32_t snapup_crc32c(const uint8_t *bytes, uint64_t count) {
    return ~(has_instruction() ? crc_by_instruction(~0u, bytes, count) : crc_by_table(~0u, bytes, count));
}

/* -- records -------------------------------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *at, *end;
};

/* A signed zigzag number of at most nine bytes: longer ones say nothing that a good batch says. */
static int read_varint(struct reader *reader, int64_t *number) {
    uint64_t raw = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
        if (reader->at == reader->end) return 0;
        uint8_t byte = *reader->at++;
        raw |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *number = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
            return 1;
        }
    }
    return 0;
}

/* Bytes behind their length; none is not mine. */
static int read_bytes(struct reader *reader, int64_t most, const uint8_t **bytes, uint32_t *count) {
    int64_t length;
    if (!read_varint(reader, &length) || length < 0 || length > most || length > UINT32_MAX || length > reader->end - reader->at) return 0;
    *bytes = reader->at;
    *count = (uint32_t)length;
    reader->at += length;
    return 1;
}

int32_t snapup_index(const uint8_t *bytes, uint64_t count, const struct batch *batch, struct row *rows) {
    /* The bounds keep every sum below from overflowing. */
    const int64_t far = INT64_C(1) << 61;
    if (count > UINT32_MAX || batch->count < 0 || batch->count > RECORDS_MAX) return -1;
    if (batch->first_offset < 0 || batch->first_offset > far || batch->first_ms < 0 || batch->first_ms > far) return -1;
    struct reader reader = {bytes, bytes + count};
    int64_t least_offset = batch->first_offset;
    for (int64_t place = 0; place < batch->count; place++) {
        int64_t length, time_delta, offset_delta, headers;
        if (!read_varint(&reader, &length) || length < 1 || length > reader.end - reader.at) return -1;
        struct reader body = {reader.at + 1, reader.at + length}; /* one byte of attributes, which mean nothing */
        reader.at = body.end;
        const uint8_t *key, *value;
        struct row *row = &rows[place];
        if (!read_varint(&body, &time_delta) || time_delta < -far || time_delta > far) return -1;
        if (!read_varint(&body, &offset_delta) || offset_delta < 0 || offset_delta > far) return -1;
        if (!read_bytes(&body, batch->key_most_bytes, &key, &row->key_bytes)) return -1;
        if (!read_bytes(&body, batch->value_most_bytes, &value, &row->value_bytes)) return -1;
        if (!read_varint(&body, &headers) || headers != 0 || body.at != body.end) return -1;
        row->offset = batch->first_offset + offset_delta;
        if (row->offset < least_offset || row->offset > batch->last_offset) return -1;
        least_offset = row->offset + 1;
        row->timestamp_ms = batch->stamp_ms < 0 ? batch->first_ms + time_delta : batch->stamp_ms;
        if (row->timestamp_ms < 0 || row->timestamp_ms > batch->last_moment_ms) return -1;
        row->key_at = (uint32_t)(key - bytes);
        row->value_at = (uint32_t)(value - bytes);
        row->stamped = batch->stamp_ms >= 0;
        row->unused = 0;
    }
    return reader.at == reader.end ? (int32_t)batch->count : -1;
}

void snapup_move(struct row *rows, uint32_t count, uint32_t by) {
    for (uint32_t place = 0; place < count; place++) {
        rows[place].key_at += by;
        rows[place].value_at += by;
    }
}
