/*
 * The check of a log against the ledgers of its streams. State: the offset expected next, and for
 * each stream the sequence expected next with the run of its ledger that this falls into or before.
 */
#include "dataplane/bench/verify.h"

#include "consensus/base/assert.h"
#include "dataplane/bench/content.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 2, 3))) static bool fault(struct dp_bench_verify *verify,
							const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	/* clang 14 misses the va_start in calls that it inlines. */
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
	(void)vsnprintf(verify->problem, sizeof(verify->problem), format, arguments);
	va_end(arguments);
	return false;
}

bool dp_bench_verify_begin(struct dp_bench_verify *verify, qr_offset start)
{
	verify->next = start;
	verify->verified = 0;
	verify->unacked = 0;
	verify->foreign = 0;
	verify->problem[0] = '\0';
	for (uint32_t i = 0; i < verify->stream_count; i++) {
		struct dp_bench_stream *stream = &verify->streams[i];
		uint64_t twice;

		QR_ASSERT(dp_bench_token_number(stream->token) == verify->first_number + i);
		stream->next = 0;
		stream->run = 0;
		if (stream->ledger->overflowed) {
			return fault(verify, "too many acks to remember: use fewer --sessions or "
					     "fewer --seconds");
		}
		if (!dp_bench_ledger_sort(stream->ledger, &twice)) {
			return fault(verify,
				     "record %" PRIu64 " of producer %" PRIu32
				     " was acknowledged twice",
				     twice, i);
		}
	}
	return true;
}

/** The stream that a record belongs to; NULL: it is of somebody else. */
static struct dp_bench_stream *find_stream(struct dp_bench_verify *verify, uint64_t token)
{
	uint32_t position = dp_bench_token_number(token) - verify->first_number;

	if (position >= verify->stream_count || verify->streams[position].token != token)
		return NULL;
	return &verify->streams[position];
}

static bool check_foreign(struct dp_bench_verify *verify, qr_offset offset)
{
	verify->foreign++;
	if (verify->shared)
		return true;
	return fault(verify, "offset %" PRIu64 " holds a record that nobody appended", offset);
}

/** Hold the record `stream->next` at `offset` against what was acknowledged. */
static bool check_placement(struct dp_bench_verify *verify, struct dp_bench_stream *stream,
			    qr_offset offset)
{
	const struct dp_bench_ledger *ledger = stream->ledger;
	const struct dp_bench_acks *run = ledger->runs + stream->run;
	uint64_t sequence = stream->next;
	qr_offset acked;

	if (stream->run == ledger->run_count || sequence < run->sequence) {
		verify->unacked++;
		return true;
	}
	acked = run->offset + (sequence - run->sequence);
	if (sequence + 1 == run->sequence + run->count)
		stream->run++;
	if (acked != offset) {
		return fault(verify,
			     "record %" PRIu64 " of producer %" PRIu32 " is at offset %" PRIu64
			     ", but was acknowledged at %" PRIu64,
			     sequence, dp_bench_token_number(stream->token), offset, acked);
	}
	verify->verified++;
	return true;
}

bool dp_bench_verify_record(struct dp_bench_verify *verify, qr_offset offset, struct qr_span record)
{
	struct dp_bench_identity identity;
	struct dp_bench_stream *stream;

	if (offset != verify->next) {
		return fault(verify, "offset %" PRIu64 " came where %" PRIu64 " was due", offset,
			     verify->next);
	}
	verify->next++;
	if (!dp_bench_content_identify(record, &identity))
		return check_foreign(verify, offset);
	stream = find_stream(verify, identity.token);
	if (stream == NULL)
		return check_foreign(verify, offset);
	if (!dp_bench_content_matches(record, stream->pattern))
		return fault(verify, "the record at offset %" PRIu64 " was changed", offset);
	if (identity.sequence != stream->next) {
		return fault(verify,
			     "record %" PRIu64 " of producer %" PRIu32 " at offset %" PRIu64
			     " came where %" PRIu64 " was due: %s",
			     identity.sequence, dp_bench_token_number(stream->token), offset,
			     stream->next,
			     identity.sequence < stream->next ? "it is there twice"
							      : "some are missing");
	}
	if (!check_placement(verify, stream, offset))
		return false;
	stream->next++;
	return true;
}

bool dp_bench_verify_end(struct dp_bench_verify *verify)
{
	for (uint32_t i = 0; i < verify->stream_count; i++) {
		const struct dp_bench_stream *stream = &verify->streams[i];
		const struct dp_bench_acks *run = &stream->ledger->runs[stream->run];
		uint64_t missing;

		if (stream->run == stream->ledger->run_count)
			continue;
		missing = stream->next > run->sequence ? stream->next : run->sequence;
		return fault(verify,
			     "record %" PRIu64 " of producer %" PRIu32
			     " was acknowledged at offset %" PRIu64
			     " and is not in the log, which ends at %" PRIu64,
			     missing, dp_bench_token_number(stream->token),
			     run->offset + (missing - run->sequence), verify->next);
	}
	return true;
}
