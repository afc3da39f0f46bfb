#include "tests/unit/wire/sample.h"

const enum wire_type sample_types[SAMPLE_TYPES] = {
	WIRE_RAFT,	   WIRE_FRAGMENT,      WIRE_ACK,	WIRE_DESCRIBE,	  WIRE_DESCRIPTION,
	WIRE_SESSION_OPEN, WIRE_SESSION_REPLY, WIRE_CHUNK,	WIRE_CHUNK_REPLY, WIRE_READ,
	WIRE_RECORDS,	   WIRE_TAIL,	       WIRE_TAIL_REPLY, WIRE_STATUS,	  WIRE_STATUS_REPLY,
	WIRE_FETCH,	   WIRE_FETCHED,
};

static uint8_t bulk_bytes[SAMPLE_BULK_MAX];

static uint64_t any(struct qr_prng *prng)
{
	return qr_prng_next(prng) >> qr_prng_below(prng, 64);
}

static uint32_t any32(struct qr_prng *prng)
{
	return (uint32_t)qr_prng_next(prng);
}

static unsigned up_to(struct qr_prng *prng, unsigned max)
{
	return (unsigned)qr_prng_below(prng, (uint64_t)max + 1);
}

static qr_node any_node(struct qr_prng *prng)
{
	return (qr_node)up_to(prng, QR_NODE_MAX);
}

static struct qr_span any_bulk(struct qr_prng *prng, unsigned min)
{
	size_t size_bytes = min + up_to(prng, SAMPLE_BULK_MAX - min);

	for (size_t i = 0; i < size_bytes; i++)
		bulk_bytes[i] = (uint8_t)qr_prng_next(prng);
	return (struct qr_span){bulk_bytes, size_bytes};
}

static enum qr_error any_error(struct qr_prng *prng)
{
	enum qr_error status = (enum qr_error)up_to(prng, QR_ERROR_COUNT - 1);

	return status == QR_AGAIN ? QR_BUSY : status; /* no answer says AGAIN */
}

void sample_raft(struct qr_prng *prng, struct raft_message *ret_message)
{
	*ret_message = (struct raft_message){
		.kind = (enum raft_message_kind)(1 + up_to(prng, RAFT_MESSAGE_MAX - 1)),
		.term = any(prng),
		.index = any(prng) / 2,
		.log_term = any(prng),
		.commit = any(prng),
		.next_term = any(prng),
		.reject = up_to(prng, 1) != 0,
		.transfer = up_to(prng, 1) != 0,
		.full = up_to(prng, 1) != 0,
		.amnesia = up_to(prng, 1) != 0,
		.hint_index = any(prng),
		.hint_term = any(prng),
		.round = any(prng),
	};
	ret_message->last = ret_message->index + up_to(prng, 10);
}

void sample_fragment(struct qr_prng *prng, struct wire_fragment *ret_fragment)
{
	*ret_fragment = (struct wire_fragment){
		.term = any(prng),
		.index = any(prng),
		.entry_term = any(prng),
		.prev_term = any(prng),
		.block = any(prng),
		.commit = any(prng),
		.offset = up_to(prng, 1 << 20),
		.sent_ns = any(prng),
		.bulk = any_bulk(prng, 1),
	};
	ret_fragment->entry_bytes =
		ret_fragment->offset + (uint32_t)ret_fragment->bulk.size_bytes + up_to(prng, 99);
}

static void sample_fetch(struct qr_prng *prng, struct wire_fetch *ret_fetch)
{
	*ret_fetch = (struct wire_fetch){
		.index = 1 + any(prng) / 2,
		.block = any(prng),
		.offset = any32(prng),
		.size_bytes = any32(prng) | 1,
	};
	if (up_to(prng, 3) == 0)
		return;
	ret_fetch->committed_index = any(prng) | 1;
	ret_fetch->committed_term = any(prng) | 1;
}

static void sample_fetched(struct qr_prng *prng, struct wire_fetched *ret_fetched)
{
	*ret_fetched = (struct wire_fetched){
		.index = any(prng),
		.block = any(prng),
		.entry_bytes = any32(prng),
		.offset = up_to(prng, 1 << 20),
		.status = up_to(prng, 3) == 0 ? any_error(prng) : QR_OK,
	};
	if (ret_fetched->status != QR_OK)
		return;
	ret_fetched->bulk = any_bulk(prng, 1);
	ret_fetched->entry_bytes =
		ret_fetched->offset + (uint32_t)ret_fetched->bulk.size_bytes + up_to(prng, 99);
}

void sample_ack(struct qr_prng *prng, struct wire_ack *ret_ack)
{
	*ret_ack = (struct wire_ack){
		.term = any(prng),
		.received = any(prng),
		.received_bytes = any32(prng),
		.credit = any(prng),
		.echo_ns = any(prng),
		.missing_count = up_to(prng, WIRE_MISSING_MAX),
	};
	for (uint32_t i = 0; i < ret_ack->missing_count; i++) {
		ret_ack->missing[i].index = any(prng);
		ret_ack->missing[i].from = any32(prng) / 2;
		if (up_to(prng, 3) != 0) {
			ret_ack->missing[i].until =
				ret_ack->missing[i].from + 1 + up_to(prng, 9999);
		}
	}
}

void sample_description(struct qr_prng *prng, struct wire_description *ret_description)
{
	*ret_description = (struct wire_description){
		.request = any(prng),
		.first = up_to(prng, 1000),
		.partition_count = up_to(prng, WIRE_DESCRIPTION_PARTITIONS),
		.node_count = up_to(prng, WIRE_DESCRIPTION_NODES),
	};
	ret_description->total =
		ret_description->first + ret_description->partition_count + up_to(prng, 9);
	for (uint32_t i = 0; i < ret_description->partition_count; i++) {
		struct wire_partition *partition = &ret_description->partitions[i];

		partition->group = any32(prng);
		partition->partition = any32(prng);
		partition->leader = any_node(prng);
		partition->replicas = qr_prng_next(prng) & ~(uint64_t)1;
		partition->durability = (uint8_t)up_to(prng, WIRE_DURABLE_MEMORY);
		for (unsigned j = up_to(prng, WIRE_NAME_MAX - 1) + 1; j-- > 0;)
			partition->name[j] = (char)('a' + up_to(prng, 25));
	}
	for (uint32_t i = 0; i < ret_description->node_count; i++) {
		struct wire_endpoint *node = &ret_description->nodes[i];

		/* Each once, in no particular order. */
		node->node = (qr_node)(1 + (i * 5 + ret_description->total) % QR_NODE_MAX);
		node->cores = (uint8_t)(1 + up_to(prng, 254));
		node->port = (uint16_t)up_to(prng, 60000);
		node->ipv4 = any32(prng);
	}
}

void sample_session_reply(struct qr_prng *prng, struct wire_session_reply *ret_reply)
{
	*ret_reply = (struct wire_session_reply){
		.nonce = {any(prng), any(prng)},
		.status = any_error(prng),
		.leader = any_node(prng),
		.retry_us = any32(prng),
		.session = any(prng),
		.window_chunks = 1 + up_to(prng, WIRE_WINDOW_CHUNKS - 1),
		.record_max_bytes = any32(prng),
		.chunk_max_bytes = any32(prng),
	};
}

void sample_chunk(struct qr_prng *prng, struct wire_chunk *ret_chunk)
{
	*ret_chunk = (struct wire_chunk){
		.session = any(prng),
		.sequence = any(prng) / 2,
		.count = 1,
		.crc = any32(prng),
		.time_ns = any(prng),
		.offset = up_to(prng, 100000),
		.kind = (enum wire_chunk_kind)up_to(prng, WIRE_CHUNK_OPAQUE),
		.bulk = any_bulk(prng, 4),
	};
	ret_chunk->total_bytes =
		ret_chunk->offset + (uint32_t)ret_chunk->bulk.size_bytes + up_to(prng, 9);
	ret_chunk->count += up_to(prng, ret_chunk->total_bytes / 4 - 1);
}

void sample_chunk_reply(struct qr_prng *prng, struct wire_chunk_reply *ret_reply)
{
	*ret_reply = (struct wire_chunk_reply){
		.session = any(prng),
		.status = any_error(prng),
		.leader = any_node(prng),
		.retry_us = any32(prng),
		.sequence = any(prng),
		.expected = any(prng),
		.answer_count = up_to(prng, WIRE_ANSWERS_MAX),
	};
	for (uint32_t i = 0; i < ret_reply->answer_count; i++) {
		ret_reply->answers[i] = (struct wire_answer){
			.sequence = any(prng) / 2,
			.count = 1 + up_to(prng, 1000),
			.offset = any(prng) / 2,
		};
	}
}

void sample_records(struct qr_prng *prng, struct wire_records *ret_records)
{
	*ret_records = (struct wire_records){
		.request = any(prng),
		.status = any_error(prng),
		.offset = any(prng) / 2,
		.kind = (enum wire_chunk_kind)up_to(prng, WIRE_CHUNK_OPAQUE),
		.last = up_to(prng, 1) != 0,
		.slice = any32(prng),
		.committed = any(prng),
		.count = up_to(prng, 3) != 0,
	};
	if (ret_records->count == 0)
		return;
	ret_records->bulk = any_bulk(prng, 4);
	if (up_to(prng, 1) != 0) {
		ret_records->piece_offset = up_to(prng, 100000);
		ret_records->piece_total = ret_records->piece_offset +
					   (uint32_t)ret_records->bulk.size_bytes + up_to(prng, 9);
	} else {
		ret_records->count += up_to(prng, (unsigned)ret_records->bulk.size_bytes / 4 - 1);
	}
}

void sample_tail_reply(struct qr_prng *prng, struct wire_tail_reply *ret_reply)
{
	*ret_reply = (struct wire_tail_reply){
		.request = any(prng),
		.status = any_error(prng),
		.leader = any_node(prng),
		.start = any(prng) / 2,
	};
	ret_reply->end = ret_reply->start + up_to(prng, 100000);
}

static void sample_group(struct qr_prng *prng, struct wire_status_group *ret_group)
{
	*ret_group = (struct wire_status_group){
		.group = any32(prng),
		.role = (uint8_t)up_to(prng, RAFT_LEADER),
		.leader = any_node(prng),
		.condition = (uint8_t)any_error(prng),
		.durability = (uint8_t)up_to(prng, WIRE_DURABLE_MEMORY),
		.term = any(prng),
		.last = any(prng),
		.durable = any(prng),
		.commit = any(prng),
		.start = any(prng),
		.end = any(prng),
		.log_bytes = any(prng),
		.sessions = any32(prng),
		.elections = any(prng),
		.peer_count = up_to(prng, WIRE_STATUS_PEERS),
	};
	for (uint32_t i = 0; i < ret_group->peer_count; i++) {
		ret_group->peers[i] = (struct wire_status_peer){
			.node = any_node(prng),
			.match = any(prng),
			.lag_bytes = any(prng),
			.connected = up_to(prng, 1) != 0,
		};
	}
}

void sample_status_reply(struct qr_prng *prng, struct wire_status_reply *ret_reply)
{
	*ret_reply = (struct wire_status_reply){
		.request = any(prng),
		.node = any_node(prng),
		.core = (uint8_t)any32(prng),
		.cores = (uint8_t)any32(prng),
		.direct_io = (uint8_t)up_to(prng, 1),
		.uptime_ns = any(prng),
		.rx_datagrams = any(prng),
		.tx_datagrams = any(prng),
		.rx_bytes = any(prng),
		.tx_bytes = any(prng),
		.acked_records = any(prng),
		.busy_replies = any(prng),
		.polls = any(prng),
		.polls_empty = any(prng),
		.retransmits = any(prng),
		.damaged_entries = any(prng),
		.repaired_entries = any(prng),
		.scrubbed_bytes = any(prng),
		.total = any32(prng),
		.first = any32(prng),
		.group_count = up_to(prng, WIRE_STATUS_GROUPS),
	};
	for (unsigned i = 0; i < WIRE_DROPS; i++)
		ret_reply->drops[i] = any(prng);
	for (unsigned i = 0; i < WIRE_STAGES; i++) {
		ret_reply->stages[i].count = any(prng);
		ret_reply->stages[i].p50_ns = any(prng);
		ret_reply->stages[i].p99_ns = any(prng);
	}
	for (uint32_t i = 0; i < ret_reply->group_count; i++)
		sample_group(prng, &ret_reply->groups[i]);
}

/* Decoded forms of every type, so that one function can put any of them. */
union anything {
	struct raft_message raft;
	struct wire_fragment fragment;
	struct wire_ack ack;
	struct wire_describe describe;
	struct wire_description description;
	struct wire_session_open open;
	struct wire_session_reply session;
	struct wire_chunk chunk;
	struct wire_chunk_reply answers;
	struct wire_read read;
	struct wire_records records;
	struct wire_tail tail;
	struct wire_tail_reply tail_reply;
	struct wire_status status;
	struct wire_status_reply status_reply;
	struct wire_fetch fetch;
	struct wire_fetched fetched;
};

static void put_peer(struct qr_writer *writer, enum wire_type type, qr_group group,
		     const union anything *it)
{
	if (type == WIRE_RAFT) {
		wire_put_raft(writer, group, &it->raft);
	} else if (type == WIRE_ACK) {
		wire_put_ack(writer, group, &it->ack);
	} else if (type == WIRE_FETCH) {
		wire_put_fetch(writer, group, &it->fetch);
	} else if (type == WIRE_FETCHED) {
		wire_put_fetched(writer, group, &it->fetched);
		qr_write_bytes(writer, it->fetched.bulk.data, it->fetched.bulk.size_bytes);
	} else {
		wire_put_fragment(writer, group, &it->fragment);
		qr_write_bytes(writer, it->fragment.bulk.data, it->fragment.bulk.size_bytes);
	}
}

static void put_anything(struct qr_writer *writer, enum wire_type type, qr_group group,
			 const union anything *it)
{
	switch (type) {
	case WIRE_RAFT:
	case WIRE_FRAGMENT:
	case WIRE_ACK:
	case WIRE_FETCH:
	case WIRE_FETCHED:
		put_peer(writer, type, group, it);
		break;
	case WIRE_DESCRIBE:
		wire_put_describe(writer, &it->describe);
		break;
	case WIRE_DESCRIPTION:
		wire_put_description(writer, &it->description);
		break;
	case WIRE_SESSION_OPEN:
		wire_put_session_open(writer, group, &it->open);
		break;
	case WIRE_SESSION_REPLY:
		wire_put_session_reply(writer, group, &it->session);
		break;
	case WIRE_CHUNK:
		wire_put_chunk(writer, group, &it->chunk);
		qr_write_bytes(writer, it->chunk.bulk.data, it->chunk.bulk.size_bytes);
		break;
	case WIRE_CHUNK_REPLY:
		wire_put_chunk_reply(writer, group, &it->answers);
		break;
	case WIRE_READ:
		wire_put_read(writer, group, &it->read);
		break;
	case WIRE_RECORDS:
		wire_put_records(writer, group, &it->records);
		qr_write_bytes(writer, it->records.bulk.data, it->records.bulk.size_bytes);
		break;
	case WIRE_TAIL:
		wire_put_tail(writer, group, &it->tail);
		break;
	case WIRE_TAIL_REPLY:
		wire_put_tail_reply(writer, group, &it->tail_reply);
		break;
	case WIRE_STATUS:
		wire_put_status(writer, &it->status);
		break;
	case WIRE_STATUS_REPLY:
		wire_put_status_reply(writer, &it->status_reply);
		break;
	}
}

void sample_put(struct qr_writer *writer, enum wire_type type, struct qr_prng *prng)
{
	static union anything it;

	memset(&it, 0, sizeof(it));
	switch (type) {
	case WIRE_RAFT:
		sample_raft(prng, &it.raft);
		break;
	case WIRE_FRAGMENT:
		sample_fragment(prng, &it.fragment);
		break;
	case WIRE_ACK:
		sample_ack(prng, &it.ack);
		break;
	case WIRE_FETCH:
		sample_fetch(prng, &it.fetch);
		break;
	case WIRE_FETCHED:
		sample_fetched(prng, &it.fetched);
		break;
	case WIRE_DESCRIPTION:
		sample_description(prng, &it.description);
		break;
	case WIRE_SESSION_OPEN:
		it.open.nonce[0] = any(prng);
		it.open.nonce[1] = any(prng);
		it.open.ticket = any_bulk(prng, 0);
		if (it.open.ticket.size_bytes > WIRE_TICKET_MAX)
			it.open.ticket.size_bytes = WIRE_TICKET_MAX;
		break;
	case WIRE_SESSION_REPLY:
		sample_session_reply(prng, &it.session);
		break;
	case WIRE_CHUNK:
		sample_chunk(prng, &it.chunk);
		break;
	case WIRE_CHUNK_REPLY:
		sample_chunk_reply(prng, &it.answers);
		break;
	case WIRE_READ:
		it.read = (struct wire_read){any(prng), any(prng), any32(prng), any32(prng)};
		break;
	case WIRE_RECORDS:
		sample_records(prng, &it.records);
		break;
	case WIRE_TAIL_REPLY:
		sample_tail_reply(prng, &it.tail_reply);
		break;
	case WIRE_STATUS_REPLY:
		sample_status_reply(prng, &it.status_reply);
		break;
	case WIRE_DESCRIBE:
	case WIRE_TAIL:
	case WIRE_STATUS:
		it.describe = (struct wire_describe){any(prng), any32(prng)};
		break;
	}
	put_anything(writer, type, any32(prng), &it);
}

size_t sample_datagram(uint8_t *buffer, size_t size_bytes, enum wire_type type,
		       struct qr_prng *prng)
{
	struct qr_writer writer = qr_writer_over(buffer, size_bytes);
	bool client = up_to(prng, 1) != 0;
	struct wire_header header = {
		.source = client ? WIRE_FROM_CLIENT : WIRE_FROM_PEER,
		.from = client ? 0 : (qr_node)(1 + up_to(prng, QR_NODE_MAX - 1)),
		.to = any_node(prng),
		.cluster = any(prng),
		.incarnation = any32(prng),
		.counter = any(prng),
	};

	wire_begin(&writer);
	sample_put(&writer, type, prng);
	return wire_finish(&writer, &header);
}

static enum qr_error get_peer(const struct wire_message *message, union anything *ret_it)
{
	if (message->type == WIRE_RAFT)
		return wire_get_raft(message, &ret_it->raft);
	if (message->type == WIRE_ACK)
		return wire_get_ack(message, &ret_it->ack);
	if (message->type == WIRE_FETCH)
		return wire_get_fetch(message, &ret_it->fetch);
	if (message->type == WIRE_FETCHED)
		return wire_get_fetched(message, &ret_it->fetched);
	return wire_get_fragment(message, &ret_it->fragment);
}

static enum qr_error get_anything(const struct wire_message *message, union anything *ret_it)
{
	switch (message->type) {
	case WIRE_RAFT:
	case WIRE_FRAGMENT:
	case WIRE_ACK:
	case WIRE_FETCH:
	case WIRE_FETCHED:
		return get_peer(message, ret_it);
	case WIRE_DESCRIBE:
		return wire_get_describe(message, &ret_it->describe);
	case WIRE_DESCRIPTION:
		return wire_get_description(message, &ret_it->description);
	case WIRE_SESSION_OPEN:
		return wire_get_session_open(message, &ret_it->open);
	case WIRE_SESSION_REPLY:
		return wire_get_session_reply(message, &ret_it->session);
	case WIRE_CHUNK:
		return wire_get_chunk(message, &ret_it->chunk);
	case WIRE_CHUNK_REPLY:
		return wire_get_chunk_reply(message, &ret_it->answers);
	case WIRE_READ:
		return wire_get_read(message, &ret_it->read);
	case WIRE_RECORDS:
		return wire_get_records(message, &ret_it->records);
	case WIRE_TAIL:
		return wire_get_tail(message, &ret_it->tail);
	case WIRE_TAIL_REPLY:
		return wire_get_tail_reply(message, &ret_it->tail_reply);
	case WIRE_STATUS:
		return wire_get_status(message, &ret_it->status);
	case WIRE_STATUS_REPLY:
		return wire_get_status_reply(message, &ret_it->status_reply);
	}
	return QR_MALFORMED;
}

enum qr_error sample_reencode(const struct wire_message *message, struct qr_writer *writer)
{
	static union anything it;
	enum qr_error error;

	memset(&it, 0, sizeof(it));
	error = get_anything(message, &it);
	if (error == QR_OK)
		put_anything(writer, message->type, message->group, &it);
	return error;
}
