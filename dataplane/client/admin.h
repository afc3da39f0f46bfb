/*
 * What operators' tools ask beyond the public interface.
 */
#ifndef DP_CLIENT_ADMIN_H
#define DP_CLIENT_ADMIN_H

#include "consensus/wire/client.h"
#include "dataplane/client/quorate.h"

/** Which core of which node. */
struct dp_admin_target {
	qr_node node; /* one that quorate_describe named */
	uint8_t core;
	uint32_t first; /* groups from this position on: page while first + group_count < total */
	uint32_t timeout_ms;
};

/**
 * The status of one replication core.
 * @return QUORATE_OK or an enum quorate_error: NOT_FOUND, TIMED_OUT, IO. Blocks for at most the
 *         timeout.
 */
int dp_admin_status(struct quorate_client *client, const struct dp_admin_target *target,
		    struct wire_status_reply *ret_status);

#endif
