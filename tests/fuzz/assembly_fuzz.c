/*
 * Fragments with arbitrary fields, against an account of every single byte. The input is a sequence
 * of 8-byte steps: kind, entry, offset, size, variations of the rest, whether to look at
 * the report.
 *
 * The model is a map of bytes per entry, with the same bound on islands: what the assembly answers
 * and what it reports as missing must be exactly what the maps say.
 */
#include "consensus/base/assert.h"
#include "dataplane/transport/assembly.h"
#include "tests/fuzz/fuzz.h"

#define TERM 3
#define ENTRIES 24 /* beyond `next` that the model knows; others must be refused or ignored */
#define ENTRY_BYTES 256u
#define STEP_BYTES 8

struct model {
	qr_index next;
	bool there[ENTRIES][ENTRY_BYTES];
};

static _Alignas(64) uint8_t memory[1 << 17];
static struct dp_assembly *assembly;
static struct model model;

FUZZ_UNSEEN_BEGIN

static bool all(const bool *there, uint32_t from, uint32_t until)
{
	for (uint32_t i = from; i < until; i++) {
		if (!there[i])
			return false;
	}
	return true;
}

/** The first byte from `at` on that is there or not, as asked. */
static uint32_t find(const bool *there, uint32_t at, bool wanted)
{
	while (at < ENTRY_BYTES && there[at] != wanted)
		at++;
	return at;
}

/** @return where the last island begins; how many there are. */
static uint32_t count_islands(const bool *there, uint32_t *ret_last)
{
	uint32_t count = 0;
	uint32_t at = find(there, find(there, 0, false), true);

	while (at < ENTRY_BYTES) {
		count++;
		*ret_last = at;
		at = find(there, find(there, at, false), true);
	}
	return count;
}

/** What adding these bytes must answer; the map follows. */
static enum qr_error model_add(bool *there, uint32_t from, uint32_t until)
{
	uint32_t last = 0;

	if (until > ENTRY_BYTES)
		return QR_MALFORMED;
	if (all(there, from, until))
		return QR_STALE;
	memset(there + from, 1, (until - from) * sizeof(bool));
	if (count_islands(there, &last) <= DP_ASSEMBLY_ISLANDS)
		return QR_OK;
	memset(there + last, 0, (find(there, last, false) - last) * sizeof(bool));
	return last == from ? QR_BUSY : QR_OK;
}

static void expect_missing(const struct wire_ack *ack, uint32_t *count, struct wire_missing missing)
{
	if (*count == WIRE_MISSING_MAX)
		return;
	QR_ASSERT(*count < ack->missing_count);
	QR_ASSERT(ack->missing[*count].index == missing.index);
	QR_ASSERT(ack->missing[*count].from == missing.from);
	QR_ASSERT(ack->missing[*count].until == missing.until);
	(*count)++;
}

static void check_report(void)
{
	struct wire_ack ack = {0};
	uint32_t count = 0;
	uint32_t high = ENTRIES;
	uint32_t prefix = find(model.there[0], 0, false);

	dp_assembly_report(assembly, &ack);
	QR_ASSERT(ack.received == model.next - 1);
	QR_ASSERT(ack.received_bytes == (prefix == ENTRY_BYTES ? prefix - 1 : prefix));
	while (high > 0 && find(model.there[high - 1], 0, true) == ENTRY_BYTES)
		high--;
	for (uint32_t e = 0; e < high; e++) {
		const bool *there = model.there[e];
		uint32_t from = find(there, 0, false);

		while (from < ENTRY_BYTES) {
			uint32_t until = find(there, from, true);

			if (until < ENTRY_BYTES) {
				expect_missing(&ack, &count,
					       (struct wire_missing){model.next + e, from, until});
			} else if (e + 1 < high) {
				expect_missing(&ack, &count,
					       (struct wire_missing){model.next + e, from, 0});
			}
			from = find(there, until, false);
		}
	}
	QR_ASSERT(ack.missing_count == count);
	QR_ASSERT((count != 0) == dp_assembly_has_hole(assembly));
}

FUZZ_UNSEEN_END

static void pop_entries(bool spoil)
{
	struct dp_assembled entry;

	while (dp_assembly_head(assembly, &entry) == QR_OK) {
		QR_ASSERT(entry.index == model.next && entry.entry_bytes == ENTRY_BYTES);
		QR_ASSERT(all(model.there[0], 0, ENTRY_BYTES));
		if (spoil) {
			dp_assembly_spoil(assembly);
			memset(model.there[0], 0, sizeof(model.there[0]));
			return;
		}
		dp_assembly_pop(assembly);
		model.next++;
		memmove(model.there, model.there + 1, sizeof(model.there) - sizeof(model.there[0]));
		memset(model.there[ENTRIES - 1], 0, sizeof(model.there[0]));
	}
	QR_ASSERT(!all(model.there[0], 0, ENTRY_BYTES));
}

static void add_plain(const uint8_t *step)
{
	struct wire_fragment fragment = {
		.term = TERM,
		.index = model.next + step[1] % ENTRIES,
		.entry_term = TERM,
		.prev_term = TERM,
		.block = 1,
		.entry_bytes = ENTRY_BYTES,
		.offset = step[2],
		.bulk = {NULL, step[3] + 1u},
	};
	bool *there = model.there[step[1] % ENTRIES];
	enum qr_error expected = model_add(there, fragment.offset, fragment.offset + step[3] + 1u);

	QR_ASSERT(dp_assembly_add(assembly, &fragment) == expected);
}

/** Nothing that any of these says may change what is known. */
static void add_wild(const uint8_t *step)
{
	struct wire_fragment fragment = {
		.term = TERM,
		.index = model.next + step[1] % ENTRIES,
		.entry_term = TERM,
		.prev_term = TERM,
		.block = 1,
		.entry_bytes = ENTRY_BYTES,
		.offset = step[2],
		.bulk = {NULL, step[3] % 8 + 1u},
	};
	uint64_t wild = (uint64_t)1 << step[5] % 64;

	switch (step[4] % 7) {
	case 0:
		fragment.term += wild;
		break;
	case 1:
		fragment.index = model.next + DP_ASSEMBLY_ENTRIES + wild - 1;
		break;
	case 2:
		fragment.entry_term += wild;
		break;
	case 3:
		fragment.prev_term = TERM + wild;
		break;
	case 4:
		fragment.entry_bytes = fragment.offset + step[3] % 8; /* one byte short */
		break;
	case 5:
		fragment.offset = UINT32_MAX - step[3] % 8;
		break;
	default:
		fragment.bulk.size_bytes = SIZE_MAX - step[2] + step[3];
		if (fragment.bulk.size_bytes <= ENTRY_BYTES)
			return;
	}
	QR_ASSERT(dp_assembly_add(assembly, &fragment) != QR_OK);
}

static void reset(qr_index next)
{
	memset(&model, 0, sizeof(model));
	model.next = next;
	dp_assembly_reset(assembly, TERM, next);
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	if (assembly == NULL) {
		struct qr_arena arena;

		qr_arena_init(&arena, memory, sizeof(memory));
		assembly = dp_assembly_create(&arena);
	}
	reset(1);
	for (; size_bytes >= STEP_BYTES; data += STEP_BYTES, size_bytes -= STEP_BYTES) {
		if (data[0] < 200) {
			add_plain(data);
		} else if (data[0] < 230) {
			add_wild(data);
		} else if (data[0] < 254) {
			pop_entries(data[0] < 235);
		} else {
			reset(1 + (qr_index)data[1] * DP_ASSEMBLY_ENTRIES / 2);
		}
		if (data[6] % 16 == 1)
			check_report();
	}
	check_report();
	return 0;
}
