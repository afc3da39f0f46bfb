/*
 * The byte layout of what a backup adds to snapshots and entries: four kinds of blocks, each under
 * a checksum of all of it. Magic, version and the rule of the checksum lie where a snapshot's
 * header has them, so a block of another version is told from a damaged one.
 */
#include "storage/format/backup.h"

#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "storage/format/put.h"
#include "storage/format/zero.h"

#include <string.h>

#define HEADER_MAGIC 0x31425251u  /* "QRB1" */
#define GROUP_MAGIC 0x31475251u	  /* "QRG1" */
#define END_MAGIC 0x315a5251u	  /* "QRZ1" */
#define TRAILER_MAGIC 0x314c5251u /* "QRL1" */

/* All four begin alike. */
#define VERSION_AT 4
#define CRC_AT 8
#define GROUP_AT 12
#define CLUSTER_AT 16
#define FIELDS_AT 24

static uint8_t *begin(uint8_t *block, uint32_t magic, uint64_t cluster, qr_group group)
{
	memset(block, 0, STORE_BACKUP_BLOCK_BYTES);
	store_put_u32(block, magic);
	store_put_u16(block + VERSION_AT, STORE_FORMAT_VERSION);
	store_put_u32(block + GROUP_AT, group);
	store_put_u64(block + CLUSTER_AT, cluster);
	return block + FIELDS_AT;
}

static void seal(uint8_t *block)
{
	store_put_u32(block + CRC_AT, qr_crc32c(0, block, STORE_BACKUP_BLOCK_BYTES));
}

static uint8_t *put_prefix(uint8_t *at, const struct store_prefix *prefix)
{
	store_put_u64(at, prefix->index);
	store_put_u64(at + 8, prefix->term);
	store_put_u64(at + 16, prefix->block);
	store_put_u64(at + 24, prefix->offset);
	store_put_u64(at + 32, prefix->chain);
	return at + 40;
}

void store_backup_header_encode(uint8_t block[STORE_BACKUP_BLOCK_BYTES],
				const struct store_backup_header *header)
{
	uint8_t *at = begin(block, HEADER_MAGIC, header->cluster, 0);

	QR_ASSERT(header->node > 0 && header->node <= QR_NODE_MAX);
	store_put_u64(at, header->time_ns);
	store_put_u32(at + 8, header->node);
	seal(block);
}

void store_backup_group_encode(uint8_t block[STORE_BACKUP_BLOCK_BYTES],
			       const struct store_backup_group *group)
{
	uint8_t *at = begin(block, GROUP_MAGIC, group->cluster, group->group);

	store_put_u32(at, group->geometry.segment_blocks);
	store_put_u32(at + 4, group->geometry.stride_blocks);
	store_put_u64(at + 8, group->configuration.voters);
	store_put_u64(at + 16, group->configuration.voters_outgoing);
	store_put_u64(at + 24, group->configuration.learners);
	store_put_u64(at + 32, group->term);
	store_put_u64(at + 40, group->start.segment);
	store_put_u64(at + 48, group->start.before);
	store_put_u64(at + 56, group->start.offset);
	store_put_u64(at + 64, group->first_segment);
	at = put_prefix(at + 72, &group->before);
	store_put_u32(at, group->snapshot_count);
	seal(block);
}

void store_backup_end_encode(uint8_t block[STORE_BACKUP_BLOCK_BYTES],
			     const struct store_backup_end *end)
{
	uint8_t *at = begin(block, END_MAGIC, end->cluster, end->group);

	at = put_prefix(at, &end->last);
	store_put_u64(at, end->entries);
	store_put_u64(at + 8, end->records);
	store_put_u64(at + 16, end->blocks);
	store_put_u64(at + 24, end->time_ns);
	seal(block);
}

void store_backup_trailer_encode(uint8_t block[STORE_BACKUP_BLOCK_BYTES],
				 const struct store_backup_trailer *trailer)
{
	uint8_t *at = begin(block, TRAILER_MAGIC, trailer->cluster, 0);

	store_put_u32(at, trailer->group_count);
	store_put_u32(at + 4, trailer->crc);
	store_put_u64(at + 8, trailer->blocks);
	seal(block);
}

/* ---- decoding ---- */

static struct store_prefix read_prefix(struct qr_reader *reader)
{
	struct store_prefix prefix;

	prefix.index = qr_read_u64(reader);
	prefix.term = qr_read_u64(reader);
	prefix.block = qr_read_u64(reader);
	prefix.offset = qr_read_u64(reader);
	prefix.chain = qr_read_u64(reader);
	return prefix;
}

/** No writer counts so far, and what is added to it later does not overflow. */
static bool is_prefix_sound(const struct store_prefix *prefix)
{
	if (prefix->index == 0) {
		return prefix->term == 0 && prefix->block == 0 && prefix->offset == 0 &&
		       prefix->chain == 0;
	}
	return prefix->index <= STORE_COUNT_MAX && prefix->term > 0 &&
	       prefix->term <= STORE_COUNT_MAX && prefix->block > 0 &&
	       prefix->block <= STORE_COUNT_MAX && prefix->offset <= STORE_COUNT_MAX;
}

static bool is_group_sound(const struct store_backup_group *group)
{
	/* An empty prefix lies in front of the first segment, and no other one does. */
	if (!store_geometry_is_sound(&group->geometry) || !is_prefix_sound(&group->before) ||
	    (group->before.index == 0) != (group->first_segment == 0))
		return false;
	if (group->first_segment > group->start.segment ||
	    group->start.segment > STORE_SEGMENTS_MAX)
		return false;
	return group->term <= STORE_COUNT_MAX && group->before.term <= group->term &&
	       group->snapshot_count <= STORE_SNAPSHOTS &&
	       (group->snapshot_count > 0 || group->first_segment == 0);
}

static bool read_group(struct qr_reader *reader, struct store_backup_group *group)
{
	group->geometry.segment_blocks = qr_read_u32(reader);
	group->geometry.stride_blocks = qr_read_u32(reader);
	group->configuration.voters = qr_read_u64(reader);
	group->configuration.voters_outgoing = qr_read_u64(reader);
	group->configuration.learners = qr_read_u64(reader);
	group->term = qr_read_u64(reader);
	group->start.segment = qr_read_u64(reader);
	group->start.before = qr_read_u64(reader);
	group->start.offset = qr_read_u64(reader);
	group->first_segment = qr_read_u64(reader);
	group->before = read_prefix(reader);
	group->snapshot_count = qr_read_u32(reader);
	return is_group_sound(group);
}

static bool read_header(struct qr_reader *reader, struct store_backup_header *header)
{
	uint32_t node;

	header->time_ns = qr_read_u64(reader);
	node = qr_read_u32(reader);
	header->node = (qr_node)node;
	return node > 0 && node <= QR_NODE_MAX;
}

static bool read_end(struct qr_reader *reader, struct store_backup_end *end)
{
	end->last = read_prefix(reader);
	end->entries = qr_read_u64(reader);
	end->records = qr_read_u64(reader);
	end->blocks = qr_read_u64(reader);
	end->time_ns = qr_read_u64(reader);
	return is_prefix_sound(&end->last);
}

static bool read_trailer(struct qr_reader *reader, struct store_backup_trailer *trailer)
{
	trailer->group_count = qr_read_u32(reader);
	trailer->crc = qr_read_u32(reader);
	trailer->blocks = qr_read_u64(reader);
	return true;
}

/** One of the four whose checksum and version are right. @return whether its values are, too. */
static bool read_fields(uint32_t magic, struct qr_reader *reader, struct store_backup_item *item)
{
	qr_group group = qr_read_u32(reader);
	uint64_t cluster = qr_read_u64(reader);

	switch (magic) {
	case HEADER_MAGIC:
		item->kind = STORE_BACKUP_HEADER;
		item->header.cluster = cluster;
		return group == 0 && read_header(reader, &item->header);
	case GROUP_MAGIC:
		item->kind = STORE_BACKUP_GROUP;
		item->group.cluster = cluster;
		item->group.group = group;
		return read_group(reader, &item->group);
	case END_MAGIC:
		item->kind = STORE_BACKUP_END;
		item->end.cluster = cluster;
		item->end.group = group;
		return read_end(reader, &item->end);
	default:
		QR_ASSERT(magic == TRAILER_MAGIC);
		item->kind = STORE_BACKUP_TRAILER;
		item->trailer.cluster = cluster;
		return group == 0 && read_trailer(reader, &item->trailer);
	}
}

static enum qr_error decode_own(const uint8_t *block, uint32_t magic,
				struct store_backup_item *item)
{
	struct qr_reader reader =
		qr_reader_over(block + VERSION_AT, STORE_BACKUP_BLOCK_BYTES - VERSION_AT);
	uint16_t version = qr_read_u16(&reader);
	uint16_t reserved = qr_read_u16(&reader);

	if (qr_read_u32(&reader) != qr_crc32c_around(block, STORE_BACKUP_BLOCK_BYTES, CRC_AT))
		return QR_CHECKSUM;
	if (version != STORE_FORMAT_VERSION)
		return QR_VERSION;
	item->blocks = 1;
	if (!read_fields(magic, &reader, item) || reserved != 0 ||
	    !store_is_zero(reader.at, qr_reader_left(&reader)))
		return QR_MALFORMED;
	return QR_OK;
}

static enum qr_error decode_snapshot(const uint8_t *block, struct store_backup_item *item)
{
	enum qr_error error = store_snapshot_decode(block, &item->snapshot);
	uint64_t bytes;

	if (error != QR_OK)
		return error;
	bytes = store_snapshot_file_bytes(&item->snapshot);
	if (bytes > (uint64_t)STORE_BACKUP_ITEM_BLOCKS_MAX * STORE_BACKUP_BLOCK_BYTES)
		return QR_TOO_LARGE;
	item->kind = STORE_BACKUP_SNAPSHOT;
	item->blocks = (uint32_t)(bytes / STORE_BACKUP_BLOCK_BYTES);
	return QR_OK;
}

static enum qr_error decode_entry(const uint8_t *block, struct store_backup_item *item)
{
	enum qr_error error = store_entry_decode(block, &item->entry);

	if (error != QR_OK)
		return error;
	if (item->entry.blocks > STORE_STRIDE_BLOCKS_MAX)
		return QR_TOO_LARGE;
	item->kind = STORE_BACKUP_ENTRY;
	item->blocks = item->entry.blocks;
	return QR_OK;
}

enum qr_error store_backup_decode(const uint8_t block[STORE_BACKUP_BLOCK_BYTES],
				  struct store_backup_item *ret_item)
{
	struct qr_reader reader = qr_reader_over(block, sizeof(uint32_t));
	struct store_backup_item item = {0};
	uint32_t magic = qr_read_u32(&reader);
	enum qr_error error = QR_NOT_FOUND;

	if (magic == STORE_ENTRY_MAGIC) {
		error = decode_entry(block, &item);
	} else if (magic == STORE_SNAPSHOT_MAGIC) {
		error = decode_snapshot(block, &item);
	} else if (magic == HEADER_MAGIC || magic == GROUP_MAGIC || magic == END_MAGIC ||
		   magic == TRAILER_MAGIC) {
		error = decode_own(block, magic, &item);
	}
	if (error == QR_OK)
		*ret_item = item;
	return error;
}
