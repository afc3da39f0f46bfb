/*
 * STATUS: what one replication core knows of itself, for the CLI and for monitoring. Any client may
 * ask any core. Byte table: docs/formats/wire.md.
 */
#ifndef QR_WIRE_STATUS_H
#define QR_WIRE_STATUS_H

#include "consensus/wire/wire.h"

enum wire_stage {
	WIRE_STAGE_RX,
	WIRE_STAGE_BATCH,
	WIRE_STAGE_DISK,
	WIRE_STAGE_QUORUM,
	WIRE_STAGE_ACK
};
#define WIRE_STAGES 5

/** Why datagrams and messages were dropped: the names are in wire_drop_name. */
enum wire_drop {
	WIRE_DROP_MALFORMED,
	WIRE_DROP_VERSION,
	WIRE_DROP_CHECKSUM,
	WIRE_DROP_FOREIGN,
	WIRE_DROP_REPLAYED,
	WIRE_DROP_UNKNOWN_GROUP,
	WIRE_DROP_NOT_PEER,
	WIRE_DROP_STALE,
	WIRE_DROP_NO_ROOM,
	WIRE_DROPS
};

/** A word such as "malformed"; "unknown" for a value not in the list. */
const char *wire_drop_name(enum wire_drop drop);

#define WIRE_STATUS_GROUPS 8 /* groups in one reply; page with `first` */
#define WIRE_STATUS_PEERS 8

struct wire_status {
	uint64_t request;
	uint32_t first;
};

#define WIRE_ROLE_NON_VOTER 4 /* it has lost its hard state, and counts for nothing yet */

struct wire_status_peer {
	qr_node node;
	qr_index match; /* leader only: durable there */
	uint64_t lag_bytes;
	bool connected; /* heard within an election timeout */
};

struct wire_status_group {
	qr_group group;
	uint8_t role; /* enum raft_role, or WIRE_ROLE_NON_VOTER */
	qr_node leader;
	uint8_t condition; /* enum qr_error: OK, POISONED, CORRUPT, NO_SPACE */
	uint8_t durability;
	qr_term term;
	qr_index last;
	qr_index durable;
	qr_index commit;
	qr_offset start;    /* the first record that is kept */
	qr_offset end;	    /* one past the last committed record */
	uint64_t log_bytes; /* of the log from its start on */
	uint32_t sessions;
	uint64_t elections;
	uint32_t peer_count;
	struct wire_status_peer peers[WIRE_STATUS_PEERS];
};

struct wire_status_reply {
	uint64_t request;
	qr_node node;
	uint8_t core;
	uint8_t cores;
	uint8_t direct_io; /* 0: buffered, shown in every banner */
	uint64_t uptime_ns;
	uint64_t rx_datagrams;
	uint64_t tx_datagrams;
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	uint64_t acked_records;
	uint64_t busy_replies;
	uint64_t polls;
	uint64_t polls_empty;
	uint64_t retransmits;
	uint64_t damaged_entries;  /* that its disk had lost, */
	uint64_t repaired_entries; /* and that came back from a peer */
	uint64_t scrubbed_bytes;
	uint64_t drops[WIRE_DROPS];
	struct {
		uint64_t count;
		qr_ns p50_ns;
		qr_ns p99_ns;
	} stages[WIRE_STAGES];
	uint32_t total; /* groups on this core */
	uint32_t first;
	uint32_t group_count;
	struct wire_status_group groups[WIRE_STATUS_GROUPS];
};

/*
 * A reply with every group and peer exceeds WIRE_DATAGRAM_MIN (and an Ethernet frame): add groups
 * while WIRE_STATUS_REPLY_BYTES + their sizes fit, and let the asker page.
 */
#define WIRE_STATUS_REPLY_BYTES 324 /* without the groups */
#define WIRE_STATUS_GROUP_BYTES 80  /* without the peers */
#define WIRE_STATUS_PEER_BYTES 18
#define WIRE_STATUS_REPLY_BYTES_MAX                                                                \
	(WIRE_STATUS_REPLY_BYTES +                                                                 \
	 WIRE_STATUS_GROUPS *                                                                      \
		 (WIRE_STATUS_GROUP_BYTES + WIRE_STATUS_PEERS * WIRE_STATUS_PEER_BYTES))

void wire_put_status(struct qr_writer *writer, const struct wire_status *status);
QR_MUST_USE enum qr_error wire_get_status(const struct wire_message *message,
					  struct wire_status *ret_status);
void wire_put_status_reply(struct qr_writer *writer, const struct wire_status_reply *reply);
QR_MUST_USE enum qr_error wire_get_status_reply(const struct wire_message *message,
						struct wire_status_reply *ret_reply);

#endif
