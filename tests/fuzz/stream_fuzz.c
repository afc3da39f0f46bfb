/*
 * One stream to a follower that acknowledges anything: what it never got, what it had before, holes
 * anywhere, credit and echoes of all sizes, under any incarnation. Whatever it says, the stream
 * asks for entries that are its to send only, ends every turn, sends again no more than it may, and
 * tells an idle loop the truth about when it is next to be looked at.
 *
 * The input is steps of twelve bytes.
 */
#include "consensus/base/assert.h"
#include "dataplane/transport/stream.h"
#include "tests/fuzz/fuzz.h"

#define STEP_BYTES 12
#define TIMEOUT_MIN_NS 1000u
#define DATAGRAM_BYTES 1000u
#define ENTRIES_MAX 64u /* beyond what was received, so that a turn ends soon */
#define TURN_MAX (8u * ENTRIES_MAX + 2u * DP_STREAM_BURST + 8u * DP_STREAM_HOLES_MAX)

static struct dp_stream stream;
static qr_ns now_ns;
static qr_ns idle_until; /* what an idle loop was told; 0: there was no room for all */

static uint32_t entry_bytes(qr_index index)
{
	return 128u + (uint32_t)(index * 2654435761u % 4000u);
}

static bool is_before(struct dp_stream_position a, struct dp_stream_position b)
{
	return a.index != b.index ? a.index < b.index : a.bytes < b.bytes;
}

static void check(void)
{
	struct dp_stream_position received = {stream.received + 1, stream.received_bytes};

	QR_ASSERT(stream.received <= stream.end);
	QR_ASSERT(!is_before(stream.cursor, received) && !is_before(stream.high, stream.cursor));
	QR_ASSERT(stream.cursor.index <= stream.end + 1);
	QR_ASSERT(stream.hole_first <= stream.hole_count);
	QR_ASSERT(stream.hole_count <= DP_STREAM_HOLES_MAX);
	QR_ASSERT(stream.again_left <= DP_STREAM_BURST);
	QR_ASSERT(dp_stream_timeout(&stream) >= TIMEOUT_MIN_NS);
}

/** Hand one datagram to the port. @return whether it was one that was sent before. */
static bool send_one(const struct dp_stream_want *want)
{
	uint32_t size_bytes = entry_bytes(want->index);
	uint32_t until = want->until == 0 || want->until > size_bytes ? size_bytes : want->until;
	uint32_t bytes = want->from < until ? until - want->from : 0;

	QR_ASSERT(want->index > stream.received && want->index <= stream.end);
	if (bytes > DATAGRAM_BYTES)
		bytes = DATAGRAM_BYTES;
	dp_stream_sent(&stream, want, bytes, size_bytes, now_ns);
	return want->again && bytes != 0;
}

/**
 * A turn with room for `room` datagrams.
 * @param time_alone  nothing else has happened since the turn before.
 */
static void pump(unsigned room, bool time_alone)
{
	struct dp_stream_want want;
	unsigned again = 0;
	unsigned turns = 0;

	while (room > 0 && dp_stream_next(&stream, now_ns, &want) == QR_OK) {
		QR_ASSERT(stream.active && ++turns < TURN_MAX);
		QR_ASSERT(!time_alone || now_ns >= idle_until); /* or a loop would sleep over it */
		again += send_one(&want);
		QR_ASSERT(again <= 2 * DP_STREAM_BURST); /* the holes, and what timed out */
		check();
		room--;
	}
	idle_until = room > 0 ? dp_stream_deadline(&stream) : 0;
	QR_ASSERT(room == 0 || idle_until > now_ns); /* or it would never sleep */
}

static void step_ack(const uint8_t *bytes)
{
	struct wire_ack ack = {
		.received = fuzz_near(bytes[1] < 128 ? stream.received : stream.cursor.index - 1,
				      bytes[2]),
		.received_bytes = (uint32_t)fuzz_near((uint64_t)bytes[3] * 16, bytes[4]),
		.credit = fuzz_near(stream.credit, bytes[5]),
		.echo_ns = bytes[6] < 200 ? now_ns - bytes[6] * (now_ns / 256)
					  : fuzz_near(now_ns, bytes[6]),
		.missing_count = bytes[7] % (WIRE_MISSING_MAX + 1),
	};

	for (uint32_t m = 0; m < ack.missing_count; m++) {
		struct wire_missing *missing = &ack.missing[m];

		missing->index =
			fuzz_near(ack.received + 1 + (bytes[8] % 2 != 0 ? m : 0), bytes[8]);
		missing->from = (uint32_t)fuzz_near((uint64_t)bytes[9] * 16, bytes[10]) / 2;
		missing->until = bytes[11] % 2 == 0 ? 0 : missing->from + 1 + bytes[11] * 16u;
	}
	dp_stream_ack(&stream, &ack, bytes[1] % 64 == 63 ? bytes[0] : 1, now_ns);
}

static void one_step(const uint8_t *bytes)
{
	switch (bytes[0] % 8) {
	case 0:
		dp_stream_start(&stream, fuzz_near(stream.received, bytes[1]) % (UINT64_MAX / 2),
				fuzz_near(0, bytes[2]), now_ns);
		break;
	case 1:
		if (bytes[1] == 255)
			dp_stream_stop(&stream);
		break;
	case 2:
		if (stream.active)
			dp_stream_extend(&stream, stream.received + bytes[1] % ENTRIES_MAX);
		break;
	case 3:
		now_ns += (qr_ns)bytes[1] << bytes[2] % 24;
		break;
	default:
		step_ack(bytes);
		break;
	}
	check();
	pump(bytes[11] % 16 == 15 ? bytes[10] % 8 : UINT32_MAX, bytes[0] % 8 == 3);
	check();
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	now_ns = 1000000;
	idle_until = 0;
	dp_stream_init(&stream, TIMEOUT_MIN_NS);
	dp_stream_start(&stream, 0, 0, now_ns);
	dp_stream_extend(&stream, 4);
	for (; size_bytes >= STEP_BYTES; data += STEP_BYTES, size_bytes -= STEP_BYTES)
		one_step(data);
	return 0;
}
