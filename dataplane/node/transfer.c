/*
 * Bytes that a peer has and this node lacks, an entry or a snapshot's file, piece by piece: one
 * piece is on its way, and what is lost of it is asked for again. What they are worth is for the
 * caller to say, once all of them are here.
 */
#include "dataplane/node/internal.h"

void dp_transfer_begin(const struct dp_core *core, struct dp_transfer *transfer, qr_node peer)
{
	*transfer = (struct dp_transfer){.peer = peer, .at_ns = core->now_ns};
}

/** The newest entry that is known to be committed: who has it may not know. */
static void tell_committed(const struct dp_group *group, struct wire_fetch *fetch)
{
	const struct store_prefix *settled = &store_log_slot(group->log)->settled;
	bool runs = group->phase == DP_PHASE_RUNNING;
	qr_index index = runs ? group->raft.commit : settled->index;
	qr_term term = runs ? raft_term_at(&group->raft, index) : settled->term;

	fetch->committed_index = term == 0 ? 0 : index;
	fetch->committed_term = term;
}

bool dp_transfer_ask(struct dp_core *core, struct dp_transfer *transfer,
		     const struct dp_group *group, struct wire_fetch fetch)
{
	const struct dp_peer *peer = dp_core_find_peer(core, transfer->peer);
	struct qr_writer writer;
	struct dp_tx *tx;

	fetch.offset = transfer->received_bytes;
	fetch.size_bytes = DP_FETCH_BYTES;
	tell_committed(group, &fetch);
	if (peer != NULL && !dp_core_link_is_down(core, transfer->peer)) {
		tx = dp_core_tx_begin_to(core, peer, &writer);
		if (tx == NULL)
			return false;
		wire_put_fetch(&writer, group->config->group, &fetch);
		dp_core_tx_finish(core, tx, &writer);
	}
	transfer->asks++;
	transfer->until_bytes = transfer->received_bytes + DP_FETCH_BYTES;
	transfer->at_ns = core->now_ns + DP_PATIENCE_TIMES * core->config.retransmit_min_ns;
	return true;
}

enum qr_error dp_transfer_take(const struct dp_core *core, struct dp_transfer *transfer,
			       const struct wire_fetched *fetched, uint8_t *memory,
			       size_t memory_bytes)
{
	if (fetched->offset != transfer->received_bytes)
		return QR_AGAIN; /* doubled, or one before it is lost: asked for again */
	if (transfer->received_bytes == 0) {
		transfer->block = fetched->block;
		transfer->size_bytes = fetched->entry_bytes;
	}
	if (fetched->entry_bytes != transfer->size_bytes || fetched->block != transfer->block ||
	    fetched->entry_bytes > memory_bytes)
		return QR_STALE;
	memcpy(memory + fetched->offset, fetched->bulk.data, fetched->bulk.size_bytes);
	transfer->received_bytes += (uint32_t)fetched->bulk.size_bytes;
	transfer->asks = 0;
	if (transfer->received_bytes == transfer->size_bytes)
		return QR_OK;
	if (transfer->received_bytes == transfer->until_bytes)
		transfer->at_ns = core->now_ns; /* the next piece */
	return QR_AGAIN;
}
