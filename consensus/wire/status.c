/*
 * STATUS and STATUS_REPLY: what one replication core knows of itself. Owns no state.
 * The byte table is docs/formats/wire.md.
 */
#include "consensus/base/assert.h"
#include "consensus/raft/raft.h"
#include "consensus/wire/client.h"
#include "consensus/wire/message.h"

#define COUNTERS 13 /* u64 fields from uptime_ns to scrubbed_bytes */

_Static_assert(8 + 8 + COUNTERS * 8 + WIRE_DROPS * 8 + WIRE_STAGES * 24 + 3 * 4 ==
		       WIRE_STATUS_REPLY_BYTES,
	       "the fixed fields of a status reply");
_Static_assert(4 + 4 + 8 + 8 * 8 == WIRE_STATUS_GROUP_BYTES, "the fixed fields of a group");
_Static_assert(1 + 1 + 8 + 8 == WIRE_STATUS_PEER_BYTES, "the fields of a peer");

static const char *const drop_names[WIRE_DROPS] = {
	[WIRE_DROP_MALFORMED] = "malformed", [WIRE_DROP_VERSION] = "version",
	[WIRE_DROP_CHECKSUM] = "checksum",   [WIRE_DROP_FOREIGN] = "foreign",
	[WIRE_DROP_REPLAYED] = "replayed",   [WIRE_DROP_UNKNOWN_GROUP] = "unknown_group",
	[WIRE_DROP_NOT_PEER] = "not_peer",   [WIRE_DROP_STALE] = "stale",
	[WIRE_DROP_NO_ROOM] = "no_room",
};

const char *wire_drop_name(enum wire_drop drop)
{
	return (unsigned)drop < WIRE_DROPS ? drop_names[drop] : "unknown";
}

void wire_put_status(struct qr_writer *writer, const struct wire_status *status)
{
	uint8_t *header = wire_message_begin(writer, WIRE_STATUS, 0);

	qr_write_u64(writer, status->request);
	qr_write_u32(writer, status->first);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_status(const struct wire_message *message, struct wire_status *ret_status)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_status status;

	QR_ASSERT(message->type == WIRE_STATUS);

	status.request = qr_read_u64(&reader);
	status.first = qr_read_u32(&reader);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_status = status;
	return QR_OK;
}

static void put_group(struct qr_writer *writer, const struct wire_status_group *group)
{
	QR_ASSERT(group->peer_count <= WIRE_STATUS_PEERS);

	qr_write_u32(writer, group->group);
	qr_write_u8(writer, group->role);
	qr_write_u8(writer, group->leader);
	qr_write_u8(writer, group->condition);
	qr_write_u8(writer, group->durability);
	qr_write_u32(writer, group->sessions);
	qr_write_u8(writer, (uint8_t)group->peer_count);
	qr_write_zeros(writer, 3);
	qr_write_u64(writer, group->term);
	qr_write_u64(writer, group->last);
	qr_write_u64(writer, group->durable);
	qr_write_u64(writer, group->commit);
	qr_write_u64(writer, group->start);
	qr_write_u64(writer, group->end);
	qr_write_u64(writer, group->log_bytes);
	qr_write_u64(writer, group->elections);
	for (uint32_t i = 0; i < group->peer_count; i++) {
		qr_write_u8(writer, group->peers[i].node);
		qr_write_u8(writer, group->peers[i].connected);
		qr_write_u64(writer, group->peers[i].match);
		qr_write_u64(writer, group->peers[i].lag_bytes);
	}
}

static void get_group(struct qr_reader *reader, struct wire_status_group *ret_group)
{
	ret_group->group = qr_read_u32(reader);
	ret_group->role = wire_read_at_most(reader, WIRE_ROLE_NON_VOTER);
	ret_group->leader = wire_read_node(reader);
	ret_group->condition = wire_read_at_most(reader, QR_ERROR_COUNT - 1);
	ret_group->durability = wire_read_at_most(reader, WIRE_DURABLE_MEMORY);
	ret_group->sessions = qr_read_u32(reader);
	ret_group->peer_count = wire_read_at_most(reader, WIRE_STATUS_PEERS);
	wire_read_zeros(reader, 3);
	ret_group->term = qr_read_u64(reader);
	ret_group->last = qr_read_u64(reader);
	ret_group->durable = qr_read_u64(reader);
	ret_group->commit = qr_read_u64(reader);
	ret_group->start = qr_read_u64(reader);
	ret_group->end = qr_read_u64(reader);
	ret_group->log_bytes = qr_read_u64(reader);
	ret_group->elections = qr_read_u64(reader);
	if (reader->failed) /* the count among it: it bounds the loop */
		return;
	for (uint32_t i = 0; i < ret_group->peer_count; i++) {
		ret_group->peers[i].node = wire_read_node(reader);
		ret_group->peers[i].connected = wire_read_bool(reader);
		ret_group->peers[i].match = qr_read_u64(reader);
		ret_group->peers[i].lag_bytes = qr_read_u64(reader);
	}
}

static void put_counters(struct qr_writer *writer, const struct wire_status_reply *reply)
{
	qr_write_u64(writer, reply->uptime_ns);
	qr_write_u64(writer, reply->rx_datagrams);
	qr_write_u64(writer, reply->tx_datagrams);
	qr_write_u64(writer, reply->rx_bytes);
	qr_write_u64(writer, reply->tx_bytes);
	qr_write_u64(writer, reply->acked_records);
	qr_write_u64(writer, reply->busy_replies);
	qr_write_u64(writer, reply->polls);
	qr_write_u64(writer, reply->polls_empty);
	qr_write_u64(writer, reply->retransmits);
	qr_write_u64(writer, reply->damaged_entries);
	qr_write_u64(writer, reply->repaired_entries);
	qr_write_u64(writer, reply->scrubbed_bytes);
	for (unsigned i = 0; i < WIRE_DROPS; i++)
		qr_write_u64(writer, reply->drops[i]);
	for (unsigned i = 0; i < WIRE_STAGES; i++) {
		qr_write_u64(writer, reply->stages[i].count);
		qr_write_u64(writer, reply->stages[i].p50_ns);
		qr_write_u64(writer, reply->stages[i].p99_ns);
	}
}

static void get_counters(struct qr_reader *reader, struct wire_status_reply *ret_reply)
{
	ret_reply->uptime_ns = qr_read_u64(reader);
	ret_reply->rx_datagrams = qr_read_u64(reader);
	ret_reply->tx_datagrams = qr_read_u64(reader);
	ret_reply->rx_bytes = qr_read_u64(reader);
	ret_reply->tx_bytes = qr_read_u64(reader);
	ret_reply->acked_records = qr_read_u64(reader);
	ret_reply->busy_replies = qr_read_u64(reader);
	ret_reply->polls = qr_read_u64(reader);
	ret_reply->polls_empty = qr_read_u64(reader);
	ret_reply->retransmits = qr_read_u64(reader);
	ret_reply->damaged_entries = qr_read_u64(reader);
	ret_reply->repaired_entries = qr_read_u64(reader);
	ret_reply->scrubbed_bytes = qr_read_u64(reader);
	for (unsigned i = 0; i < WIRE_DROPS; i++)
		ret_reply->drops[i] = qr_read_u64(reader);
	for (unsigned i = 0; i < WIRE_STAGES; i++) {
		ret_reply->stages[i].count = qr_read_u64(reader);
		ret_reply->stages[i].p50_ns = qr_read_u64(reader);
		ret_reply->stages[i].p99_ns = qr_read_u64(reader);
	}
}

void wire_put_status_reply(struct qr_writer *writer, const struct wire_status_reply *reply)
{
	uint8_t *header = wire_message_begin(writer, WIRE_STATUS_REPLY, 0);

	QR_ASSERT(reply->group_count <= WIRE_STATUS_GROUPS);

	qr_write_u64(writer, reply->request);
	qr_write_u8(writer, reply->node);
	qr_write_u8(writer, reply->core);
	qr_write_u8(writer, reply->cores);
	qr_write_u8(writer, reply->direct_io);
	qr_write_zeros(writer, 4);
	put_counters(writer, reply);
	qr_write_u32(writer, reply->total);
	qr_write_u32(writer, reply->first);
	qr_write_u32(writer, reply->group_count);
	for (uint32_t i = 0; i < reply->group_count; i++)
		put_group(writer, &reply->groups[i]);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_status_reply(const struct wire_message *message,
				    struct wire_status_reply *ret_reply)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_status_reply reply = {0};

	QR_ASSERT(message->type == WIRE_STATUS_REPLY);

	reply.request = qr_read_u64(&reader);
	reply.node = wire_read_node(&reader);
	reply.core = qr_read_u8(&reader);
	reply.cores = qr_read_u8(&reader);
	reply.direct_io = wire_read_bool(&reader);
	wire_read_zeros(&reader, 4);
	get_counters(&reader, &reply);
	reply.total = qr_read_u32(&reader);
	reply.first = qr_read_u32(&reader);
	reply.group_count = qr_read_u32(&reader);
	wire_require(&reader, reply.group_count <= WIRE_STATUS_GROUPS);
	if (reader.failed) /* the count among it: it bounds the loop */
		return QR_MALFORMED;
	for (uint32_t i = 0; i < reply.group_count; i++)
		get_group(&reader, &reply.groups[i]);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_reply = reply;
	return QR_OK;
}
