/*
 * Any bytes as a datagram. The checksum is mended first, or nothing would ever get past it. What is
 * accepted must encode to the bytes it came from.
 */
#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire/sample.h"

#include <stdlib.h>

static void check_messages(struct qr_reader *messages)
{
	static uint8_t again[WIRE_DATAGRAM_MAX];
	struct wire_message message;

	while (wire_next(messages, &message) == QR_OK) {
		struct qr_writer writer = qr_writer_over(again, sizeof(again));

		if (sample_reencode(&message, &writer) != QR_OK)
			continue;
		QR_ASSERT(!writer.failed);
		QR_ASSERT(qr_writer_size(&writer) ==
			  WIRE_MESSAGE_HEADER_BYTES + message.body.size_bytes);
		QR_ASSERT(memcmp(again + WIRE_MESSAGE_HEADER_BYTES, message.body.data,
				 message.body.size_bytes) == 0);
	}
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct wire_header header;
	struct qr_reader messages;
	uint8_t *bytes;

	if (wire_open((struct qr_span){data, size_bytes}, &header, &messages) == QR_OK)
		check_messages(&messages);
	if (size_bytes < WIRE_HEADER_BYTES || size_bytes > WIRE_DATAGRAM_MAX)
		return 0;

	bytes = malloc(size_bytes); /* of the exact size: a byte read beyond it is seen */
	if (bytes == NULL)
		return 0;
	fuzz_mend_datagram(bytes, data, size_bytes);
	if (wire_open((struct qr_span){bytes, size_bytes}, &header, &messages) == QR_OK)
		check_messages(&messages);
	free(bytes);
	return 0;
}
