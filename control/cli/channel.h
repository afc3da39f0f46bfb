/*
 * One partition of a log, to append to or to read from: libquorate, with the choice of the
 * partition and the messages for a person.
 *
 * Everything happens in ctl_channel_turn: completions and records come from there.
 */
#ifndef CTL_CLI_CHANNEL_H
#define CTL_CLI_CHANNEL_H

#include "control/cli/target.h"

#include "consensus/base/codec.h"
#include "consensus/base/error.h"

#include <poll.h>

#define CTL_PARTITION_UNSET UINT64_MAX
#define CTL_CHANNEL_TIMEOUT 30000000000ull /* for an append or a read, retries included */

struct ctl_channel;

struct ctl_channel_events {
	/** `count` records, in the order they were appended: durable from `offset` on, or failed.
	 */
	void (*on_done)(void *context, uint64_t count, qr_offset offset, enum qr_error error);
	/** The next record in order, borrowed until return. */
	void (*on_record)(void *context, qr_offset offset, struct qr_span record);
	void *context;
};

/** Which partition: its log's name, and a number or CTL_PARTITION_UNSET where a log has only one.
 */
struct ctl_channel_name {
	const char *log;
	uint64_t partition;
};

/**
 * Find the partition. What is wrong has been told when not OK.
 * @param events  copied; may be empty where nothing of it is used.
 */
enum ctl_exit ctl_channel_open(const struct ctl_target *target, const struct ctl_channel_name *name,
			       qr_ns timeout, const struct ctl_channel_events *events,
			       struct ctl_channel **ret_channel);
/** Takes NULL. What is unanswered is given up. */
void ctl_channel_close(struct ctl_channel *channel);

/** Where the log starts and ends, from its leader. What is wrong has been told when not OK. */
enum ctl_exit ctl_channel_tail(struct ctl_channel *channel, qr_offset *ret_start,
			       qr_offset *ret_end);

/** Begin to append. @param window  records unanswered at most; 0: what the client chooses. */
enum ctl_exit ctl_channel_produce(struct ctl_channel *channel, uint64_t window);
/**
 * Append a record, copied. Errors: QR_AGAIN  turn first; QR_TOO_LARGE; others end the producer.
 */
QR_MUST_USE enum qr_error ctl_channel_append(struct ctl_channel *channel, struct qr_span record);
/** Records appended and not yet acknowledged. */
uint64_t ctl_channel_pending(const struct ctl_channel *channel);
size_t ctl_channel_record_max(const struct ctl_channel *channel);

/** Begin to read, or begin anew. @param until  UINT64_MAX: follow for ever. */
enum ctl_exit ctl_channel_consume(struct ctl_channel *channel, qr_offset from, qr_offset until);
bool ctl_channel_is_done(const struct ctl_channel *channel);
/** The offset of the next record to come. */
qr_offset ctl_channel_next(const struct ctl_channel *channel);
/** After QR_OUT_OF_RANGE: where the log begins now, if the next record has been given up; else 0.
 */
qr_offset ctl_channel_start(const struct ctl_channel *channel);

/** QR_OK, or what ended the producer or the consumer. */
enum qr_error ctl_channel_error(const struct ctl_channel *channel);
/** Tell why: `error` in words, and the next step. */
void ctl_channel_complain(const struct ctl_channel *channel, enum qr_error error);
/** Tell that the record at `offset` has been given up, and that `start` is the first one kept. */
void ctl_channel_complain_of_start(const struct ctl_channel *channel, qr_offset offset,
				   qr_offset start);

/**
 * Send, wait until something comes in, `until` has passed, or a descriptor of the caller is ready,
 * and receive. @param more  NULL, or a descriptor besides; its revents are set.
 */
void ctl_channel_turn(struct ctl_channel *channel, struct pollfd *more, qr_ns until);

#endif
