/* A coverage-guided fuzzer of the native kernel, in one file: no clang, no libFuzzer.
 *
 * usage: fuzz SECONDS SEED FORMS CORPUS_FILE…
 *
 * The kernel is compiled with -fsanitize-coverage=trace-pc and the sanitizers; each branch that is new makes its input
 * part of the corpus in memory. An input is a choice of form, a head of a batch, and bytes: they are indexed as a batch,
 * scanned where the index says that records are, and scanned as one value too. A finding ends the process: the
 * sanitizer says where, and the input lies in fuzz-input.
 */
#include "../../stream/kernel/src/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EDGES = 1 << 13, CORPUS_MAX = 4096, INPUT_MAX = 4096, ROWS_MAX = 64 };

static uint8_t seen[EDGES], hit[EDGES];
static uint64_t state;

__attribute__((no_sanitize("address", "undefined"))) void __sanitizer_cov_trace_pc(void) {
    hit[((uintptr_t)__builtin_return_address(0) >> 1) % EDGES] = 1;
}

static uint64_t drawn(uint64_t below) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % below;
}

struct input {
    uint32_t bytes;
    uint8_t content[INPUT_MAX];
};

static struct input *corpus[CORPUS_MAX];
static uint32_t inputs;
static struct form *forms;
static uint32_t form_count;

static void scan(const uint8_t *text, uint32_t bytes, const struct row *rows, uint32_t count, const struct form *form) {
    static const uint64_t seed[2] = {1, 2};
    struct columns out = {0};
    out.parts = malloc(count * sizeof *out.parts);
    out.event_time_ms = malloc(count * 8), out.at_ms = malloc(count * 8);
    out.places = malloc(count * 4), out.kinds = malloc(count);
    out.odd_most = count / 2, out.odd = malloc(out.odd_most * 4);
    for (int column = 0; column < NUMBER_COLUMNS_MAX; column++) out.numbers[column] = malloc(count * 8);
    for (int column = 0; column < ID_COLUMNS_MAX; column++) out.ids[column] = malloc(count * 65);
    snapup_scan(text, bytes, rows, count, form, seed, &out);
    free(out.parts), free(out.event_time_ms), free(out.at_ms), free(out.places), free(out.kinds), free(out.odd);
    for (int column = 0; column < NUMBER_COLUMNS_MAX; column++) free(out.numbers[column]);
    for (int column = 0; column < ID_COLUMNS_MAX; column++) free(out.ids[column]);
}

/* The first byte chooses the form, the second how many records are claimed. */
static void run(const struct input *input) {
    if (input->bytes < 2) return;
    const struct form *form = &forms[input->content[0] % form_count];
    uint32_t bytes = input->bytes - 2;
    uint8_t *text = malloc(bytes ? bytes : 1); /* of its own size, so that one byte too far is found */
    memcpy(text, input->content + 2, bytes);
    struct batch batch = {.first_offset = 5, .last_offset = 100, .first_ms = 1000, .stamp_ms = (input->content[1] & 64) ? 7 : -1,
                          .count = input->content[1] % ROWS_MAX, .last_moment_ms = INT64_C(253402300799999),
                          .key_most_bytes = 16384, .value_most_bytes = 1000000};
    struct row *rows = malloc(ROWS_MAX * sizeof *rows);
    int32_t found = snapup_index(text, bytes, &batch, rows);
    if (found > 0) scan(text, bytes, rows, (uint32_t)found, form);
    /* A value whose key stands before its first line break. */
    const uint8_t *end = memchr(text, '\n', bytes);
    uint32_t key = end ? (uint32_t)(end - text) : 0, at = end ? key + 1 : 0;
    rows[0] = (struct row){.offset = 0, .timestamp_ms = INT64_C(1507636800123), .key_at = 0, .key_bytes = key,
                           .value_at = at, .value_bytes = bytes - at};
    rows[1] = rows[0];
    scan(text, bytes, rows, 2, form);
    snapup_crc32c(text, bytes);
    free(rows), free(text);
}

static struct input present;

void __sanitizer_set_death_callback(void (*callback)(void));

/* Called by the sanitizer that found something. */
static void save(void) {
    FILE *file = fopen("fuzz-input", "wb");
    if (file) fwrite(present.content, 1, present.bytes, file), fclose(file);
}

static void change(struct input *input) {
    static const char *const words[] = {"\"", "\\u", "\\ud83d\\ude00", "null", "\"type\":", "{", "}", ",", "[", "\xf0\x9f\x98\x80",
                                        "999999999999999999", "\\", ":", "-", "e", "\xed\xa0\x80", "\n", "\"count\":1"};
    for (uint64_t times = 1 + drawn(4); times; times--) {
        uint32_t at = (uint32_t)drawn(input->bytes + 1);
        switch (drawn(5)) {
            case 0: if (at < input->bytes) input->content[at] ^= (uint8_t)(1 << drawn(8)); break;
            case 1: if (at < input->bytes) input->content[at] = (uint8_t)drawn(256); break;
            case 2: { /* cut some out */
                uint32_t cut = (uint32_t)drawn(16);
                if (at + cut <= input->bytes) memmove(input->content + at, input->content + at + cut, input->bytes - at - cut), input->bytes -= cut;
                break;
            }
            default: { /* put a word, or a piece of another input, in */
                const struct input *other = corpus[drawn(inputs)];
                const char *word = words[drawn(sizeof words / sizeof *words)];
                uint32_t from = (uint32_t)drawn(other->bytes + 1), more = (uint32_t)strlen(word);
                const uint8_t *source = (const uint8_t *)word;
                if (drawn(2)) source = other->content + from, more = (uint32_t)drawn(other->bytes - from + 1);
                if (input->bytes + more > INPUT_MAX) break;
                uint8_t *copy = malloc(more + 1);
                memcpy(copy, source, more);
                memmove(input->content + at + more, input->content + at, input->bytes - at);
                memcpy(input->content + at, copy, more), input->bytes += more;
                free(copy);
            }
        }
    }
}

static int is_new(void) {
    int found = 0;
    for (uint32_t edge = 0; edge < EDGES; edge++)
        if (hit[edge] && !seen[edge]) seen[edge] = 1, found = 1;
    memset(hit, 0, sizeof hit);
    return found;
}

static void keep(const struct input *input) {
    if (inputs == CORPUS_MAX) return;
    corpus[inputs] = malloc(sizeof *input);
    *corpus[inputs++] = *input;
}

static uint32_t whole(const char *path, uint8_t *to, uint32_t most) {
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    uint32_t bytes = (uint32_t)fread(to, 1, most, file);
    fclose(file);
    return bytes;
}

int main(int count, char **flags) {
    if (count < 5) return 2;
    double seconds = atof(flags[1]);
    __sanitizer_set_death_callback(save);
    state = strtoull(flags[2], NULL, 10) * 2 + 1;
    forms = malloc(16 * sizeof *forms);
    form_count = whole(flags[3], (uint8_t *)forms, 16 * sizeof *forms) / sizeof *forms;
    if (!form_count) return 2;
    for (int at = 4; at < count; at++) {
        struct input input = {0};
        input.bytes = whole(flags[at], input.content, INPUT_MAX);
        run(&input);
        is_new();
        keep(&input);
    }
    uint64_t runs = 0;
    time_t begun = time(NULL);
    while (difftime(time(NULL), begun) < seconds) {
        for (int more = 0; more < 256; more++, runs++) {
            present = *corpus[drawn(inputs)];
            change(&present);
            run(&present);
            if (is_new()) keep(&present);
        }
    }
    uint32_t edges = 0;
    for (uint32_t edge = 0; edge < EDGES; edge++) edges += seen[edge];
    printf("%llu inputs, %u of them kept, %u edges, nothing found\n", (unsigned long long)runs, inputs, edges);
    return 0;
}
