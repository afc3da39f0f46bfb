/*
 * A backup: what a node's logs were up to a committed entry each, as one stream. It is a sequence
 * of items, and each of them is whole blocks and says in its first one what it is:
 *
 *   header  (group  snapshot*  entry*  end)*  trailer
 *
 * Snapshots and entries are those of the data directory, byte by byte. A group may begin again
 * before its end: then what came of it before counts for nothing, since a stream that goes to a
 * pipe cannot be taken back. The byte table is docs/formats/backup.md.
 *
 * The parser is handed the items one after the other and says whether they are those of a sound
 * backup so far: every byte is under a checksum, every entry is the successor of the one before,
 * and nothing is missing once the trailer was taken. Until then nothing may be trusted.
 *
 * Pure: no I/O, and memory of the caller.
 */
#ifndef QR_STORE_FORMAT_BACKUP_H
#define QR_STORE_FORMAT_BACKUP_H

#include "storage/format/entry.h"
#include "storage/format/slot.h"
#include "storage/format/snapshot.h"

#define STORE_BACKUP_BLOCK_BYTES QR_BLOCK_BYTES
/* Of one item: 1 GiB, eight times what the largest table of producers takes. */
#define STORE_BACKUP_ITEM_BLOCKS_MAX (1u << 18)

struct store_backup_header {
	uint64_t cluster;
	qr_node node;	  /* whose directory it was */
	uint64_t time_ns; /* wall clock when it was begun; informative */
};

struct store_backup_group {
	uint64_t cluster;
	qr_group group;
	struct store_geometry geometry;
	struct raft_configuration configuration;
	qr_term term; /* the highest that the node knew: above every entry's, or the same */
	struct store_start start;
	uint64_t first_segment;	    /* the entries begin with its first block */
	struct store_prefix before; /* what lies in front of it; the first snapshot's base */
	uint32_t snapshot_count;
};

struct store_backup_end {
	uint64_t cluster;
	qr_group group;
	struct store_prefix last; /* the last entry; all of them were committed */
	uint64_t entries;
	uint64_t records;
	uint64_t blocks;  /* of the entries */
	uint64_t time_ns; /* of the last entry, as its header says */
};

struct store_backup_trailer {
	uint64_t cluster;
	uint32_t group_count;
	uint32_t crc; /* CRC32C of everything in front of it */
	uint64_t blocks;
};

void store_backup_header_encode(uint8_t block[STORE_BACKUP_BLOCK_BYTES],
				const struct store_backup_header *header);
void store_backup_group_encode(uint8_t block[STORE_BACKUP_BLOCK_BYTES],
			       const struct store_backup_group *group);
void store_backup_end_encode(uint8_t block[STORE_BACKUP_BLOCK_BYTES],
			     const struct store_backup_end *end);
void store_backup_trailer_encode(uint8_t block[STORE_BACKUP_BLOCK_BYTES],
				 const struct store_backup_trailer *trailer);

/* ---- reading ---- */

enum store_backup_kind {
	STORE_BACKUP_HEADER,
	STORE_BACKUP_GROUP,
	STORE_BACKUP_SNAPSHOT,
	STORE_BACKUP_ENTRY,
	STORE_BACKUP_END,
	STORE_BACKUP_TRAILER,
};

/** The item that a block begins, and the field of its kind. */
struct store_backup_item {
	enum store_backup_kind kind;
	uint32_t blocks;
	union {
		struct store_backup_header header;
		struct store_backup_group group;
		struct store_snapshot snapshot;
		struct store_entry entry;
		struct store_backup_end end;
		struct store_backup_trailer trailer;
	};
};

/**
 * What a block is by itself: magic, version, checksum, values.
 * Errors: QR_NOT_FOUND  the beginning of no item; QR_CHECKSUM; QR_VERSION; QR_MALFORMED.
 */
QR_MUST_USE enum qr_error store_backup_decode(const uint8_t block[STORE_BACKUP_BLOCK_BYTES],
					      struct store_backup_item *ret_item);

enum store_backup_phase {
	STORE_BACKUP_BEGINS,
	STORE_BACKUP_BETWEEN, /* groups */
	STORE_BACKUP_SNAPSHOTS,
	STORE_BACKUP_ENTRIES,
	STORE_BACKUP_DONE,
};

struct store_backup_parser {
	enum store_backup_phase phase;
	uint64_t cluster;
	uint32_t group_count; /* that have ended */
	qr_group group_ended; /* the last of them */
	uint64_t blocks;      /* taken so far, */
	uint32_t crc;	      /* and their checksum */

	/* Of the group under way: */
	struct store_backup_group group;
	uint32_t snapshots;			    /* taken so far */
	struct store_prefix bases[STORE_SNAPSHOTS]; /* theirs; they rise */
	uint32_t bases_met; /* those whose entry was the same, or lies in front of the first */
	struct store_prefix last;
	uint64_t entries;
	uint64_t records;
	uint64_t entry_blocks;
};

/** A parser begins as all zero: STORE_BACKUP_BEGINS. */
_Static_assert(STORE_BACKUP_BEGINS == 0, "zero is the beginning");

/**
 * The item that comes next, by its first block: how many blocks it has. Changes nothing.
 * Errors: those of store_backup_decode; QR_FOREIGN  of another cluster, or not of this group;
 *         QR_MALFORMED  not to be expected here, such as anything behind the trailer.
 */
QR_MUST_USE enum qr_error store_backup_look(const struct store_backup_parser *parser,
					    const uint8_t block[STORE_BACKUP_BLOCK_BYTES],
					    struct store_backup_item *ret_item);
/**
 * All of it.
 * @param bytes  item->blocks blocks.
 * Errors: QR_CHECKSUM; QR_STALE  not the successor of what came before; QR_MALFORMED.
 */
QR_MUST_USE enum qr_error store_backup_take(struct store_backup_parser *parser,
					    const uint8_t *bytes,
					    const struct store_backup_item *item);

#endif
