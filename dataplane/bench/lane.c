/*
 * One producer of the load. Sequences are appended in order and completed in order, so the times of
 * unanswered records are a queue: in the open loop the schedule itself, in the closed loop a ring
 * of bursts. When that ring is full, later records are charged to the newest burst in it: latency
 * may then be reported too high, never too low.
 */
#include "dataplane/bench/lane.h"

#include "consensus/base/assert.h"
#include "dataplane/bench/content.h"
#include "dataplane/lcore/host.h"

#include <stdlib.h>

#define LEDGER_RUNS ((size_t)1 << 26) /* of all lanes together; reserved, touched as needed */
#define LEDGER_RUNS_MIN ((size_t)1 << 18)
#define GENERATE_MAX 4096u /* in one turn: receiving must not starve */

_Static_assert((DP_BENCH_BURSTS & (DP_BENCH_BURSTS - 1)) == 0, "the ring wraps by a mask");

static void add(uint64_t *counter, uint64_t amount)
{
	__atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

enum qr_error dp_bench_lane_init(struct dp_bench_lane *lane,
				 const struct dp_bench_lane_config *config)
{
	const struct dp_bench_options *options = config->options;
	size_t runs = LEDGER_RUNS / config->lane_count;

	*lane = (struct dp_bench_lane){
		.times = config->times,
		.tally = config->tally,
		.record_bytes = options->record_bytes,
		.token = dp_bench_token(config->run, config->number),
		.mode = options->mode,
		.record = malloc(options->record_bytes),
		.bursts = malloc(DP_BENCH_BURSTS * sizeof(struct dp_bench_burst)),
	};
	if (lane->record == NULL || lane->bursts == NULL)
		return QR_NO_MEMORY;
	dp_bench_content_fill(lane->token, lane->record, lane->record_bytes);
	return dp_bench_ledger_init(&lane->ledger, runs > LEDGER_RUNS_MIN ? runs : LEDGER_RUNS_MIN);
}

void dp_bench_lane_fini(struct dp_bench_lane *lane)
{
	free(lane->record);
	free(lane->bursts);
	dp_bench_ledger_fini(&lane->ledger);
}

void dp_bench_lane_start(struct dp_bench_lane *lane, const struct dp_bench_lane_config *config)
{
	const struct dp_bench_options *options = config->options;
	uint32_t lanes = config->lane_count;
	double apart; /* lanes of an open loop take turns */

	if (lane->mode == DP_BENCH_CLOSED) {
		lane->target = options->inflight / lanes;
		lane->target += config->number < options->inflight % lanes;
		return;
	}
	apart = 1e9 / options->rate * config->number;
	dp_bench_schedule_init(&lane->schedule, config->times->start + (qr_ns)apart,
			       options->rate / lanes);
}

/** Open loop: records that are due by now; none is after the end. */
static uint64_t due(const struct dp_bench_lane *lane, qr_ns now)
{
	qr_ns last = lane->times->end - 1;

	return dp_bench_schedule_due(&lane->schedule, now < last ? now : last);
}

/** Records that may be appended now. */
static uint64_t wanted(const struct dp_bench_lane *lane, qr_ns now)
{
	uint64_t until;

	if (lane->mode == DP_BENCH_OPEN) {
		until = due(lane, now);
	} else {
		until = lane->answered + lane->target;
	}
	return until > lane->appended ? until - lane->appended : 0;
}

static void remember(struct dp_bench_lane *lane, qr_ns now)
{
	const uint32_t mask = DP_BENCH_BURSTS - 1;

	if (lane->burst_tail - lane->burst_head == DP_BENCH_BURSTS) {
		lane->bursts[(lane->burst_tail - 1) & mask].end = lane->appended;
		return;
	}
	lane->bursts[lane->burst_tail++ & mask] = (struct dp_bench_burst){lane->appended, now};
}

bool dp_bench_lane_generate(struct dp_bench_lane *lane, qr_ns now)
{
	uint64_t count = wanted(lane, now);
	uint64_t before = lane->appended;
	enum qr_error error = QR_OK;

	if (count > GENERATE_MAX)
		count = GENERATE_MAX;
	for (; count > 0 && error == QR_OK; count--) {
		uint64_t sequence;

		dp_bench_content_stamp(lane->record, lane->appended);
		error = dp_producer_append(lane->producer, lane->record, lane->record_bytes,
					   &sequence);
		if (error != QR_OK)
			break; /* QR_AGAIN: the window is full; others come through on_done */
		QR_ASSERT(sequence == lane->appended);
		lane->appended++;
	}
	if (lane->appended == before)
		return false;
	if (lane->mode == DP_BENCH_CLOSED)
		remember(lane, now);
	return true;
}

uint64_t dp_bench_lane_unsent(const struct dp_bench_lane *lane)
{
	return lane->mode == DP_BENCH_OPEN ? due(lane, lane->times->end) - lane->appended : 0;
}

qr_ns dp_bench_lane_next_due(const struct dp_bench_lane *lane)
{
	if (lane->mode == DP_BENCH_CLOSED)
		return UINT64_MAX;
	return dp_bench_schedule_at(&lane->schedule, lane->appended);
}

static void record(struct dp_bench_lane *lane, qr_ns from, qr_ns now, uint64_t count)
{
	if (from >= lane->times->measure && from < lane->times->end)
		qr_histogram_record_many(&lane->tally->latency, now - from, count);
}

static void record_closed(struct dp_bench_lane *lane, uint64_t until, qr_ns now)
{
	while (lane->answered < until) {
		struct dp_bench_burst *burst =
			&lane->bursts[lane->burst_head & (DP_BENCH_BURSTS - 1)];
		uint64_t end = burst->end < until ? burst->end : until;

		QR_ASSERT(lane->burst_head != lane->burst_tail);
		record(lane, burst->at, now, end - lane->answered);
		lane->answered = end;
		if (burst->end == end)
			lane->burst_head++;
	}
}

static void record_open(struct dp_bench_lane *lane, uint64_t until, qr_ns now)
{
	for (; lane->answered < until; lane->answered++) {
		qr_ns from = dp_bench_schedule_at(&lane->schedule, lane->answered);

		record(lane, from, now, 1);
	}
}

void dp_bench_lane_done(void *context, uint64_t sequence, uint32_t count, qr_offset offset,
			enum qr_error error)
{
	struct dp_bench_lane *lane = context;
	struct dp_bench_tally *tally = lane->tally;
	qr_ns now = dp_clock_now();

	QR_ASSERT(sequence == lane->answered && sequence + count <= lane->appended);

	if (error != QR_OK) {
		if (tally->error == QR_OK)
			tally->error = error;
		lane->answered = sequence + count;
		add(&tally->errors, count);
		return;
	}
	dp_bench_ledger_add(&lane->ledger, sequence, count, offset);
	add(&tally->acked_total, count);
	if (now >= lane->times->measure && now < lane->times->end)
		add(&tally->acked, count);
	if (lane->mode == DP_BENCH_OPEN) {
		record_open(lane, sequence + count, now);
	} else {
		record_closed(lane, sequence + count, now);
	}
}
