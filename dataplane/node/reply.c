/*
 * Small answers to clients: kept as values until a turn has a buffer for them. Too many at once are
 * dropped: every request can be repeated.
 */
#include "dataplane/node/internal.h"
#include "dataplane/node/probe.h"

struct dp_reply *dp_reply_post(struct dp_core *core, enum dp_reply_kind kind, qr_group group,
			       struct dp_address to)
{
	struct dp_reply *reply;

	if (core->reply_count == DP_REPLIES_MAX)
		return NULL;
	reply = &core->replies[(core->reply_head + core->reply_count++) % DP_REPLIES_MAX];
	reply->kind = kind;
	reply->group = group;
	reply->to = to;
	return reply;
}

static void put_chunk_reply(struct qr_writer *writer, const struct dp_reply *reply)
{
	struct wire_chunk_reply chunk;

	chunk.session = reply->chunk.session;
	chunk.status = reply->chunk.status;
	chunk.leader = reply->chunk.leader;
	chunk.retry_us = reply->chunk.retry_us;
	chunk.sequence = reply->chunk.sequence;
	chunk.expected = reply->chunk.expected;
	chunk.answer_count = 0;
	wire_put_chunk_reply(writer, reply->group, &chunk);
}

static void put_status(struct dp_core *core, struct qr_writer *writer, const struct dp_reply *reply)
{
	struct wire_status_reply status;

	dp_status_fill(core, &reply->status, qr_writer_left(writer) - WIRE_MESSAGE_HEADER_BYTES,
		       &status);
	wire_put_status_reply(writer, &status);
}

static void put_description(struct dp_core *core, struct qr_writer *writer,
			    const struct dp_reply *reply)
{
	struct wire_description description;

	dp_status_describe(core, &reply->describe, &description);
	wire_put_description(writer, &description);
}

static void put(struct dp_core *core, struct qr_writer *writer, const struct dp_reply *reply)
{
	switch (reply->kind) {
	case DP_REPLY_SESSION:
		wire_put_session_reply(writer, reply->group, &reply->session);
		break;
	case DP_REPLY_CHUNK:
		put_chunk_reply(writer, reply);
		break;
	case DP_REPLY_TAIL:
		wire_put_tail_reply(writer, reply->group, &reply->tail);
		break;
	case DP_REPLY_RECORDS:
		wire_put_records(writer, reply->group, &reply->records);
		break;
	case DP_REPLY_DESCRIPTION:
		put_description(core, writer, reply);
		break;
	case DP_REPLY_STATUS:
		put_status(core, writer, reply);
		break;
	}
}

static bool flush_one(struct dp_core *core)
{
	const struct dp_reply *reply = &core->replies[core->reply_head];
	struct qr_writer writer;
	struct dp_tx *tx = dp_core_tx_begin(core, &writer);

	if (tx == NULL)
		return false;
	put(core, &writer, reply);
	tx->to = reply->to;
	core->reply_head = (core->reply_head + 1) % DP_REPLIES_MAX;
	core->reply_count--;
	dp_core_tx_finish(core, tx, &writer);
	return true;
}

/** Answers to appends: many chunks of a session share a datagram. */
static bool flush_answers(struct dp_core *core, struct dp_group *group)
{
	struct wire_chunk_reply reply;
	struct dp_address to;

	while (dp_sessions_has_reply(group->sessions)) {
		struct qr_writer writer;
		struct dp_tx *tx = dp_core_tx_begin(core, &writer);

		if (tx == NULL)
			return false;
		if (!dp_sessions_next_reply(group->sessions, DP_ANSWERS_PER_REPLY, &reply, &to))
			break;
		wire_put_chunk_reply(&writer, group->config->group, &reply);
		tx->to = to;
		dp_core_tx_finish(core, tx, &writer);
		qr_histogram_record(&core->stats.stages[WIRE_STAGE_ACK],
				    core->now_ns - group->committed_ns);
		DP_PROBE_ACK(group->config->group, reply.answer_count,
			     core->now_ns - group->committed_ns);
	}
	return true;
}

void dp_reply_flush(struct dp_core *core)
{
	for (uint32_t g = 0; g < core->group_count; g++) {
		if (core->groups[g].dirty && dp_group_is_leader(&core->groups[g]) &&
		    !flush_answers(core, &core->groups[g]))
			return;
	}
	while (core->reply_count != 0 && flush_one(core))
		continue;
}
