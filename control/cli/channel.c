/*
 * Appending to and reading from one partition, over libquorate. Owns the client and what is open
 * from it.
 *
 * Invariant: what is pending never exceeds the window that was asked for; the library's own window
 * holds besides.
 */
#include "control/cli/channel.h"
#include "control/cli/clock.h"
#include "control/cli/heap.h"
#include "control/cli/suggest.h"
#include "control/cli/units.h"

#include "consensus/base/assert.h"
#include "dataplane/client/quorate.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_MAX_BYTES (1u << 20) /* where no configuration tells */
#define READ_MAX_BYTES (64u << 20)  /* what a configuration allows at most */
#define BUFFER_BYTES (4u << 20)
#define LOOPBACK_DATAGRAM_BYTES 16384

struct ctl_channel {
	struct ctl_channel_events events;
	const struct ctl_target *target;
	const char *log;
	uint32_t partition;
	uint32_t record_max_bytes;
	struct quorate_client *client;
	struct quorate_producer *producer;
	struct quorate_reader *reader;
	qr_offset until;
	uint64_t window;
	uint64_t events_seen; /* calls of the library */
	enum qr_error error;
};

_Static_assert((int)QUORATE_OK == (int)QR_OK && (int)QUORATE_POISONED == (int)QR_POISONED,
	       "the library's errors are those of the project");

/* ---- telling ---- */

static const char *advice(enum qr_error error)
{
	if (error == QR_NO_QUORUM || error == QR_TIMED_OUT || error == QR_NOT_LEADER)
		return "'quorate status' tells which nodes are away";
	if (error == QR_BUSY)
		return "the cluster has more than it can write; try again later";
	if (error == QR_NO_SPACE)
		return "free space on the nodes' devices";
	if (error == QR_UNSUPPORTED)
		return "it holds batches in another producer's format";
	if (error == QR_UNKNOWN_GROUP)
		return "the configuration here and that of the nodes differ: compare their logs";
	if (error == QR_TOO_LARGE)
		return "raise '[storage] record_max'";
	return "see the nodes' logs, and 'quorate status'";
}

void ctl_channel_complain(const struct ctl_channel *channel, enum qr_error error)
{
	ctl_complain("log '%s', partition %u: %s; %s", channel->log, channel->partition,
		     qr_error_text(error), advice(error));
}

void ctl_channel_complain_of_start(const struct ctl_channel *channel, qr_offset offset,
				   qr_offset start)
{
	ctl_complain("offset %llu of log '%s', partition %u, is gone: retention keeps it from %llu "
		     "on; read from there with --from %llu, or --from start",
		     (unsigned long long)offset, channel->log, channel->partition,
		     (unsigned long long)start, (unsigned long long)start);
}

static enum ctl_exit complain_of_log(const struct ctl_channel *channel,
				     const struct quorate_description *description)
{
	const char **names = ctl_heap_take(description->partition_count, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < description->partition_count; i++)
		names[i] = description->partitions[i].log;
	near = ctl_suggest(channel->log, names, description->partition_count);
	if (near != NULL) {
		ctl_complain("no log '%s' in cluster '%s': did you mean '%s'?", channel->log,
			     channel->target->cluster, near);
	} else {
		ctl_complain(
			"no log '%s' in cluster '%s': 'quorate log list' names those there are",
			channel->log, channel->target->cluster);
	}
	free(names);
	return CTL_EXIT_FAILED;
}

/* ---- opening ---- */

static char *endpoints_of(const struct ctl_target *target)
{
	char *list = ctl_heap_print("%s", "");

	for (uint32_t i = 0; i < target->node_count; i++) {
		struct ctl_text address =
			ctl_units_address(target->nodes[i].ipv4, target->nodes[i].port);
		char *more = ctl_heap_print("%s%s%s", list, i > 0 ? "," : "", address.text);

		free(list);
		list = more;
	}
	return list;
}

static bool is_loopback(const struct ctl_target *target)
{
	for (uint32_t i = 0; i < target->node_count; i++) {
		if (target->nodes[i].ipv4 >> 24 != 127)
			return false;
	}
	return true;
}

static enum ctl_exit connect_to(struct ctl_channel *channel, qr_ns timeout)
{
	char *endpoints = endpoints_of(channel->target);
	struct quorate_options options = {
		.endpoints = endpoints,
		.cluster = channel->target->cluster,
		.datagram_bytes = is_loopback(channel->target) ? LOOPBACK_DATAGRAM_BYTES : 0,
		.timeout_ms = (uint32_t)(timeout / 1000000u),
	};
	enum qr_error error = (enum qr_error)quorate_connect(&options, &channel->client);

	if (error == QR_TIMED_OUT || error == QR_NO_QUORUM) {
		ctl_complain(
			"no node of cluster '%s' answers at %s: check that quorated runs there, "
			"and the cluster's name",
			channel->target->cluster, endpoints);
	} else if (error != QR_OK) {
		ctl_complain("cannot start a client for %s: %s", endpoints, qr_error_text(error));
	}
	free(endpoints);
	return error == QR_OK ? CTL_EXIT_OK : CTL_EXIT_FAILED;
}

static enum ctl_exit find_partition(struct ctl_channel *channel, uint64_t wanted)
{
	struct quorate_description description;
	enum qr_error error = (enum qr_error)quorate_describe(channel->client, &description);
	bool found = false;
	uint32_t count = 0;

	if (error != QR_OK) {
		ctl_complain("cluster '%s' does not say which logs it has: %s; %s",
			     channel->target->cluster, qr_error_text(error), advice(error));
		return CTL_EXIT_FAILED;
	}
	for (size_t i = 0; i < description.partition_count; i++) {
		if (strcmp(description.partitions[i].log, channel->log) != 0)
			continue;
		count++;
		found |= wanted == description.partitions[i].partition;
	}
	if (count == 0)
		return complain_of_log(channel, &description);
	if (count > 1 && wanted == CTL_PARTITION_UNSET) {
		ctl_complain("log '%s' has %u partitions: give --partition 0 to %u", channel->log,
			     count, count - 1);
		return CTL_EXIT_USAGE;
	}
	if (!found && wanted != CTL_PARTITION_UNSET) {
		ctl_complain("log '%s' has no partition %llu: give --partition 0 to %u",
			     channel->log, (unsigned long long)wanted, count - 1);
		return CTL_EXIT_FAILED;
	}
	channel->partition = wanted == CTL_PARTITION_UNSET ? 0 : (uint32_t)wanted;
	return CTL_EXIT_OK;
}

enum ctl_exit ctl_channel_open(const struct ctl_target *target, const struct ctl_channel_name *name,
			       qr_ns timeout, const struct ctl_channel_events *events,
			       struct ctl_channel **ret_channel)
{
	struct ctl_channel *channel = ctl_heap_take(1, sizeof(*channel));
	enum ctl_exit result;

	channel->events = *events;
	channel->target = target;
	channel->log = name->log;
	channel->record_max_bytes =
		target->config != NULL ? target->config->record_max_bytes : RECORD_MAX_BYTES;
	result = connect_to(channel, timeout);
	if (result == CTL_EXIT_OK)
		result = find_partition(channel, name->partition);
	if (result == CTL_EXIT_OK) {
		*ret_channel = channel;
	} else {
		ctl_channel_close(channel);
	}
	return result;
}

void ctl_channel_close(struct ctl_channel *channel)
{
	if (channel == NULL)
		return;
	quorate_close(channel->client);
	free(channel);
}

size_t ctl_channel_record_max(const struct ctl_channel *channel)
{
	return channel->record_max_bytes;
}

enum ctl_exit ctl_channel_tail(struct ctl_channel *channel, qr_offset *ret_start,
			       qr_offset *ret_end)
{
	enum qr_error error = (enum qr_error)quorate_tail(channel->client, channel->log,
							  channel->partition, ret_start, ret_end);

	if (error == QR_OK)
		return CTL_EXIT_OK;
	ctl_channel_complain(channel, error);
	return CTL_EXIT_FAILED;
}

/* ---- appending ---- */

static void on_done(void *user, uint64_t sequence, uint32_t count, uint64_t offset, int error)
{
	struct ctl_channel *channel = user;

	(void)sequence;
	channel->events_seen++;
	if (error != QUORATE_OK)
		channel->error = (enum qr_error)error;
	channel->events.on_done(channel->events.context, count, offset, (enum qr_error)error);
}

enum ctl_exit ctl_channel_produce(struct ctl_channel *channel, uint64_t window)
{
	struct quorate_producer_options options = {
		.on_done = on_done,
		.user = channel,
		.buffer_bytes = 2 * channel->record_max_bytes + BUFFER_BYTES,
		.record_max_bytes = channel->record_max_bytes,
	};
	enum qr_error error;

	QR_ASSERT(channel->events.on_done != NULL);
	channel->window = window != 0 ? window : UINT64_MAX;
	error = (enum qr_error)quorate_producer_open(
		channel->client, channel->log, channel->partition, &options, &channel->producer);
	if (error == QR_OK)
		return CTL_EXIT_OK;
	ctl_channel_complain(channel, error);
	return CTL_EXIT_FAILED;
}

enum qr_error ctl_channel_append(struct ctl_channel *channel, struct qr_span record)
{
	enum qr_error error;

	if (ctl_channel_pending(channel) >= channel->window)
		return QR_AGAIN;
	error = (enum qr_error)quorate_append(channel->producer, record.data, record.size_bytes,
					      NULL);
	if (error != QR_OK && error != QR_AGAIN && error != QR_TOO_LARGE)
		channel->error = error;
	return error;
}

uint64_t ctl_channel_pending(const struct ctl_channel *channel)
{
	return quorate_pending(channel->producer);
}

/* ---- reading ---- */

static void on_batch(void *user, const struct quorate_batch *batch)
{
	struct ctl_channel *channel = user;
	struct qr_span record;
	const void *data;
	size_t cursor = 0;
	uint64_t offset = batch->offset;

	channel->events_seen++;
	if (batch->opaque) {
		channel->error = QR_UNSUPPORTED;
		return;
	}
	while (offset < channel->until &&
	       quorate_batch_next(batch, &cursor, &data, &record.size_bytes)) {
		record.data = data;
		channel->events.on_record(channel->events.context, offset++, record);
	}
}

static enum qr_error open_reader(struct ctl_channel *channel, qr_offset from)
{
	struct quorate_reader_options options = {
		.from = from,
		.until = channel->until,
		.follow = channel->until == UINT64_MAX,
		.record_max_bytes = channel->record_max_bytes,
		.on_batch = on_batch,
		.user = channel,
	};

	return (enum qr_error)quorate_reader_open(channel->client, channel->log, channel->partition,
						  &options, &channel->reader);
}

enum ctl_exit ctl_channel_consume(struct ctl_channel *channel, qr_offset from, qr_offset until)
{
	enum qr_error error;

	QR_ASSERT(channel->events.on_record != NULL && from < until);
	quorate_reader_close(channel->reader);
	channel->reader = NULL;
	channel->until = until;
	error = open_reader(channel, from);
	if (error == QR_OK)
		return CTL_EXIT_OK;
	ctl_channel_complain(channel, error);
	return CTL_EXIT_FAILED;
}

qr_offset ctl_channel_next(const struct ctl_channel *channel)
{
	return quorate_reader_next(channel->reader);
}

qr_offset ctl_channel_start(const struct ctl_channel *channel)
{
	return channel->reader != NULL ? quorate_reader_start(channel->reader) : 0;
}

/* A record larger than was reckoned with: go on from there with room for the largest there can be.
 */
static void mend_reader(struct ctl_channel *channel)
{
	qr_offset next;
	int error;

	if (channel->reader == NULL || !quorate_reader_done(channel->reader, &error) ||
	    error != QUORATE_TOO_LARGE || channel->record_max_bytes == READ_MAX_BYTES)
		return;
	next = quorate_reader_next(channel->reader);
	quorate_reader_close(channel->reader);
	channel->reader = NULL;
	channel->record_max_bytes = READ_MAX_BYTES;
	channel->error = open_reader(channel, next);
}

bool ctl_channel_is_done(const struct ctl_channel *channel)
{
	if (channel->reader == NULL)
		return true; /* with an error */
	return quorate_reader_done(channel->reader, NULL) ||
	       quorate_reader_next(channel->reader) >= channel->until;
}

enum qr_error ctl_channel_error(const struct ctl_channel *channel)
{
	int error = QUORATE_OK;

	if (channel->error == QR_OK && channel->reader != NULL &&
	    quorate_reader_done(channel->reader, &error))
		return (enum qr_error)error;
	return channel->error;
}

/* ---- turns ---- */

void ctl_channel_turn(struct ctl_channel *channel, struct pollfd *more, qr_ns until)
{
	struct pollfd fds[2] = {
		{.fd = quorate_fd(channel->client), .events = POLLIN},
		{.fd = -1},
	};
	uint64_t seen = channel->events_seen;
	int error = quorate_poll(channel->client, 0);
	int patience_ms = ctl_clock_poll_ms(ctl_clock_now(), until);
	int timer_ms = quorate_next_timeout(channel->client);

	if (timer_ms >= 0 && timer_ms < patience_ms)
		patience_ms = timer_ms;
	if (channel->events_seen != seen || error != QUORATE_OK || channel->error != QR_OK)
		patience_ms = 0; /* there is something to do at once */
	if (more != NULL)
		fds[1] = *more;
	if (poll(fds, 2, patience_ms) <= 0) {
		fds[0].revents = fds[1].revents = 0;
	} else if (error == QUORATE_OK) {
		error = quorate_poll(channel->client, 0);
	}
	if (more != NULL)
		more->revents = fds[1].revents;
	if (error != QUORATE_OK)
		channel->error = (enum qr_error)error;
	mend_reader(channel);
}
