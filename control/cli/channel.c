/*
 * Appending to and reading from one partition: the client's state machine on a UDP socket. Owns the
 * socket, the machine and its memory, which is reserved at once and touched as it is used.
 *
 * Invariant: `appended` counts what the producer took and `answered` what it gave back, so what is
 * pending is their difference, whatever the producer holds.
 */
#include "control/cli/channel.h"
#include "control/cli/clock.h"
#include "control/cli/cluster.h"
#include "control/cli/heap.h"
#include "control/cli/query.h"
#include "control/cli/suggest.h"

#include "consensus/base/arena.h"
#include "consensus/base/assert.h"
#include "dataplane/client/machine.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEMORY_BYTES (512ull << 20)  /* reserved, not touched */
#define APPEND_MAX_BYTES (16u << 20) /* a record to append, where no configuration tells */
#define READ_MAX_BYTES (64u << 20)   /* a record to read: what a configuration allows at most */
#define BUFFER_BYTES (4u << 20)
#define BURST 32
#define DATAGRAM_ROOM 2048

struct ctl_channel {
	struct ctl_channel_events events;
	struct ctl_cluster *cluster;
	struct wire_partition partition;
	qr_ns timeout;
	uint32_t record_max_bytes;

	int socket;
	void *memory;
	struct qr_arena arena;
	struct dp_client *client;
	struct dp_producer *producer;
	struct dp_consumer *consumer;
	qr_offset until;
	uint64_t window;
	uint64_t appended;
	uint64_t answered;
	enum qr_error error;

	uint8_t buffers[BURST][DATAGRAM_ROOM];
};

/* ---- which partition ---- */

static enum ctl_exit complain_of_log(const struct ctl_cluster *cluster, const char *log)
{
	const char **names = ctl_heap_take(cluster->partition_count, sizeof(*names));
	const char *near;

	for (uint32_t i = 0; i < cluster->partition_count; i++)
		names[i] = cluster->partitions[i].name;
	near = ctl_suggest(log, names, cluster->partition_count);
	if (near != NULL) {
		ctl_complain("no log '%s' in cluster '%s': did you mean '%s'?", log, cluster->name,
			     near);
	} else {
		ctl_complain(
			"no log '%s' in cluster '%s': 'quorate log list' names those there are",
			log, cluster->name);
	}
	free(names);
	return CTL_EXIT_FAILED;
}

static enum ctl_exit find_partition(struct ctl_channel *channel,
				    const struct ctl_channel_name *name)
{
	const struct ctl_cluster *cluster = channel->cluster;
	const struct wire_partition *found = NULL;
	uint32_t count = 0;

	for (uint32_t i = 0; i < cluster->partition_count; i++) {
		const struct wire_partition *partition = &cluster->partitions[i];

		if (strcmp(partition->name, name->log) != 0)
			continue;
		count++;
		if (name->partition == CTL_PARTITION_UNSET ||
		    name->partition == partition->partition)
			found = partition;
	}
	if (count == 0)
		return complain_of_log(cluster, name->log);
	if (count > 1 && name->partition == CTL_PARTITION_UNSET) {
		ctl_complain("log '%s' has %u partitions: give --partition 0 to %u", name->log,
			     count, count - 1);
		return CTL_EXIT_USAGE;
	}
	if (found == NULL) {
		ctl_complain("log '%s' has no partition %llu: give --partition 0 to %u", name->log,
			     (unsigned long long)name->partition, count - 1);
		return CTL_EXIT_FAILED;
	}
	channel->partition = *found;
	return CTL_EXIT_OK;
}

/* ---- the machine and its socket ---- */

static enum ctl_exit start(struct ctl_channel *channel)
{
	struct dp_client_config config = dp_client_config_default();
	int room = 8 << 20;

	channel->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	channel->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (channel->socket < 0 || channel->memory == MAP_FAILED ||
	    getrandom(&config.incarnation, sizeof(config.incarnation), 0) < 0 ||
	    getrandom(&config.random_seed, sizeof(config.random_seed), 0) < 0) {
		ctl_complain("cannot start a client: %s", strerrordesc_np(errno));
		return CTL_EXIT_FAILED;
	}
	/* best effort: what the kernel drops for lack of room is sent again */
	(void)setsockopt(channel->socket, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	QR_ASSERT(config.datagram_max <= DATAGRAM_ROOM);
	config.cluster = wire_cluster_id(channel->cluster->name);
	qr_arena_init(&channel->arena, channel->memory, MEMORY_BYTES);
	channel->client = dp_client_create(&channel->arena, &config, ctl_clock_now());
	for (uint32_t i = 0; i < channel->cluster->member_count; i++) {
		const struct wire_endpoint *endpoint = &channel->cluster->members[i].endpoint;

		if (endpoint->node != 0 && endpoint->node <= QR_NODE_MAX && endpoint->cores != 0)
			dp_client_set_node(channel->client, endpoint);
	}
	return CTL_EXIT_OK;
}

enum ctl_exit ctl_channel_open(const struct ctl_target *target, const struct ctl_channel_name *name,
			       qr_ns timeout, const struct ctl_channel_events *events,
			       struct ctl_channel **ret_channel)
{
	struct ctl_channel *channel = ctl_heap_take(1, sizeof(*channel));
	enum ctl_exit result;

	channel->socket = -1;
	channel->memory = MAP_FAILED;
	channel->events = *events;
	channel->timeout = timeout;
	channel->record_max_bytes =
		target->config != NULL ? target->config->record_max_bytes : APPEND_MAX_BYTES;
	channel->cluster = ctl_cluster_create();
	result = ctl_cluster_discover(channel->cluster, target, timeout);
	if (result == CTL_EXIT_OK)
		result = find_partition(channel, name);
	if (result == CTL_EXIT_OK)
		result = start(channel);
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
	if (channel->socket >= 0)
		(void)close(channel->socket);
	if (channel->memory != MAP_FAILED)
		(void)munmap(channel->memory, MEMORY_BYTES);
	ctl_cluster_destroy(channel->cluster);
	free(channel);
}

size_t ctl_channel_record_max(const struct ctl_channel *channel)
{
	return channel->record_max_bytes;
}

/* ---- the tail ---- */

struct tail {
	struct dp_answer answer; /* of the last one; `description` and the rest are not used */
	bool answered;
};

static void on_tail(void *context, const struct dp_answer *answer)
{
	struct tail *tail = context;

	tail->answer = *answer;
	tail->answered = true;
}

enum ctl_exit ctl_channel_tail(struct ctl_channel *channel, qr_offset *ret_start,
			       qr_offset *ret_end)
{
	struct tail *tail = ctl_heap_take(1, sizeof(*tail));
	struct dp_question question = {
		.group = channel->partition.group,
		.replicas = channel->partition.replicas,
		.node = channel->partition.leader,
		.timeout_ns = channel->timeout,
		.on_answer = on_tail,
		.context = tail,
	};
	enum qr_error error = dp_client_ask_tail(channel->client, &question);

	while (error == QR_OK && !tail->answered)
		ctl_channel_turn(channel, NULL, ctl_clock_now() + channel->timeout);
	if (error == QR_OK)
		error = tail->answer.error;
	if (error == QR_OK)
		error = tail->answer.tail.status;
	if (error == QR_OK) {
		*ret_start = tail->answer.tail.start;
		*ret_end = tail->answer.tail.end;
	} else {
		ctl_channel_complain(channel, error);
	}
	free(tail);
	return error == QR_OK ? CTL_EXIT_OK : CTL_EXIT_FAILED;
}

/* ---- appending ---- */

static void on_done(void *context, uint64_t sequence, uint32_t count, qr_offset offset,
		    enum qr_error error)
{
	struct ctl_channel *channel = context;

	(void)sequence;
	channel->answered += count;
	QR_ASSERT(channel->answered <= channel->appended);
	if (error != QR_OK)
		channel->error = error;
	channel->events.on_done(channel->events.context, count, offset, error);
}

enum ctl_exit ctl_channel_produce(struct ctl_channel *channel, uint64_t window)
{
	struct dp_producer_config config = dp_producer_config_default();

	QR_ASSERT(channel->events.on_done != NULL);
	config.group = channel->partition.group;
	config.replicas = channel->partition.replicas;
	config.leader = channel->partition.leader;
	config.record_max_bytes = channel->record_max_bytes;
	config.buffer_bytes = 2 * channel->record_max_bytes + BUFFER_BYTES;
	config.timeout_ns = channel->timeout;
	config.on_done = on_done;
	config.context = channel;
	channel->window = window != 0 ? window : UINT64_MAX;
	channel->producer = dp_producer_create(&channel->arena, channel->client, &config);
	QR_ASSERT(channel->producer != NULL);
	return CTL_EXIT_OK;
}

enum qr_error ctl_channel_append(struct ctl_channel *channel, struct qr_span record)
{
	uint64_t sequence;
	enum qr_error error;

	if (ctl_channel_pending(channel) >= channel->window)
		return QR_AGAIN;
	if (record.size_bytes > channel->record_max_bytes)
		return QR_TOO_LARGE;
	error = dp_producer_append(channel->producer, record.data, (uint32_t)record.size_bytes,
				   &sequence);
	if (error == QR_OK)
		channel->appended++;
	return error;
}

uint64_t ctl_channel_pending(const struct ctl_channel *channel)
{
	return channel->appended - channel->answered;
}

/* ---- reading ---- */

static void on_batch(void *context, const struct dp_batch *batch)
{
	struct ctl_channel *channel = context;
	struct qr_reader reader = qr_reader_over(batch->body.data, batch->body.size_bytes);

	if (batch->kind != WIRE_CHUNK_RECORDS) {
		channel->error = QR_UNSUPPORTED;
		return;
	}
	for (uint32_t i = 0; i < batch->count && batch->offset + i < channel->until; i++) {
		uint32_t size_bytes = qr_read_u32(&reader);
		const uint8_t *data = qr_read_bytes(&reader, size_bytes);

		if (data == NULL) {
			channel->error = QR_CORRUPT;
			return;
		}
		channel->events.on_record(channel->events.context, batch->offset + i,
					  (struct qr_span){.data = data, .size_bytes = size_bytes});
	}
}

enum ctl_exit ctl_channel_consume(struct ctl_channel *channel, qr_offset from, qr_offset until)
{
	struct dp_consumer_config config = dp_consumer_config_default();

	QR_ASSERT(channel->events.on_record != NULL);
	config.group = channel->partition.group;
	config.replicas = channel->partition.replicas;
	config.prefer = channel->partition.leader;
	config.from = from;
	config.until = until;
	config.follow = true; /* up to `until`: a replica that is behind will have it, too */
	config.record_max_bytes = READ_MAX_BYTES;
	config.timeout_ns = channel->timeout;
	config.on_batch = on_batch;
	config.context = channel;
	channel->until = until;
	channel->consumer = dp_consumer_create(&channel->arena, channel->client, &config);
	QR_ASSERT(channel->consumer != NULL);
	return CTL_EXIT_OK;
}

bool ctl_channel_is_done(const struct ctl_channel *channel)
{
	return dp_consumer_is_done(channel->consumer) ||
	       dp_consumer_next(channel->consumer) >= channel->until;
}

enum qr_error ctl_channel_error(const struct ctl_channel *channel)
{
	if (channel->error != QR_OK)
		return channel->error;
	if (channel->producer != NULL)
		return dp_producer_error(channel->producer);
	return channel->consumer != NULL ? dp_consumer_error(channel->consumer) : QR_OK;
}

static const char *advice(enum qr_error error)
{
	if (error == QR_NO_QUORUM || error == QR_TIMED_OUT || error == QR_NOT_LEADER)
		return "'quorate status' tells which nodes are away";
	if (error == QR_BUSY)
		return "the cluster has more than it can write; try again later";
	if (error == QR_NO_SPACE)
		return "free space on the nodes' devices";
	if (error == QR_UNSUPPORTED)
		return "it holds batches of another producer's format";
	if (error == QR_UNKNOWN_GROUP)
		return "the configuration here and that of the nodes differ: compare their logs";
	if (error == QR_TOO_LARGE)
		return "raise '[storage] record_max'";
	return "see the nodes' logs, and 'quorate status'";
}

void ctl_channel_complain(const struct ctl_channel *channel, enum qr_error error)
{
	ctl_complain("log '%s', partition %u: %s; %s", channel->partition.name,
		     channel->partition.partition, qr_error_text(error), advice(error));
}

/* ---- turns ---- */

static void send_all(struct ctl_channel *channel, qr_ns now)
{
	struct dp_client_tx tx[BURST];
	unsigned count;

	do {
		for (unsigned i = 0; i < BURST; i++) {
			tx[i] = (struct dp_client_tx){.data = channel->buffers[i],
						      .capacity_bytes = DATAGRAM_ROOM};
		}
		count = dp_client_poll(channel->client, now, tx, BURST);
		for (unsigned i = 0; i < count; i++) {
			const struct wire_endpoint *node =
				dp_client_node(channel->client, tx[i].node);
			struct sockaddr_in address = {
				.sin_family = AF_INET,
				.sin_port = htons((uint16_t)(node->port + tx[i].core)),
				.sin_addr.s_addr = htonl(node->ipv4),
			};

			/* what does not leave is sent again by the machine's timers */
			(void)sendto(channel->socket, tx[i].data, tx[i].size_bytes, 0,
				     (struct sockaddr *)&address, sizeof(address));
		}
	} while (count == BURST);
}

static void receive_all(struct ctl_channel *channel, qr_ns now)
{
	struct mmsghdr messages[BURST];
	struct iovec vectors[BURST];
	int count;

	do {
		memset(messages, 0, sizeof(messages));
		for (unsigned i = 0; i < BURST; i++) {
			vectors[i] = (struct iovec){.iov_base = channel->buffers[i],
						    .iov_len = DATAGRAM_ROOM};
			messages[i].msg_hdr.msg_iov = &vectors[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		count = recvmmsg(channel->socket, messages, BURST, MSG_DONTWAIT, NULL);
		for (int i = 0; i < count; i++) {
			dp_client_receive(channel->client,
					  (struct qr_span){.data = channel->buffers[i],
							   .size_bytes = messages[i].msg_len},
					  now);
		}
	} while (count == BURST);
}

void ctl_channel_turn(struct ctl_channel *channel, struct pollfd *more, qr_ns until)
{
	struct pollfd fds[2] = {{.fd = channel->socket, .events = POLLIN}, {.fd = -1}};
	qr_ns now = ctl_clock_now();
	qr_ns deadline;

	send_all(channel, now);
	if (channel->producer != NULL && ctl_channel_error(channel) != QR_OK)
		return;
	deadline = dp_client_next_deadline(channel->client);
	if (more != NULL)
		fds[1] = *more;
	if (poll(fds, 2, ctl_clock_poll_ms(now, deadline < until ? deadline : until)) < 0)
		fds[0].revents = fds[1].revents = 0;
	if (more != NULL)
		more->revents = fds[1].revents;
	if ((fds[0].revents & POLLIN) != 0)
		receive_all(channel, ctl_clock_now());
}
