/*
 * The header of an entry: its byte layout, and what makes it, or a whole entry, valid.
 *
 * The offsets below are the format. They are the same on disk, in the window and on the wire, so
 * they never change within a version. Magic, version and the rule of the header's checksum (CRC32C
 * of 128 bytes with bytes 8..11 taken as zero) are the same in every version: a reader can always
 * tell a damaged header from one of another version.
 *
 * A crash in the middle of a write leaves some 512-byte sectors new and some old. The header lies
 * in the first sector of its block; the payload's checksum is in it; so an entry is valid exactly
 * when every one of its sectors has arrived.
 */
#include "storage/format/entry.h"

#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "storage/format/put.h"
#include "storage/format/zero.h"

#include <string.h>

#define MAGIC_AT 0
#define VERSION_AT 4
#define KIND_AT 6
#define FLAGS_AT 7
#define HEADER_CRC_AT 8
#define PAYLOAD_CRC_AT 12
#define CLUSTER_AT 16
#define GROUP_AT 24
#define PAYLOAD_BYTES_AT 28
#define INDEX_AT 32
#define TERM_AT 40
#define BLOCK_AT 48
#define BLOCKS_AT 56
#define RECORD_COUNT_AT 60
#define FIRST_OFFSET_AT 64
#define CHAIN_AT 72
#define COMMIT_AT 80
#define TIME_AT 88
#define RESERVED_AT 96
#define RESERVED_BYTES (STORE_ENTRY_HEADER_BYTES - RESERVED_AT)

_Static_assert(HEADER_CRC_AT == VERSION_AT + 4, "version, kind and flags fill four bytes");
_Static_assert(INDEX_AT % 8 == 0 && FIRST_OFFSET_AT % 8 == 0, "u64 fields lie aligned");
_Static_assert(RESERVED_AT == TIME_AT + 8 && RESERVED_BYTES == 32, "nothing between the fields");
_Static_assert(STORE_ENTRY_HEADER_BYTES <= 512, "the header lies in one sector");
_Static_assert(STORE_ENTRY_HEADER_BYTES % STORE_CHUNK_ALIGN_BYTES == 0, "chunks lie aligned");
_Static_assert(RAFT_ENTRY_DATA == 1 && RAFT_ENTRY_TRIM == 5, "kinds are stored: never renumber");

void store_entry_encode(uint8_t bytes[STORE_ENTRY_HEADER_BYTES], const struct store_entry *entry)
{
	QR_ASSERT(entry->index > 0 && entry->term > 0 && entry->commit < entry->index);
	QR_ASSERT(entry->blocks == qr_blocks_for(store_entry_bytes(entry)));

	store_put_u32(bytes + MAGIC_AT, STORE_ENTRY_MAGIC);
	store_put_u16(bytes + VERSION_AT, STORE_FORMAT_VERSION);
	bytes[KIND_AT] = (uint8_t)entry->kind;
	bytes[FLAGS_AT] = 0;
	store_put_u32(bytes + HEADER_CRC_AT, 0);
	store_put_u32(bytes + PAYLOAD_CRC_AT, entry->payload_crc);
	store_put_u64(bytes + CLUSTER_AT, entry->cluster);
	store_put_u32(bytes + GROUP_AT, entry->group);
	store_put_u32(bytes + PAYLOAD_BYTES_AT, entry->payload_bytes);
	store_put_u64(bytes + INDEX_AT, entry->index);
	store_put_u64(bytes + TERM_AT, entry->term);
	store_put_u64(bytes + BLOCK_AT, entry->block);
	store_put_u32(bytes + BLOCKS_AT, entry->blocks);
	store_put_u32(bytes + RECORD_COUNT_AT, entry->record_count);
	store_put_u64(bytes + FIRST_OFFSET_AT, entry->first_offset);
	store_put_u64(bytes + CHAIN_AT, entry->chain);
	store_put_u64(bytes + COMMIT_AT, entry->commit);
	store_put_u64(bytes + TIME_AT, entry->time_ns);
	memset(bytes + RESERVED_AT, 0, RESERVED_BYTES);
	store_put_u32(bytes + HEADER_CRC_AT, qr_crc32c(0, bytes, STORE_ENTRY_HEADER_BYTES));
}

/** What a sound header can still get wrong: values that no writer of ours produces. */
static bool is_well_formed(const struct store_entry *entry)
{
	uint64_t bytes = (uint64_t)STORE_ENTRY_HEADER_BYTES + entry->payload_bytes;

	if (entry->kind < RAFT_ENTRY_DATA || entry->kind > RAFT_ENTRY_KIND_MAX)
		return false;
	if (entry->index == 0 || entry->term == 0 || entry->commit >= entry->index)
		return false;
	if (bytes > UINT32_MAX || entry->blocks != qr_blocks_for(bytes))
		return false;
	return entry->first_offset <= UINT64_MAX - entry->record_count &&
	       entry->block <= UINT64_MAX / QR_BLOCK_BYTES - entry->blocks;
}

uint64_t store_entry_time(const uint8_t bytes[STORE_ENTRY_HEADER_BYTES])
{
	struct qr_reader reader = qr_reader_over(bytes + TIME_AT, sizeof(uint64_t));

	return qr_read_u64(&reader);
}

enum qr_error store_entry_decode(const uint8_t *bytes, struct store_entry *ret_entry)
{
	struct qr_reader reader = qr_reader_over(bytes, STORE_ENTRY_HEADER_BYTES);
	struct store_entry entry = {0};
	uint16_t version;
	uint8_t flags;
	uint32_t crc;

	if (qr_read_u32(&reader) != STORE_ENTRY_MAGIC)
		return QR_NOT_FOUND;
	version = qr_read_u16(&reader);
	entry.kind = qr_read_u8(&reader);
	flags = qr_read_u8(&reader);
	crc = qr_read_u32(&reader);
	if (crc != qr_crc32c_around(bytes, STORE_ENTRY_HEADER_BYTES, HEADER_CRC_AT))
		return QR_CHECKSUM;
	if (version != STORE_FORMAT_VERSION)
		return QR_VERSION;
	entry.payload_crc = qr_read_u32(&reader);
	entry.cluster = qr_read_u64(&reader);
	entry.group = qr_read_u32(&reader);
	entry.payload_bytes = qr_read_u32(&reader);
	entry.index = qr_read_u64(&reader);
	entry.term = qr_read_u64(&reader);
	entry.block = qr_read_u64(&reader);
	entry.blocks = qr_read_u32(&reader);
	entry.record_count = qr_read_u32(&reader);
	entry.first_offset = qr_read_u64(&reader);
	entry.chain = qr_read_u64(&reader);
	entry.commit = qr_read_u64(&reader);
	entry.time_ns = qr_read_u64(&reader);
	QR_ASSERT(!reader.failed && qr_reader_left(&reader) == RESERVED_BYTES);
	if (flags != 0 || !store_is_zero(reader.at, RESERVED_BYTES) || !is_well_formed(&entry))
		return QR_MALFORMED;
	*ret_entry = entry;
	return QR_OK;
}

uint64_t store_entry_digest(const uint8_t bytes[STORE_ENTRY_HEADER_BYTES])
{
	return qr_crc64(0, bytes, STORE_ENTRY_HEADER_BYTES);
}

enum qr_error store_entry_check_place(const struct store_entry *entry,
				      const struct store_expected *expected)
{
	if (entry->cluster != expected->cluster || entry->group != expected->group)
		return QR_FOREIGN;
	if (entry->block != expected->block || entry->index != expected->index)
		return QR_STALE;
	if (entry->term < expected->term_min)
		return QR_STALE;
	if (expected->linked &&
	    (entry->chain != expected->chain || entry->first_offset != expected->first_offset))
		return QR_STALE;
	if (entry->blocks > expected->blocks_max)
		return QR_MALFORMED;
	return QR_OK;
}

enum qr_error store_entry_check_payload(const uint8_t *bytes, const struct store_entry *entry)
{
	const uint8_t *payload = bytes + STORE_ENTRY_HEADER_BYTES;

	if (qr_crc32c(0, payload, entry->payload_bytes) != entry->payload_crc)
		return QR_CHECKSUM;
	return QR_OK;
}

enum qr_error store_entry_check_padding(const uint8_t *bytes, const struct store_entry *entry)
{
	uint32_t used = store_entry_bytes(entry);
	uint32_t whole = entry->blocks * QR_BLOCK_BYTES;

	QR_ASSERT(used <= whole);
	return store_is_zero(bytes + used, whole - used) ? QR_OK : QR_CHECKSUM;
}

enum qr_error store_entry_verify(const uint8_t *bytes, const struct store_expected *expected,
				 struct store_entry *ret_entry)
{
	struct store_entry entry;
	enum qr_error error = store_entry_decode(bytes, &entry);

	if (error == QR_OK)
		error = store_entry_check_place(&entry, expected);
	if (error == QR_OK)
		error = store_entry_check_payload(bytes, &entry);
	if (error == QR_OK)
		error = store_entry_check_padding(bytes, &entry);
	if (error == QR_OK)
		*ret_entry = entry;
	return error;
}
