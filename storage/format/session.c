/*
 * Session changes: the payload of a session entry is a sequence of these, 32 bytes each. Opening
 * and expiry go through the log, so that every replica has the same sessions at the same index.
 */
#include "consensus/base/assert.h"
#include "storage/format/entry.h"
#include "storage/format/put.h"

#define OP_AT 0 /* one byte, then seven zeros */
#define SESSION_AT 8
#define NONCE_AT 16

_Static_assert(NONCE_AT + 16 == STORE_SESSION_CHANGE_BYTES, "nothing between the fields");

void store_session_change_encode(uint8_t bytes[STORE_SESSION_CHANGE_BYTES],
				 const struct store_session_change *change)
{
	QR_ASSERT(change->op == STORE_SESSION_OPEN || change->op == STORE_SESSION_EXPIRE);
	store_put_u64(bytes + OP_AT, (uint64_t)change->op);
	store_put_u64(bytes + SESSION_AT, change->session);
	store_put_u64(bytes + NONCE_AT, change->nonce[0]);
	store_put_u64(bytes + NONCE_AT + 8, change->nonce[1]);
}

enum qr_error store_session_change_next(struct qr_reader *payload,
					struct store_session_change *ret_change)
{
	struct store_session_change change = {0};
	uint64_t op;

	if (!payload->failed && qr_reader_left(payload) == 0)
		return QR_AGAIN;
	op = qr_read_u64(payload); /* the op and its seven zero bytes */
	change.session = qr_read_u64(payload);
	change.nonce[0] = qr_read_u64(payload);
	change.nonce[1] = qr_read_u64(payload);
	if (payload->failed || (op != STORE_SESSION_OPEN && op != STORE_SESSION_EXPIRE))
		return QR_MALFORMED;
	change.op = (enum store_session_op)op;
	*ret_change = change;
	return QR_OK;
}
