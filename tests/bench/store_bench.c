/*
 * What the storage path costs.
 *
 *   --cpu     ns of processor time per entry in the pure engine, over a disk that is never slow
 *   --disk    p50 and p99 of durable 4 KiB entries, one at a time, and MiB/s of 1 MiB writes at
 * depth 4 and 8, through engine and ring, with a poll loop that yields
 *   --prepare MiB/s of preparing segments
 *
 * Usage: store_bench [--dir DIR] [--seconds S]. Figures depend on what else uses the machine.
 */
#include "consensus/base/assert.h"
#include "consensus/base/histogram.h"
#include "tests/unit/storage/io/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000u
#define MIB ((size_t)1 << 20)
#define BANDWIDTH_BLOCKS ((qr_block)14 * 16384) /* fourteen segments */

static char path[PATH_MAX];
static double seconds = 2;

static qr_ns now(clockid_t clock)
{
	struct timespec time;

	(void)clock_gettime(clock, &time);
	return (qr_ns)time.tv_sec * NS_PER_S + (qr_ns)time.tv_nsec;
}

static struct store_log_parameters parameters(uint32_t depth)
{
	return (struct store_log_parameters){
		.cluster = FILES_CLUSTER,
		.node = FILES_NODE,
		.group = FILES_GROUP,
		.geometry = {.segment_blocks = 16384, .stride_blocks = 512},
		.configuration = {.voters = 0xe},
		.window_blocks = 4096,
		.write_depth = depth,
		.write_max_blocks = 256,
		.segments_ahead = 2,
		.checkpoints_max = 4096,
	};
}

/* ---- the pure engine ---- */

/** Complete at once what the log asks for. */
static void serve(struct store_log *log)
{
	static uint8_t slots[STORE_SLOTS * STORE_SLOT_BYTES];
	struct store_op ops[32];
	unsigned count;

	while ((count = store_log_poll(log, ops, 32)) > 0) {
		for (unsigned i = 0; i < count; i++) {
			struct store_completion completion = {
				.kind = ops[i].kind, .group = ops[i].group, .tag = ops[i].tag};

			if (ops[i].kind == STORE_OP_READ_SLOTS)
				memcpy(ops[i].data, slots, sizeof(slots));
			store_log_complete(log, &completion, 0);
		}
	}
}

static struct store_log *open_pure(uint8_t **ret_memory)
{
	const struct store_log_parameters wanted = parameters(8);
	struct store_recovered_entry entry;
	struct qr_arena arena;
	struct store_log *log;

	qr_arena_init(&arena, NULL, 0);
	(void)store_log_create(&arena, &wanted);
	*ret_memory = aligned_alloc(2 * MIB, (arena.used_bytes / (2 * MIB) + 1) * (2 * MIB));
	QR_ASSERT(*ret_memory != NULL);
	qr_arena_init(&arena, *ret_memory, (arena.used_bytes / (2 * MIB) + 1) * (2 * MIB));
	log = store_log_create(&arena, &wanted);
	store_recover_begin(log, (struct store_extent){0}, NULL);
	while (store_recover_next(log, &entry) == QR_AGAIN)
		serve(log);
	serve(log);
	return log;
}

static void append_pure(struct store_log *log, uint32_t payload_bytes, bool fill)
{
	qr_index last;
	uint8_t *at;

	while (store_entry_open(log, 1, RAFT_ENTRY_DATA, payload_bytes) != QR_OK) {
		serve(log);
		store_release(log, store_log_durable(log).index);
	}
	at = store_entry_take(log, payload_bytes);
	if (fill)
		memset(at, 7, payload_bytes);
	(void)store_entry_close(log, 1, 0, 0);
	last = store_log_last(log);
	store_write(log, last, last, 1);
}

static void bench_cpu(uint32_t payload_bytes)
{
	uint8_t *memory;
	struct store_log *log = open_pure(&memory);
	const unsigned entries = payload_bytes < 10000 ? 1000000 : 20000;
	qr_ns start = now(CLOCK_PROCESS_CPUTIME_ID);
	qr_ns spent;

	for (unsigned i = 0; i < entries; i++) {
		append_pure(log, payload_bytes, false);
		if (i % 4 == 3) {
			serve(log);
			store_release(log, store_log_durable(log).index);
		}
	}
	spent = now(CLOCK_PROCESS_CPUTIME_ID) - start;
	(void)printf("engine   %7u B payload   %8.0f ns per entry   %6.2f GiB/s\n", payload_bytes,
		     (double)spent / entries,
		     (double)payload_bytes * entries / (double)spent * 1e9 / (1024.0 * MIB));
	free(memory);
}

/* ---- with real files ---- */

static void open_real(struct files_log *files, uint32_t depth, uint32_t ahead)
{
	struct store_log_parameters wanted = parameters(depth);
	struct store_problem problem;
	qr_ns start = now(CLOCK_MONOTONIC);
	enum qr_error error;

	wanted.segments_ahead = ahead;
	files_make(path);
	error = files_open(files, path, &wanted, &problem);
	if (error != QR_OK) {
		(void)fprintf(stderr, "%s\n", problem.text);
		exit(1); /* NOLINT(concurrency-mt-unsafe): there is one thread */
	}
	while (store_log_ready_segments(files->log) < ahead)
		files_turn(files);
	files_drain(files);
	(void)printf(
		"prepare  %7u MiB           %8.0f MiB/s   (registered buffers %s, O_DIRECT %s)\n",
		(ahead + 1) * 64, (ahead + 1) * 64.0 * 1e9 / (double)(now(CLOCK_MONOTONIC) - start),
		store_io_features(files->io).registered_buffers ? "yes" : "no",
		files->directory.direct ? "yes" : "no");
}

static void bench_latency(void)
{
	static struct qr_histogram histogram;
	struct files_log files;
	qr_ns end;

	open_real(&files, 1, 2);
	end = now(CLOCK_MONOTONIC) + (qr_ns)(seconds * NS_PER_S);
	while (now(CLOCK_MONOTONIC) < end && store_log_ready_segments(files.log) > 0) {
		qr_ns start = now(CLOCK_MONOTONIC);
		qr_index last;

		if (files_append(&files, 64, 1) != QR_OK) {
			files_turn(&files);
			continue;
		}
		last = store_log_last(files.log);
		while (store_log_durable(files.log).index < last)
			files_turn(&files);
		qr_histogram_record(&histogram, now(CLOCK_MONOTONIC) - start);
		store_release(files.log, last);
	}
	(void)printf("latency  4 KiB, depth 1   p50 %6.1f us   p99 %6.1f us   %8.0f per second\n",
		     (double)qr_histogram_quantile(&histogram, 0.5) / 1e3,
		     (double)qr_histogram_quantile(&histogram, 0.99) / 1e3,
		     (double)histogram.count / seconds);
	files_close(&files);
	files_remove(path);
}

static void bench_bandwidth(uint32_t depth, uint32_t payload_bytes)
{
	struct files_log files;
	qr_ns start;
	double spent;
	double bytes;

	open_real(&files, depth, 16);
	start = now(CLOCK_MONOTONIC);
	while (store_log_tail(files.log) < BANDWIDTH_BLOCKS) {
		while (files_append(&files, payload_bytes, 1) == QR_OK)
			;
		files_turn(&files);
		store_release(files.log, store_log_durable(files.log).index);
	}
	while (store_log_durable(files.log).index < store_log_last(files.log))
		files_turn(&files);
	spent = (double)(now(CLOCK_MONOTONIC) - start) / 1e9;
	bytes = (double)store_log_tail(files.log) * QR_BLOCK_BYTES;
	(void)printf("writes   %7u B entries, depth %u   %6.0f MiB/s   %.1f entries a write\n",
		     payload_bytes, depth, bytes / MIB / spent,
		     (double)store_log_counters(files.log).write_entries /
			     (double)store_log_counters(files.log).writes);
	files_close(&files);
	files_remove(path);
}

int main(int argc, char **argv)
{
	bool cpu = argc < 2;
	bool disk = argc < 2;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--cpu") == 0) {
			cpu = true;
		} else if (strcmp(argv[i], "--disk") == 0) {
			disk = true;
		} else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
			seconds = strtod(argv[++i], NULL);
		} else {
			return 2;
		}
	}
	if (cpu) {
		bench_cpu(64);
		bench_cpu(3900);
		bench_cpu(262000);
	}
	if (disk) {
		bench_latency();
		bench_bandwidth(4, (1u << 20) - 256);
		bench_bandwidth(8, (1u << 20) - 256);
		bench_bandwidth(8, 3900);
	}
	return 0;
}
