/*
 * What the transport's account and the producer table cost on the hot path: ns per fragment through
 * dp_assembly_add in order, through a stream, and ns per chunk through the table (check, apply,
 * commit, reply), for one session and for many. Prints the best of several rounds. Judges nothing.
 */
#include "consensus/base/prng.h"
#include "dataplane/node/sessions.h"
#include "dataplane/transport/assembly.h"
#include "dataplane/transport/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 7
#define FRAGMENTS_PER_ENTRY 180
#define FRAGMENT_BYTES 1400u
#define ENTRIES 2000
#define ENTRY_BYTES (FRAGMENTS_PER_ENTRY * FRAGMENT_BYTES)
#define CHUNKS 400000
#define SESSIONS_MAX 4096

static uint64_t sink;

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct qr_arena arena_of(size_t size_bytes)
{
	struct qr_arena arena;
	void *memory = aligned_alloc(64, (size_bytes + 63) / 64 * 64);

	if (memory == NULL)
		abort();
	qr_arena_init(&arena, memory, (size_bytes + 63) / 64 * 64);
	return arena;
}

static uint64_t assembly_round(struct dp_assembly *assembly)
{
	struct wire_fragment fragment = {
		.term = 1,
		.entry_term = 1,
		.prev_term = 1,
		.entry_bytes = ENTRY_BYTES,
		.bulk = {NULL, FRAGMENT_BYTES},
	};
	uint64_t start = now_ns();

	dp_assembly_reset(assembly, 1, 1);
	for (fragment.index = 1; fragment.index <= ENTRIES; fragment.index++) {
		struct dp_assembled entry;

		for (fragment.offset = 0; fragment.offset < ENTRY_BYTES;
		     fragment.offset += FRAGMENT_BYTES)
			sink += dp_assembly_add(assembly, &fragment);
		if (dp_assembly_head(assembly, &entry) != QR_OK)
			abort();
		dp_assembly_pop(assembly);
	}
	return now_ns() - start;
}

static uint64_t stream_round(struct dp_stream *stream)
{
	uint64_t start = now_ns();
	struct dp_stream_want want;

	dp_stream_start(stream, 0, UINT64_MAX, 1);
	for (qr_index index = 1; index <= ENTRIES; index++) {
		struct wire_ack ack = {.received = index, .credit = UINT64_MAX, .echo_ns = index};

		dp_stream_extend(stream, index);
		while (dp_stream_next(stream, index, &want) == QR_OK)
			dp_stream_sent(stream, &want, FRAGMENT_BYTES, ENTRY_BYTES, index);
		dp_stream_ack(stream, &ack, 1, index + 1);
	}
	sink += stream->retransmits;
	return now_ns() - start;
}

/** Batches of 64 chunks over `count` sessions: checked and applied, then committed and answered. */
static uint64_t sessions_round(struct dp_sessions *table, uint64_t count)
{
	static uint64_t next[SESSIONS_MAX];
	struct store_chunk batch[64];
	struct wire_chunk_reply reply;
	struct wire_answer answer;
	struct dp_address to = {.ipv4 = 1};
	uint64_t start;

	if (count == 0)
		abort();
	dp_sessions_clear(table);
	for (uint64_t s = 0; s < count; s++) {
		struct store_session_change change = {
			.op = STORE_SESSION_OPEN, .session = (s + 1) << 8, .nonce = {s, s}};

		if (!dp_sessions_apply_change(table, (struct dp_session_entry){s + 1, s}, &change))
			abort();
		next[s] = 0;
	}
	start = now_ns();
	for (uint64_t chunk = 0; chunk < CHUNKS; chunk += 64) {
		for (uint64_t i = 0; i < 64; i++) {
			uint64_t s = (chunk + i) * 2654435761u % count;
			uint32_t slot = dp_sessions_find(table, (s + 1) << 8);

			batch[i] = (struct store_chunk){
				.session = (s + 1) << 8, .sequence = next[s], .count = 20};
			next[s] += 20;
			if (dp_sessions_check(table, slot, batch[i].sequence, 20, &answer) !=
			    DP_SESSION_APPEND)
				abort();
			dp_sessions_set_address(table, slot, to);
			if (!dp_sessions_apply_chunk(
				    table, (struct dp_session_entry){5000 + chunk, 4999 + chunk},
				    &batch[i], chunk + i))
				abort();
		}
		for (uint64_t i = 0; i < 64; i++)
			dp_sessions_commit_chunk(table, &batch[i], chunk + i);
		while (dp_sessions_next_reply(table, WIRE_ANSWERS_MAX, &reply, &to))
			sink += reply.answer_count;
	}
	return now_ns() - start;
}

static void print_best(const char *what, const uint64_t *times, uint64_t operations)
{
	uint64_t best = UINT64_MAX;

	for (unsigned round = 0; round < ROUNDS; round++)
		best = times[round] < best ? times[round] : best;
	(void)printf("%-44s %8.1f ns\n", what, (double)best / (double)operations);
}

int main(void)
{
	static const uint64_t counts[] = {1, 16, 256, SESSIONS_MAX};
	struct qr_arena measure = {0};
	struct qr_arena arena;
	struct dp_assembly *assembly;
	struct dp_sessions *table;
	struct dp_stream stream;
	uint64_t times[ROUNDS];
	size_t assembly_bytes;
	size_t sessions_bytes;

	(void)dp_assembly_create(&measure);
	assembly_bytes = measure.used_bytes;
	(void)dp_sessions_create(&measure, SESSIONS_MAX);
	sessions_bytes = measure.used_bytes - assembly_bytes;
	arena = arena_of(measure.used_bytes);
	assembly = dp_assembly_create(&arena);
	table = dp_sessions_create(&arena, SESSIONS_MAX);
	dp_stream_init(&stream, 100000);

	(void)printf("%-44s %8zu bytes\n", "assembly", assembly_bytes);
	(void)printf("%-44s %8zu bytes\n", "producer table, a session",
		     sessions_bytes / SESSIONS_MAX);
	for (unsigned round = 0; round < ROUNDS; round++)
		times[round] = assembly_round(assembly);
	print_best("assembly: a fragment in order", times, (uint64_t)ENTRIES * FRAGMENTS_PER_ENTRY);
	for (unsigned round = 0; round < ROUNDS; round++)
		times[round] = stream_round(&stream);
	print_best("stream: a fragment (next, sent)", times,
		   (uint64_t)ENTRIES * FRAGMENTS_PER_ENTRY);
	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		char what[64];

		for (unsigned round = 0; round < ROUNDS; round++)
			times[round] = sessions_round(table, counts[c]);
		(void)snprintf(what, sizeof(what), "sessions: a chunk, %lu sessions",
			       (unsigned long)counts[c]);
		print_best(what, times, CHUNKS);
	}
	free(arena.base);
	return sink == 0;
}
