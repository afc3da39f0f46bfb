/* Any bytes as an entry where one is expected, and its payload as chunks and session changes. */
#include "consensus/base/assert.h"
#include "storage/format/entry.h"
#include "tests/fuzz/fuzz.h"

#define BLOCKS 4

static _Alignas(QR_BLOCK_BYTES) uint8_t bytes[BLOCKS * QR_BLOCK_BYTES];

static void walk_chunks(const uint8_t *data, size_t size_bytes)
{
	struct qr_reader reader = qr_reader_over(data, size_bytes);
	struct store_chunk chunk;
	struct qr_span body;
	size_t seen = 0;

	while (store_chunk_next(&reader, &chunk, &body) == QR_OK) {
		QR_ASSERT(body.data >= data && body.data + body.size_bytes <= data + size_bytes);
		seen += store_chunk_bytes(chunk.body_bytes);
		QR_ASSERT(seen <= size_bytes);
	}
}

static void walk_changes(const uint8_t *data, size_t size_bytes)
{
	struct qr_reader reader = qr_reader_over(data, size_bytes);
	struct store_session_change change;
	size_t seen = 0;

	while (store_session_change_next(&reader, &change) == QR_OK)
		seen += STORE_SESSION_CHANGE_BYTES;
	QR_ASSERT(seen <= size_bytes);
}

/** Make both checksums right, so that what lies behind them is reached too. */
static void mend(void)
{
	uint32_t payload_bytes;
	uint32_t crc;

	memcpy(&payload_bytes, bytes + 28, sizeof(payload_bytes));
	if (payload_bytes <= sizeof(bytes) - STORE_ENTRY_HEADER_BYTES) {
		crc = qr_crc32c(0, bytes + STORE_ENTRY_HEADER_BYTES, payload_bytes);
		memcpy(bytes + 12, &crc, sizeof(crc));
	}
	memset(bytes + 8, 0, sizeof(crc));
	crc = qr_crc32c(0, bytes, STORE_ENTRY_HEADER_BYTES);
	memcpy(bytes + 8, &crc, sizeof(crc));
}

static void examine(void)
{
	struct store_entry entry;
	struct store_entry again;
	struct store_expected expected;

	if (store_entry_decode(bytes, &entry) != QR_OK)
		return;
	expected = (struct store_expected){.cluster = entry.cluster,
					   .group = entry.group,
					   .index = entry.index,
					   .term_min = entry.term,
					   .block = entry.block,
					   .blocks_max = BLOCKS};
	if (store_entry_verify(bytes, &expected, &again) != QR_OK)
		return;
	QR_ASSERT(again.blocks <= BLOCKS && store_entry_bytes(&again) <= sizeof(bytes));
	walk_chunks(bytes + STORE_ENTRY_HEADER_BYTES, again.payload_bytes);
	walk_changes(bytes + STORE_ENTRY_HEADER_BYTES, again.payload_bytes);
	/* What decodes encodes to the same bytes. */
	{
		uint8_t header[STORE_ENTRY_HEADER_BYTES];

		store_entry_encode(header, &again);
		QR_ASSERT(memcmp(header, bytes, sizeof(header)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	walk_chunks(data, size_bytes);
	walk_changes(data, size_bytes);
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, data, size_bytes < sizeof(bytes) ? size_bytes : sizeof(bytes));
	examine();
	mend();
	examine();
	return 0;
}
