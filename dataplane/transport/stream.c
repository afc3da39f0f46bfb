/*
 * The sender of one stream.
 *
 * Positions, always in this order:
 *
 *   (received + 1, received_bytes) <= cursor <= high <= (end + 1, 0)
 *
 * except that a follower may already have bytes that this stream never sent, after a restart in the
 * same term: then the cursor jumps over them and takes `high` along.
 *
 * Loss is repaired in two ways. While anything arrives, the follower sees its holes and names them:
 * they are sent again, at most one pass per round trip. When nothing arrives any more (the last
 * fragment was lost, or the ACK), the timer fires and the cursor goes back to the first byte that
 * is not known to be there. Either way at most DP_STREAM_BURST fragments are sent again until an
 * ACK shows progress: a follower that was merely slow is not buried under duplicates.
 *
 * A timeout may be spurious. Fragments carry the time of their sending and the ACK echoes it, so an
 * ACK for something sent before the timeout proves that, and the cursor returns to where it was
 * (the Eifel algorithm, RFC 3522). For the same reason every echo is a valid sample of the round
 * trip, retransmissions included: Karn's problem does not arise.
 *
 * The timer also runs while only the credit holds the stream back: the ACK that grants more may be
 * lost. It then lets one fragment through, which the follower drops but answers.
 *
 * Nothing here outlives a crash: a leader that restarts is another leader.
 */
#include "dataplane/transport/stream.h"

#include "consensus/base/assert.h"

/* An echo older than this is not a round trip but a mistake of the follower. */
#define RTT_SANE_MAX_NS ((qr_ns)60 * 1000 * 1000 * 1000)

_Static_assert(DP_STREAM_BACKOFF_MAX < 16, "the backed-off timeout stays far from overflow");

static bool is_before(struct dp_stream_position a, struct dp_stream_position b)
{
	return a.index != b.index ? a.index < b.index : a.bytes < b.bytes;
}

static struct dp_stream_position received_position(const struct dp_stream *stream)
{
	return (struct dp_stream_position){stream->received + 1, stream->received_bytes};
}

/** Something was sent that is not known to have arrived. */
static bool is_outstanding(const struct dp_stream *stream)
{
	return is_before(received_position(stream), stream->cursor);
}

static bool is_done(const struct dp_stream *stream)
{
	return !stream->active || stream->received >= stream->end;
}

static void drop_holes(struct dp_stream *stream)
{
	stream->repairing = false;
	stream->hole_first = 0;
	stream->hole_count = 0;
}

/** What is known to be there is not sent. */
static void advance_cursor(struct dp_stream *stream, struct dp_stream_position to)
{
	if (is_before(stream->cursor, to))
		stream->cursor = to;
	if (is_before(stream->high, stream->cursor))
		stream->high = stream->cursor;
}

/** All that is not known to be there goes again. */
static void rewind_cursor(struct dp_stream *stream)
{
	stream->cursor = received_position(stream);
	advance_cursor(stream, stream->cursor);
	stream->again_left = DP_STREAM_BURST;
	drop_holes(stream);
}

void dp_stream_init(struct dp_stream *stream, qr_ns timeout_min_ns)
{
	QR_ASSERT(timeout_min_ns > 0);
	*stream = (struct dp_stream){.timeout_min_ns = timeout_min_ns};
}

void dp_stream_start(struct dp_stream *stream, qr_index received, qr_block credit, qr_ns now_ns)
{
	QR_ASSERT(stream->timeout_min_ns > 0);
	/* The incarnation stays: a restart that happened meanwhile shows in the next ACK. */
	stream->active = true;
	stream->received = received;
	stream->received_bytes = 0;
	stream->end = received;
	stream->cursor = received_position(stream);
	stream->high = stream->cursor;
	stream->credit = credit;
	stream->again_left = DP_STREAM_BURST;
	stream->holes_sent_ns = 0;
	stream->progress_ns = now_ns;
	stream->rewound_ns = 0;
	stream->probe = false;
	stream->timeouts = 0;
	drop_holes(stream);
}

void dp_stream_stop(struct dp_stream *stream)
{
	stream->active = false;
}

void dp_stream_extend(struct dp_stream *stream, qr_index end)
{
	QR_ASSERT(stream->active);
	if (end <= stream->end)
		return;
	if (is_done(stream))
		stream->progress_ns = 0; /* the silence before is not a timeout */
	stream->end = end;
}

/* ---- the timer (RFC 6298) ---- */

qr_ns dp_stream_timeout(const struct dp_stream *stream)
{
	qr_ns timeout = stream->rtt_ns + 4 * stream->rtt_deviation_ns;
	uint32_t doublings = stream->timeouts;

	if (timeout < stream->timeout_min_ns)
		timeout = stream->timeout_min_ns;
	if (doublings > DP_STREAM_BACKOFF_MAX)
		doublings = DP_STREAM_BACKOFF_MAX;
	return timeout << doublings;
}

static qr_ns timer_at(const struct dp_stream *stream)
{
	return stream->progress_ns == 0 ? 0 : stream->progress_ns + dp_stream_timeout(stream);
}

static void measure(struct dp_stream *stream, qr_ns echo_ns, qr_ns now_ns)
{
	qr_ns sample;
	qr_ns error;

	if (echo_ns == 0 || echo_ns > now_ns || now_ns - echo_ns > RTT_SANE_MAX_NS)
		return;
	sample = now_ns - echo_ns;
	if (stream->rtt_ns == 0) {
		stream->rtt_ns = sample;
		stream->rtt_deviation_ns = sample / 2;
		return;
	}
	error = sample > stream->rtt_ns ? sample - stream->rtt_ns : stream->rtt_ns - sample;
	stream->rtt_deviation_ns = (3 * stream->rtt_deviation_ns + error) / 4;
	stream->rtt_ns = (7 * stream->rtt_ns + sample) / 8;
}

static void fire(struct dp_stream *stream, qr_ns now_ns)
{
	if (is_outstanding(stream)) {
		rewind_cursor(stream);
		stream->rewound_ns = now_ns;
	}
	stream->timeouts += stream->timeouts < UINT32_MAX;
	stream->progress_ns = now_ns;
	stream->probe = true;
}

/* ---- ACKs ---- */

/** The follower restarted: what it had not yet on stable media is gone. */
static void follow_incarnation(struct dp_stream *stream, const struct wire_ack *ack,
			       uint32_t incarnation, qr_ns now_ns)
{
	bool known = stream->incarnation != 0;

	if (incarnation == stream->incarnation)
		return;
	stream->incarnation = incarnation;
	/* The first one ever heard need not be the one that consensus heard before the start. */
	if (!known && ack->received >= stream->received)
		return;

	stream->received = ack->received < stream->end ? ack->received : stream->end;
	stream->received_bytes = ack->received <= stream->end ? ack->received_bytes : 0;
	stream->credit = ack->credit;
	stream->progress_ns = now_ns;
	stream->rewound_ns = 0;
	stream->timeouts = 0;
	rewind_cursor(stream);
}

/** The newest list counts, except that a pass that was begun is ended first. */
static void take_holes(struct dp_stream *stream, const struct wire_ack *ack)
{
	uint32_t count = ack->missing_count;

	if (stream->repairing)
		return;
	if (count > DP_STREAM_HOLES_MAX)
		count = DP_STREAM_HOLES_MAX;
	stream->hole_first = 0;
	stream->hole_count = count;
	for (uint32_t i = 0; i < count; i++)
		stream->holes[i] = ack->missing[i];
}

static void take_progress(struct dp_stream *stream, const struct wire_ack *ack, qr_ns now_ns)
{
	stream->progress_ns = now_ns;
	stream->timeouts = 0;
	stream->probe = false;
	stream->again_left = DP_STREAM_BURST;
	if (stream->rewound_ns != 0) {
		/* Sent before the timeout and arrived: the timeout was spurious (RFC 3522). */
		if (ack->echo_ns != 0 && ack->echo_ns < stream->rewound_ns)
			stream->cursor = stream->high;
		stream->rewound_ns = 0;
	}
}

void dp_stream_ack(struct dp_stream *stream, const struct wire_ack *ack, uint32_t incarnation,
		   qr_ns now_ns)
{
	struct dp_stream_position before;
	struct dp_stream_position after;

	if (!stream->active)
		return;
	follow_incarnation(stream, ack, incarnation, now_ns);
	if (ack->received < stream->received || ack->received > stream->end)
		return;

	measure(stream, ack->echo_ns, now_ns);
	if (stream->credit < ack->credit)
		stream->credit = ack->credit;

	before = received_position(stream);
	stream->received = ack->received;
	/*
	 * Within an entry the count may go back: the follower throws away an entry that does not
	 * validate. An ACK that was overtaken looks the same and costs a few duplicates at worst.
	 */
	stream->received_bytes = ack->received_bytes;
	after = received_position(stream);
	if (is_before(before, after))
		take_progress(stream, ack, now_ns);
	advance_cursor(stream, after);
	take_holes(stream, ack);
}

/* ---- what goes next ---- */

/** The part of a hole that was sent and is still wanted. @return false if there is none. */
static bool clip_hole(const struct dp_stream *stream, struct wire_missing *hole)
{
	struct dp_stream_position start = {hole->index, hole->from};

	if (is_before(start, received_position(stream))) {
		if (hole->index <= stream->received)
			return false;
		hole->from = stream->received_bytes;
		start.bytes = hole->from;
	}
	if (!is_before(start, stream->high) || hole->index > stream->end)
		return false;
	if (hole->index == stream->high.index &&
	    (hole->until == 0 || hole->until > stream->high.bytes))
		hole->until = stream->high.bytes;
	return hole->until == 0 || hole->from < hole->until;
}

static bool next_hole(struct dp_stream *stream, qr_ns now_ns, struct dp_stream_want *ret_want)
{
	if (stream->hole_count == 0)
		return false;
	if (!stream->repairing) {
		if (stream->holes_sent_ns != 0 && now_ns < stream->holes_sent_ns + stream->rtt_ns)
			return false;
		stream->repairing = true;
		stream->again_left = DP_STREAM_BURST;
	}
	for (; stream->hole_first < stream->hole_count && stream->again_left > 0;
	     stream->hole_first++) {
		struct wire_missing *hole = &stream->holes[stream->hole_first];

		if (!clip_hole(stream, hole))
			continue;
		*ret_want = (struct dp_stream_want){
			.index = hole->index,
			.from = hole->from,
			.until = hole->until,
			.again = true,
			.hole = true,
			.probe = stream->probe,
		};
		return true;
	}
	drop_holes(stream);
	return false;
}

enum qr_error dp_stream_next(struct dp_stream *stream, qr_ns now_ns,
			     struct dp_stream_want *ret_want)
{
	bool again;

	if (is_done(stream))
		return QR_AGAIN;
	if (stream->progress_ns == 0)
		stream->progress_ns = now_ns;
	if (now_ns >= timer_at(stream))
		fire(stream, now_ns);
	if (next_hole(stream, now_ns, ret_want))
		return QR_OK;

	again = is_before(stream->cursor, stream->high);
	if (stream->cursor.index > stream->end || (again && stream->again_left == 0))
		return QR_AGAIN;
	*ret_want = (struct dp_stream_want){
		.index = stream->cursor.index,
		.from = stream->cursor.bytes,
		.again = again,
		.probe = stream->probe,
	};
	return QR_OK;
}

static void hole_sent(struct dp_stream *stream, uint32_t until, uint32_t entry_bytes, qr_ns now_ns)
{
	struct wire_missing *hole = &stream->holes[stream->hole_first];

	QR_ASSERT(stream->repairing && stream->hole_first < stream->hole_count);
	hole->from = until;
	if (until >= entry_bytes || (hole->until != 0 && until >= hole->until))
		stream->hole_first++;
	stream->holes_sent_ns = now_ns;
}

void dp_stream_sent(struct dp_stream *stream, const struct dp_stream_want *want, uint32_t bytes,
		    uint32_t entry_bytes, qr_ns now_ns)
{
	uint32_t until = want->from + bytes;
	struct dp_stream_position to = {want->index, until};

	QR_ASSERT(bytes == 0 ? want->from >= entry_bytes : until <= entry_bytes);
	QR_ASSERT(stream->active && until >= want->from);

	if (bytes != 0 && want->again) {
		stream->again_left -= stream->again_left > 0;
		stream->retransmits++;
	}
	stream->probe = false;
	if (want->hole) {
		hole_sent(stream, until, entry_bytes, now_ns);
		return;
	}
	QR_ASSERT(want->index == stream->cursor.index && want->from == stream->cursor.bytes);
	if (!is_outstanding(stream))
		stream->progress_ns = now_ns;
	if (until >= entry_bytes)
		to = (struct dp_stream_position){want->index + 1, 0};
	advance_cursor(stream, to);
}

qr_ns dp_stream_deadline(const struct dp_stream *stream)
{
	qr_ns timer;
	qr_ns holes;

	if (is_done(stream))
		return UINT64_MAX;
	timer = timer_at(stream);
	if (stream->hole_count == 0 || stream->repairing)
		return timer;
	holes = stream->holes_sent_ns + stream->rtt_ns;
	return holes < timer ? holes : timer;
}
