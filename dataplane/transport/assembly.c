/*
 * A ring of accounts, one per entry from `next` on: entry i is at i mod DP_ASSEMBLY_ENTRIES.
 *
 * An account is empty (entry_bytes 0) or holds
 *
 *   [0, prefix)  then holes and islands, in order:  prefix < from[0] < until[0] < from[1] < ...
 *
 * Islands neither overlap nor touch, and the last one ends at or before entry_bytes. A fragment
 * that extends the prefix always has room, so however many islands are full, the entry goes on. All
 * accounts outside [next, high] are empty.
 *
 * Whatever a fragment says is judged here before it is believed; the bytes themselves are judged
 * when the entry is whole (checksums, chain). A crash forgets all of it: what was not accepted
 * comes again.
 */
#include "dataplane/transport/assembly.h"

#include "consensus/base/assert.h"

#include <string.h>

struct island {
	uint32_t from;
	uint32_t until;
};

struct account {
	qr_term entry_term;
	qr_term prev_term;
	qr_block block;
	uint32_t entry_bytes; /* 0: nothing is known of this entry */
	uint32_t prefix;
	uint32_t island_count;
	uint32_t reserved;
	struct island islands[DP_ASSEMBLY_ISLANDS];
};

struct dp_assembly {
	qr_term term;
	qr_index next;
	qr_index high; /* the highest entry heard of; next - 1: none */
	struct account accounts[DP_ASSEMBLY_ENTRIES];
};

_Static_assert((DP_ASSEMBLY_ENTRIES & (DP_ASSEMBLY_ENTRIES - 1)) == 0, "ring by index");
_Static_assert(sizeof(struct account) == 128, "two cache lines");
_Static_assert(DP_ASSEMBLY_ENTRY_BYTES_MAX < UINT32_MAX / 2, "byte positions do not overflow");

#define CACHE_LINE_BYTES 64

static struct account *account_at(struct dp_assembly *assembly, qr_index index)
{
	return &assembly->accounts[index % DP_ASSEMBLY_ENTRIES];
}

static const struct account *account_of(const struct dp_assembly *assembly, qr_index index)
{
	return &assembly->accounts[index % DP_ASSEMBLY_ENTRIES];
}

static bool is_known(const struct account *account)
{
	return account->entry_bytes != 0;
}

static bool is_whole(const struct account *account)
{
	return is_known(account) && account->prefix == account->entry_bytes;
}

static void empty(struct account *account)
{
	account->entry_bytes = 0;
	account->prefix = 0;
	account->island_count = 0;
}

struct dp_assembly *dp_assembly_create(struct qr_arena *arena)
{
	struct dp_assembly *assembly =
		qr_arena_take(arena, sizeof(struct dp_assembly), CACHE_LINE_BYTES);

	if (assembly == NULL)
		return NULL;
	assembly->next = 1;
	return assembly;
}

void dp_assembly_reset(struct dp_assembly *assembly, qr_term term, qr_index next)
{
	QR_ASSERT(next > 0);
	QR_ASSERT(assembly->high + 1 - assembly->next <= DP_ASSEMBLY_ENTRIES);
	for (qr_index index = assembly->next; index <= assembly->high; index++)
		empty(account_at(assembly, index));
	assembly->term = term;
	assembly->next = next;
	assembly->high = next - 1;
}

qr_term dp_assembly_term(const struct dp_assembly *assembly)
{
	return assembly->term;
}

qr_index dp_assembly_next(const struct dp_assembly *assembly)
{
	return assembly->next;
}

/* ---- adding ---- */

static bool is_possible(const struct wire_fragment *fragment)
{
	size_t bulk_bytes = fragment->bulk.size_bytes;

	if (fragment->entry_bytes < DP_ASSEMBLY_ENTRY_BYTES_MIN ||
	    fragment->entry_bytes > DP_ASSEMBLY_ENTRY_BYTES_MAX)
		return false;
	if (bulk_bytes == 0 || fragment->offset >= fragment->entry_bytes ||
	    bulk_bytes > fragment->entry_bytes - fragment->offset)
		return false;
	return fragment->entry_term != 0 && fragment->entry_term <= fragment->term &&
	       fragment->prev_term <= fragment->entry_term;
}

static bool contradicts(const struct account *account, const struct wire_fragment *fragment)
{
	return account->entry_bytes != fragment->entry_bytes || account->block != fragment->block ||
	       account->entry_term != fragment->entry_term ||
	       account->prev_term != fragment->prev_term;
}

/** Islands that the prefix has reached become part of it. */
static void absorb_islands(struct account *account)
{
	uint32_t taken = 0;

	while (taken < account->island_count && account->islands[taken].from <= account->prefix) {
		if (account->islands[taken].until > account->prefix)
			account->prefix = account->islands[taken].until;
		taken++;
	}
	if (taken == 0)
		return;
	account->island_count -= taken;
	memmove(account->islands, account->islands + taken,
		account->island_count * sizeof(struct island));
	QR_ASSERT(account->prefix <= account->entry_bytes);
}

/**
 * A new island before the one at `place`. When all are taken the last one is given up for it: what
 * is near the prefix is of use sooner, and what is given up is missing again.
 */
static enum qr_error insert_island(struct account *account, uint32_t place, struct island island)
{
	struct island *islands = account->islands;

	if (place == DP_ASSEMBLY_ISLANDS)
		return QR_BUSY;
	if (account->island_count == DP_ASSEMBLY_ISLANDS)
		account->island_count--;
	memmove(islands + place + 1, islands + place,
		(account->island_count - place) * sizeof(struct island));
	islands[place] = island;
	account->island_count++;
	return QR_OK;
}

/** [from, until) lies behind the first hole: join what it meets, or make it an island. */
static enum qr_error add_island(struct account *account, uint32_t from, uint32_t until)
{
	struct island *islands = account->islands;
	uint32_t count = account->island_count;
	uint32_t first = 0;
	uint32_t last;

	QR_ASSERT(from > account->prefix && from < until);
	while (first < count && islands[first].until < from)
		first++;
	last = first; /* islands first..last-1 are met */
	while (last < count && islands[last].from <= until)
		last++;

	if (last == first)
		return insert_island(account, first, (struct island){from, until});
	if (islands[first].from <= from && until <= islands[first].until)
		return QR_STALE;
	if (islands[first].from < from)
		from = islands[first].from;
	if (islands[last - 1].until > until)
		until = islands[last - 1].until;
	islands[first] = (struct island){from, until};
	memmove(islands + first + 1, islands + last, (count - last) * sizeof(struct island));
	account->island_count = count - (last - first - 1);
	return QR_OK;
}

static enum qr_error add_range(struct account *account, uint32_t from, uint32_t until)
{
	if (until <= account->prefix)
		return QR_STALE;
	if (from > account->prefix)
		return add_island(account, from, until);
	account->prefix = until;
	if (account->island_count != 0)
		absorb_islands(account);
	return QR_OK;
}

enum qr_error dp_assembly_add(struct dp_assembly *assembly, const struct wire_fragment *fragment)
{
	struct account *account = account_at(assembly, fragment->index);

	if (fragment->term != assembly->term || fragment->index < assembly->next)
		return QR_STALE;
	if (!is_possible(fragment))
		return QR_MALFORMED;
	if (fragment->index - assembly->next >= DP_ASSEMBLY_ENTRIES)
		return QR_BUSY;

	if (!is_known(account)) {
		account->entry_term = fragment->entry_term;
		account->prev_term = fragment->prev_term;
		account->block = fragment->block;
		account->entry_bytes = fragment->entry_bytes;
		if (assembly->high < fragment->index)
			assembly->high = fragment->index;
	} else if (contradicts(account, fragment)) {
		return QR_MALFORMED;
	}
	return add_range(account, fragment->offset,
			 fragment->offset + (uint32_t)fragment->bulk.size_bytes);
}

/* ---- taking out ---- */

enum qr_error dp_assembly_head(const struct dp_assembly *assembly, struct dp_assembled *ret_entry)
{
	const struct account *account = account_of(assembly, assembly->next);

	if (!is_whole(account))
		return QR_AGAIN;
	*ret_entry = (struct dp_assembled){
		.index = assembly->next,
		.entry_term = account->entry_term,
		.prev_term = account->prev_term,
		.block = account->block,
		.entry_bytes = account->entry_bytes,
	};
	return QR_OK;
}

void dp_assembly_pop(struct dp_assembly *assembly)
{
	struct account *account = account_at(assembly, assembly->next);

	QR_ASSERT(is_whole(account) && account->island_count == 0);
	QR_ASSERT(assembly->high >= assembly->next);
	empty(account);
	assembly->next++;
}

void dp_assembly_spoil(struct dp_assembly *assembly)
{
	struct account *account = account_at(assembly, assembly->next);

	QR_ASSERT(is_whole(account));
	empty(account);
}

/* ---- reporting ---- */

static void add_missing(struct wire_ack *ack, qr_index index, uint32_t from, uint32_t until)
{
	if (ack->missing_count < WIRE_MISSING_MAX)
		ack->missing[ack->missing_count++] = (struct wire_missing){index, from, until};
}

/** @param to_the_end  something is known of a later entry: the rest of this one is a hole as well.
 */
static void report_account(const struct account *account, qr_index index, bool to_the_end,
			   struct wire_ack *ack)
{
	uint32_t from = account->prefix;

	for (uint32_t i = 0; i < account->island_count; i++) {
		add_missing(ack, index, from, account->islands[i].from);
		from = account->islands[i].until;
	}
	if (to_the_end && (!is_known(account) || from < account->entry_bytes))
		add_missing(ack, index, from, 0);
}

void dp_assembly_report(const struct dp_assembly *assembly, struct wire_ack *ack)
{
	const struct account *head = account_of(assembly, assembly->next);

	QR_ASSERT(assembly->next > 0);
	ack->received = assembly->next - 1;
	ack->received_bytes = is_whole(head) ? head->prefix - 1 : head->prefix;
	ack->missing_count = 0;
	for (qr_index index = assembly->next;
	     index <= assembly->high && ack->missing_count < WIRE_MISSING_MAX; index++)
		report_account(account_of(assembly, index), index, index < assembly->high, ack);
}

bool dp_assembly_has_hole(const struct dp_assembly *assembly)
{
	for (qr_index index = assembly->next; index <= assembly->high; index++) {
		const struct account *account = account_of(assembly, index);

		if (account->island_count != 0)
			return true;
		if (!is_whole(account))
			return index < assembly->high;
	}
	return false;
}
