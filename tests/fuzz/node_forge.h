/*
 * The log of a leader that follows nobody's rules: entries that validate, since their checksums,
 * place and chain are right, with whatever payload and header fields the input asks for.
 */
#ifndef QR_TESTS_FUZZ_NODE_FORGE_H
#define QR_TESTS_FUZZ_NODE_FORGE_H

#include "tests/fuzz/node_rig.h"

#define FORGE_ENTRIES 8 /* the newest are kept, to be sent again and in pieces */
#define FORGE_BYTES (3 * QR_BLOCK_BYTES)
#define FORGE_TRIM 2 /* the fifth of the bytes that say what an entry is, of one that trims */

struct forge_entry {
	qr_group group;
	qr_term prev_term;
	struct store_entry header;
	uint8_t bytes[FORGE_BYTES];
};

/** Where a forged log ends. */
struct forge_tail {
	bool known;
	qr_index index;
	qr_term term;
	qr_block block;
	qr_offset offset;
	uint64_t chain;
};

struct forge {
	struct rig *rig;
	struct forge_tail tails[RIG_GROUPS];
	uint64_t opened[4]; /* sessions that its entries open, the newest ones */
	uint32_t opened_count;
	uint32_t count; /* entries ever */
	struct forge_entry entries[FORGE_ENTRIES];
};

void forge_begin(struct forge *forge, struct rig *rig);
/** Go on after the node's own last entry, or `back` entries before it. */
void forge_rebase(struct forge *forge, uint8_t which, uint32_t back);
/**
 * The next entry of the log of group `which`.
 * @param bytes  eight bytes that decide everything else.
 */
struct forge_entry *forge_next(struct forge *forge, uint8_t which, const uint8_t bytes[8]);
/** A session that is known, was known, or never was. */
uint64_t forge_session(const struct forge *forge, uint8_t which);
/** Bytes [from, until) of an entry, as the fragment says unless it says otherwise. */
void forge_send(struct forge *forge, qr_node from, const struct forge_entry *entry,
		struct wire_fragment fragment);
struct wire_fragment forge_fragment(const struct forge *forge, const struct forge_entry *entry,
				    uint32_t from, uint32_t until);
/** A chunk's body of `count` native records in `size_bytes`; what does not fit is left out. */
void forge_records(uint8_t *body, uint32_t size_bytes, uint32_t count);

#endif
