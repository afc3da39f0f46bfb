/*
 * The sending half of the transport: one stream of entries from a leader to one follower of one
 * group, as fragments of at most a datagram, reliable over a lossy link.
 *
 * Consensus says which entries go (a range that only grows until it is reset); the stream says
 * which bytes go next: first what the follower reported missing, then what timed out, then new
 * bytes, never beyond the follower's credit. It holds no bytes: the node looks them up in the log
 * window or, for a follower that lags, reads them from the segments.
 *
 * Received is not durable: consensus counts only what the follower's APPEND_REPLY says.
 *
 * Pure. Times are monotonic ns of the sender.
 */
#ifndef DP_TRANSPORT_STREAM_H
#define DP_TRANSPORT_STREAM_H

#include "consensus/base/error.h"
#include "consensus/wire/wire.h"

#define DP_STREAM_HOLES_MAX WIRE_MISSING_MAX
#define DP_STREAM_BURST 64	/* fragments sent again before an ACK must show that it helped */
#define DP_STREAM_BACKOFF_MAX 6 /* the timeout doubles this often at most */

/** A byte of the stream: byte `bytes` of the entry at `index`. */
struct dp_stream_position {
	qr_index index;
	uint32_t bytes;
};

struct dp_stream {
	bool active;
	uint32_t incarnation;	 /* of the follower; another one means that it forgot what it had */
	qr_index received;	 /* every entry up to here is whole at the follower */
	uint32_t received_bytes; /* contiguous bytes of the entry after it */
	qr_index end;		 /* entries up to here may be sent */
	struct dp_stream_position cursor; /* what goes next when nothing is missing */
	struct dp_stream_position high;	  /* all before it was sent at least once */
	qr_block credit;

	bool repairing; /* a pass over the holes is under way */
	uint32_t hole_first;
	uint32_t hole_count;
	struct wire_missing holes[DP_STREAM_HOLES_MAX];
	qr_ns holes_sent_ns; /* holes are not repaired twice within a round trip */
	uint32_t again_left; /* fragments that may be sent again before progress */

	qr_ns progress_ns; /* when the retransmission timer began; 0: it begins at the next look */
	qr_ns rewound_ns;  /* when a timeout last took the cursor back; 0: never, or settled */
	bool probe;	   /* the next fragment goes whatever the credit */
	uint32_t timeouts; /* in a row: backs off */
	qr_ns rtt_ns;	   /* smoothed (RFC 6298) */
	qr_ns rtt_deviation_ns;
	qr_ns timeout_min_ns;

	uint64_t retransmits; /* fragments, for statistics */
};

/** Once per follower; the measured round trip outlives start and stop. */
void dp_stream_init(struct dp_stream *stream, qr_ns timeout_min_ns);
/** Start (again) after entry `received`: the follower is known to match up to it. */
void dp_stream_start(struct dp_stream *stream, qr_index received, qr_block credit, qr_ns now_ns);
void dp_stream_stop(struct dp_stream *stream);
/** Consensus wants entries up to `end` there. Never shrinks except by start. Active streams only.
 */
void dp_stream_extend(struct dp_stream *stream, qr_index end);

/**
 * The follower's ACK for the present term; an older or foreign one changes nothing.
 * @param incarnation  of the datagram's sender, already past the replay window.
 */
void dp_stream_ack(struct dp_stream *stream, const struct wire_ack *ack, uint32_t incarnation,
		   qr_ns now_ns);

/** What to send next. */
struct dp_stream_want {
	qr_index index;
	uint32_t from;
	uint32_t until; /* 0: to the entry's end; else at most its end, unless the follower lies */
	bool again;	/* a retransmission */
	bool hole;	/* the follower asked for it */
	bool probe; /* send one datagram of it even without credit: it makes the follower answer */
};

/**
 * The next bytes. Ask again after each datagram.
 *
 * The credit is checked by the caller, who knows where entries lie: unless `probe`, it stops when
 * an entry's last block would be at or above stream->credit.
 *
 * Errors: QR_AGAIN  nothing now.
 */
QR_MUST_USE enum qr_error dp_stream_next(struct dp_stream *stream, qr_ns now_ns,
					 struct dp_stream_want *ret_want);
/**
 * One datagram with bytes [from, from + bytes) of an entry of `entry_bytes` was handed to the port,
 * with `now_ns` as its sent_ns.
 *
 * @param bytes  0 when `from` is at or beyond the entry's end, as the ACK of a follower that lies
 * may have it: nothing is sent, the stream goes on behind it.
 */
void dp_stream_sent(struct dp_stream *stream, const struct dp_stream_want *want, uint32_t bytes,
		    uint32_t entry_bytes, qr_ns now_ns);

/**
 * When dp_stream_next could have something by time alone; UINT64_MAX: never. In the past when it
 * has something already.
 */
qr_ns dp_stream_deadline(const struct dp_stream *stream);
/** The retransmission timeout now, backed off. */
qr_ns dp_stream_timeout(const struct dp_stream *stream);

#endif
