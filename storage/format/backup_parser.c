/*
 * Whether the items of a stream are those of a sound backup: what may follow what, and that every
 * entry is the successor of the one before.
 *
 * It is as strict as a start over the same log would be: entries are verified at their places, the
 * snapshots' bases are those entries, the end is the last one. So a directory that is made of what
 * was taken up to the trailer is one that opens.
 */
#include "storage/format/backup.h"

#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "storage/format/zero.h"

#include <string.h>

/* ---- what may come next ---- */

static bool is_inside(const struct store_backup_parser *parser)
{
	return parser->phase == STORE_BACKUP_SNAPSHOTS || parser->phase == STORE_BACKUP_ENTRIES;
}

/** A group that is new, or the one under way from its beginning. */
static bool may_begin(const struct store_backup_parser *parser, qr_group group)
{
	if (is_inside(parser))
		return group == parser->group.group;
	return parser->phase == STORE_BACKUP_BETWEEN &&
	       (parser->group_count == 0 || group > parser->group_ended);
}

static bool is_expected(const struct store_backup_parser *parser,
			const struct store_backup_item *item)
{
	switch (item->kind) {
	case STORE_BACKUP_HEADER:
		return parser->phase == STORE_BACKUP_BEGINS;
	case STORE_BACKUP_GROUP:
		return may_begin(parser, item->group.group);
	case STORE_BACKUP_SNAPSHOT:
		return parser->phase == STORE_BACKUP_SNAPSHOTS;
	case STORE_BACKUP_ENTRY:
	case STORE_BACKUP_END:
		return parser->phase == STORE_BACKUP_ENTRIES;
	case STORE_BACKUP_TRAILER:
	default:
		return parser->phase == STORE_BACKUP_BETWEEN;
	}
}

/** Of the cluster, and of the group under way where there is one. */
static bool is_ours(const struct store_backup_parser *parser, const struct store_backup_item *item)
{
	switch (item->kind) {
	case STORE_BACKUP_GROUP:
		return item->group.cluster == parser->cluster;
	case STORE_BACKUP_SNAPSHOT:
		return item->snapshot.cluster == parser->cluster &&
		       item->snapshot.group == parser->group.group;
	case STORE_BACKUP_ENTRY:
		return item->entry.cluster == parser->cluster &&
		       item->entry.group == parser->group.group;
	case STORE_BACKUP_END:
		return item->end.cluster == parser->cluster &&
		       item->end.group == parser->group.group;
	case STORE_BACKUP_TRAILER:
		return item->trailer.cluster == parser->cluster;
	case STORE_BACKUP_HEADER:
	default:
		return true;
	}
}

enum qr_error store_backup_look(const struct store_backup_parser *parser,
				const uint8_t block[STORE_BACKUP_BLOCK_BYTES],
				struct store_backup_item *ret_item)
{
	struct store_backup_item item;
	enum qr_error error = store_backup_decode(block, &item);

	if (error != QR_OK)
		return error;
	if (!is_expected(parser, &item))
		return QR_MALFORMED;
	if (!is_ours(parser, &item))
		return QR_FOREIGN;
	if (item.kind == STORE_BACKUP_ENTRY && item.blocks > parser->group.geometry.stride_blocks)
		return QR_MALFORMED;
	*ret_item = item;
	return QR_OK;
}

/* ---- taking ---- */

static void take_group(struct store_backup_parser *parser, const struct store_backup_group *group)
{
	parser->group = *group;
	parser->snapshots = 0;
	parser->bases_met = 0;
	parser->last = group->before;
	parser->entries = 0;
	parser->records = 0;
	parser->entry_blocks = 0;
	parser->phase = group->snapshot_count > 0 ? STORE_BACKUP_SNAPSHOTS : STORE_BACKUP_ENTRIES;
}

static bool is_same(const struct store_prefix *one, const struct store_prefix *other)
{
	return memcmp(one, other, sizeof(*one)) == 0;
}

/** The bases rise, and the first one of a log without its beginning says what was in front. */
static bool is_base_sound(const struct store_backup_parser *parser,
			  const struct store_snapshot *snapshot)
{
	const struct store_backup_group *group = &parser->group;
	qr_index above = parser->snapshots > 0 ? parser->bases[parser->snapshots - 1].index
					       : group->before.index;

	if (group->first_segment > 0 && parser->snapshots == 0) {
		return snapshot->segment == group->first_segment &&
		       is_same(&snapshot->base, &group->before);
	}
	return snapshot->base.index > above;
}

static enum qr_error take_snapshot(struct store_backup_parser *parser, const uint8_t *bytes,
				   const struct store_snapshot *snapshot)
{
	const struct store_geometry *geometry = &parser->group.geometry;
	uint64_t body_bytes = store_snapshot_body_bytes(snapshot);
	const uint8_t *body = bytes + STORE_SNAPSHOT_HEADER_BYTES;

	if (qr_crc32c(0, body, body_bytes) != snapshot->body_crc ||
	    !store_is_zero(body + body_bytes, store_snapshot_file_bytes(snapshot) -
						      STORE_SNAPSHOT_HEADER_BYTES - body_bytes))
		return QR_CHECKSUM;
	if (snapshot->geometry.segment_blocks != geometry->segment_blocks ||
	    snapshot->geometry.stride_blocks != geometry->stride_blocks ||
	    snapshot->base.term > parser->group.term)
		return QR_MALFORMED;
	if (!is_base_sound(parser, snapshot))
		return QR_STALE;
	if (snapshot->base.index == parser->last.index)
		parser->bases_met++;
	parser->bases[parser->snapshots++] = snapshot->base;
	if (parser->snapshots == parser->group.snapshot_count)
		parser->phase = STORE_BACKUP_ENTRIES;
	return QR_OK;
}

/** Right behind the last one, or at the next stride. */
static bool is_place(const struct store_backup_parser *parser, qr_block block)
{
	uint32_t stride_blocks = parser->group.geometry.stride_blocks;
	qr_block tail = parser->last.block;

	return block == tail || block == (tail + stride_blocks - 1) / stride_blocks * stride_blocks;
}

static enum qr_error verify_entry(const struct store_backup_parser *parser, const uint8_t *bytes,
				  struct store_entry *entry)
{
	uint32_t stride_blocks = parser->group.geometry.stride_blocks;
	const struct store_expected expected = {
		.cluster = parser->cluster,
		.group = parser->group.group,
		.index = parser->last.index + 1,
		.term_min = parser->last.term,
		.block = entry->block,
		.blocks_max = stride_blocks - (uint32_t)(entry->block % stride_blocks),
		.linked = true,
		.chain = parser->last.chain,
		.first_offset = parser->last.offset,
	};

	if (!is_place(parser, entry->block) || entry->term > parser->group.term)
		return QR_STALE;
	return store_entry_verify(bytes, &expected, entry);
}

static enum qr_error take_entry(struct store_backup_parser *parser, const uint8_t *bytes,
				struct store_entry entry)
{
	struct store_prefix *last = &parser->last;
	enum qr_error error = verify_entry(parser, bytes, &entry);

	if (error != QR_OK)
		return error;
	*last = (struct store_prefix){
		.index = entry.index,
		.term = entry.term,
		.block = entry.block + entry.blocks,
		.offset = entry.first_offset + entry.record_count,
		.chain = store_entry_digest(bytes),
	};
	if (parser->bases_met < parser->snapshots &&
	    parser->bases[parser->bases_met].index == entry.index) {
		if (!is_same(&parser->bases[parser->bases_met], last))
			return QR_STALE;
		parser->bases_met++;
	}
	if (last->block > STORE_COUNT_MAX || last->offset > STORE_COUNT_MAX)
		return QR_MALFORMED;
	parser->entries++;
	parser->records += entry.record_count;
	parser->entry_blocks += entry.blocks;
	return QR_OK;
}

/** Nothing is missing, and a log that ends here can begin where it says. */
static enum qr_error take_end(struct store_backup_parser *parser,
			      const struct store_backup_end *end)
{
	const struct store_backup_group *group = &parser->group;

	if (!is_same(&end->last, &parser->last) || end->entries != parser->entries ||
	    end->records != parser->records || end->blocks != parser->entry_blocks ||
	    parser->bases_met != parser->snapshots)
		return QR_STALE;
	if (!store_start_is_sound(&group->start, &end->last, &group->geometry))
		return QR_MALFORMED;
	parser->group_count++;
	parser->group_ended = group->group;
	parser->phase = STORE_BACKUP_BETWEEN;
	return QR_OK;
}

static enum qr_error take_trailer(struct store_backup_parser *parser,
				  const struct store_backup_trailer *trailer)
{
	if (trailer->blocks != parser->blocks || trailer->group_count != parser->group_count)
		return QR_STALE;
	if (trailer->crc != parser->crc)
		return QR_CHECKSUM;
	parser->phase = STORE_BACKUP_DONE;
	return QR_OK;
}

static enum qr_error take(struct store_backup_parser *parser, const uint8_t *bytes,
			  const struct store_backup_item *item)
{
	switch (item->kind) {
	case STORE_BACKUP_HEADER:
		parser->cluster = item->header.cluster;
		parser->phase = STORE_BACKUP_BETWEEN;
		return QR_OK;
	case STORE_BACKUP_GROUP:
		take_group(parser, &item->group);
		return QR_OK;
	case STORE_BACKUP_SNAPSHOT:
		return take_snapshot(parser, bytes, &item->snapshot);
	case STORE_BACKUP_ENTRY:
		return take_entry(parser, bytes, item->entry);
	case STORE_BACKUP_END:
		return take_end(parser, &item->end);
	case STORE_BACKUP_TRAILER:
	default:
		return take_trailer(parser, &item->trailer);
	}
}

enum qr_error store_backup_take(struct store_backup_parser *parser, const uint8_t *bytes,
				const struct store_backup_item *item)
{
	enum qr_error error;

	QR_ASSERT(is_expected(parser, item) && item->blocks > 0);
	error = take(parser, bytes, item);
	if (error != QR_OK)
		return error;
	parser->blocks += item->blocks;
	parser->crc =
		qr_crc32c(parser->crc, bytes, (size_t)item->blocks * STORE_BACKUP_BLOCK_BYTES);
	return QR_OK;
}
