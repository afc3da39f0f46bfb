/*
 * The payload of a trim entry: where the log begins from then on. It goes through the log, so that
 * every replica comes to the same start at the same index.
 */
#include "storage/format/entry.h"
#include "storage/format/put.h"

#define SEGMENT_AT 0
#define BEFORE_AT 8
#define OFFSET_AT 16

_Static_assert(OFFSET_AT + 8 == STORE_TRIM_BYTES, "nothing between the fields");

void store_trim_encode(uint8_t bytes[STORE_TRIM_BYTES], const struct store_start *start)
{
	store_put_u64(bytes + SEGMENT_AT, start->segment);
	store_put_u64(bytes + BEFORE_AT, start->before);
	store_put_u64(bytes + OFFSET_AT, start->offset);
}

enum qr_error store_trim_decode(struct qr_span payload, struct store_start *ret_start)
{
	struct qr_reader reader = qr_reader_over(payload.data, payload.size_bytes);

	if (payload.size_bytes != STORE_TRIM_BYTES)
		return QR_MALFORMED;
	ret_start->segment = qr_read_u64(&reader);
	ret_start->before = qr_read_u64(&reader);
	ret_start->offset = qr_read_u64(&reader);
	return QR_OK;
}
