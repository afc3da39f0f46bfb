/*
 * Keeping up with the tape.
 *
 * Invariants of a log on a node
 *   - firm[i] is a version all of whose blocks are stable and that no write has begun to replace.
 *   - certain is as high as it can be: firm[1..certain] follow each other, firm[certain+1] does
 * not. These entries are on the media in every image from here on, until something else begins to
 * be written in their place.
 */
#include "tests/crash/truth.h"

#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "storage/io/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define VERSIONS_FIRST 1024

void truth_complain(struct truth *truth, const char *format, ...)
{
	va_list arguments;

	if (truth->problem.text[0] != '\0')
		return;
	va_start(arguments, format);
	(void)vsnprintf(truth->problem.text, sizeof(truth->problem.text), format, arguments);
	va_end(arguments);
}

bool truth_is_lazy(const struct truth *truth, qr_group group)
{
	return (truth->round.lazy_groups >> group & 1) != 0;
}

bool truth_descends(const struct truth *truth, uint32_t version, uint32_t ancestor)
{
	qr_index index = truth->versions[ancestor].entry.index;

	while (truth->versions[version].entry.index > index)
		version = truth->versions[version].parent;
	return version == ancestor;
}

/* ---- files ---- */

static bool parse_hex(const char *text, const char *end, uint64_t *ret_value)
{
	char *stop = NULL;

	*ret_value = strtoull(text, &stop, 16);
	return stop != text && strcmp(stop, end) == 0;
}

static bool is_snapshot(const char *name, uint64_t *ret_number)
{
	char expected[STORE_NAME_BYTES];

	for (uint32_t number = 0; number < STORE_SNAPSHOTS; number++) {
		store_snapshot_name(expected, number);
		*ret_number = number;
		if (strcmp(name, expected) == 0)
			return true;
	}
	return false;
}

/** A segment loses its name: a stable slot says that it was given up, and a snapshot stands for it.
 */
static void check_gone(struct truth *truth, qr_node node, const struct truth_role *role)
{
	const struct truth_log *log = &truth->groups[role->group].logs[node];
	bool covered = log->slot.reset;

	for (uint32_t f = 0; f < STORE_SNAPSHOTS; f++) {
		covered = covered ||
			  (log->files[f].serial != 0 && log->files[f].segment > role->segment &&
			   log->files[f].segment <= log->slot.start.segment);
	}
	if (log->has_slot && covered &&
	    (log->slot.reset || role->segment < log->slot.start.segment))
		return;
	truth_complain(
		truth,
		"node %u gives segment %llu of group %u up, and no stable slot says so, or no "
		"snapshot stands for it",
		node, (unsigned long long)role->segment, role->group);
}

/** An old segment that becomes another one, or goes away. */
static void note_gone(struct truth *truth, qr_node node, const struct tape_op *op)
{
	uint32_t file = media_find_visible(&truth->media[node], op->folder, op->name);
	struct truth_role *role;
	uint64_t number;

	if (file == MEDIA_NONE || !parse_hex(op->name, ".seg", &number))
		return; /* or it never got its name */
	role = &truth->roles[node][file];
	if (role->kind != TRUTH_ROLE_SEGMENT)
		return;
	check_gone(truth, node, role);
	*role = (struct truth_role){.kind = TRUTH_ROLE_NONE};
}

static void note_role(struct truth *truth, qr_node node, const struct tape_op *op)
{
	struct truth_role *roles = truth->roles[node];
	struct truth_role *role = &roles[op->file];
	uint64_t number;

	if (op->kind == TAPE_OP_RENAME || op->kind == TAPE_OP_UNLINK)
		note_gone(truth, node, op);
	if (op->kind == TAPE_OP_UNLINK)
		return;
	if (op->kind == TAPE_OP_CREATE && is_snapshot(op->name, &number)) {
		*role = (struct truth_role){.kind = TRUTH_ROLE_SNAPSHOT,
					    .group = roles[op->folder].group,
					    .segment = number};
	}
	if (op->kind == TAPE_OP_MKDIR && strncmp(op->name, "group-", 6) == 0 &&
	    parse_hex(op->name + 6, "", &number) && number >= 1 &&
	    number <= truth->round.group_count) {
		*role = (struct truth_role){.kind = TRUTH_ROLE_GROUP, .group = (qr_group)number};
	} else if (op->kind == TAPE_OP_RENAME && strcmp(op->new_name, STORE_STATE_NAME) == 0) {
		*role = (struct truth_role){.kind = TRUTH_ROLE_SLOTS,
					    .group = roles[op->folder].group};
	} else if (op->kind == TAPE_OP_RENAME && parse_hex(op->new_name, ".seg", &number)) {
		*role = (struct truth_role){.kind = TRUTH_ROLE_SEGMENT,
					    .group = roles[op->folder].group,
					    .segment = number};
	}
}

static qr_block block_of(const struct truth *truth, const struct truth_role *role,
			 const struct tape_op *op)
{
	return role->segment * truth->round.segment_blocks + op->offset_bytes / QR_BLOCK_BYTES;
}

/* ---- entries on a node ---- */

static void set_firm(struct truth_log *log, qr_index index, uint32_t version)
{
	if (index >= log->firm_room) {
		uint64_t room = log->firm_room == 0 ? 1024 : 2 * log->firm_room;

		while (room <= index)
			room *= 2;
		log->firm = realloc(log->firm, room * sizeof(*log->firm));
		QR_ASSERT(log->firm != NULL);
		memset(log->firm + log->firm_room, 0, (room - log->firm_room) * sizeof(*log->firm));
		log->firm_room = room;
	}
	log->firm[index] = version;
	if (index > log->high)
		log->high = index;
}

static void advance(const struct truth *truth, struct truth_log *log)
{
	while (log->certain < log->high) {
		uint32_t next = log->firm[log->certain + 1];
		uint32_t last = log->certain == 0 ? TRUTH_NONE : log->firm[log->certain];

		if (next == TRUTH_NONE || truth->versions[next].parent != last)
			return;
		log->certain++;
	}
}

/** Blocks [from, until) are about to change: what lies there is not certain any more. */
static void forget(const struct truth *truth, struct truth_log *log, qr_block from, qr_block until)
{
	for (qr_index i = log->high; i > 0; i--) {
		const struct store_entry *entry = &truth->versions[log->firm[i]].entry;

		if (log->firm[i] == TRUTH_NONE)
			continue;
		if (entry->block + entry->blocks <= from) {
			if (i <= log->certain)
				return;
			continue;
		}
		if (entry->block >= until)
			continue;
		log->firm[i] = TRUTH_NONE;
		if (log->certain >= i)
			log->certain = i - 1;
	}
}

/** Each entry of a write. @return false: a problem. */
static bool learn_write(struct truth *truth, qr_node node, const struct truth_role *role,
			const struct tape_op *op)
{
	const struct truth_log *log = &truth->groups[role->group].logs[node];
	qr_block block = block_of(truth, role, op);

	for (uint32_t at = 0; at < op->size_bytes;) {
		struct qr_span rest = {op->data + at, op->size_bytes - at};
		uint32_t version =
			truth_learn(truth, role->group, block + at / QR_BLOCK_BYTES, rest);

		if (version == TRUTH_NONE)
			return false;
		if (truth->versions[version].entry.term > log->slot.state.term) {
			truth_complain(truth,
				       "node %u writes entries of a term before that is stable",
				       node);
			return false;
		}
		at += truth->versions[version].entry.blocks * QR_BLOCK_BYTES;
	}
	return true;
}

bool truth_asked(const struct truth_log *log, const struct raft_hard_state *state)
{
	for (uint32_t i = log->asked_count; i > 0; i--) {
		if (log->asked[i - 1].term == state->term && log->asked[i - 1].vote == state->vote)
			return true;
	}
	return false;
}

/** Whether most nodes have an entry for good that says so: it is committed. */
static bool is_agreed(const struct truth *truth, qr_group group, const struct store_start *start)
{
	const struct truth_group *self = &truth->groups[group];
	struct store_start said;

	for (uint32_t t = self->trim_count; t > 0; t--) {
		const struct truth_version *version = &truth->versions[self->trims[t - 1]];
		const struct qr_span payload = {version->bytes + STORE_ENTRY_HEADER_BYTES,
						version->entry.payload_bytes};
		unsigned holders = 0;

		if (store_trim_decode(payload, &said) != QR_OK ||
		    memcmp(&said, start, sizeof(said)) != 0)
			continue;
		for (qr_node node = 1; node <= TAPE_NODES; node++) {
			const struct truth_log *log = &self->logs[node];

			holders += log->certain >= version->entry.index &&
				   log->firm[version->entry.index] == self->trims[t - 1];
		}
		if (holders >= TAPE_NODES / 2 + 1)
			return true;
	}
	return false;
}

/** It begins where it did, or later: where most nodes agree, or behind what a peer has given. */
static void check_start(struct truth *truth, qr_node node, qr_group group,
			const struct store_slot *slot)
{
	const struct truth_log *log = &truth->groups[group].logs[node];
	const struct store_start *start = &slot->start;
	const struct store_start *before = &log->slot.start;
	const struct store_snapshot *given = &log->given;

	if ((log->has_slot && memcmp(start, before, sizeof(*start)) == 0) || start->segment == 0 ||
	    truth_is_lazy(truth, group))
		return;
	if (start->segment >= before->segment &&
	    (is_agreed(truth, group, start) ||
	     (given->serial != 0 && start->segment == given->segment &&
	      start->before == given->base.index && start->offset == given->base.offset)))
		return;
	truth_complain(truth,
		       "node %u lets group %u begin with segment %llu, which is not committed",
		       node, group, (unsigned long long)start->segment);
}

/** Whether the slot puts what a peer gave in the place of the log. */
static bool names_given(const struct truth_log *log, const struct store_slot *slot)
{
	return log->given.serial != 0 && slot->settled.index == log->given.base.index &&
	       slot->settled.chain == log->given.base.chain;
}

static void learn_slot(struct truth *truth, qr_node node, qr_group group, const uint8_t *data)
{
	struct truth_log *log = &truth->groups[group].logs[node];
	struct store_slot slot;

	if (data == NULL || store_slot_decode(data, &slot) != QR_OK) {
		truth_complain(truth, "node %u writes a slot of group %u that is none", node,
			       group);
		return;
	}
	check_start(truth, node, group, &slot);
	if (names_given(log, &slot)) {
		log->named = truth_find(truth, group, slot.settled.chain);
	} else if (slot.settled.index > log->certain ||
		   (slot.settled.index > 0 &&
		    truth->versions[log->firm[slot.settled.index]].digest != slot.settled.chain)) {
		truth_complain(truth,
			       "node %u calls entry %llu of group %u settled, which is not stable",
			       node, (unsigned long long)slot.settled.index, group);
	}
	if (truth_asked(log, &slot.state))
		return;
	QR_ASSERT(log->asked_count < TRUTH_STATES_MAX);
	log->asked[log->asked_count++] = slot.state;
}

/** A header: what it names, unless a peer gave it, is committed and stable here, and a slot that is
 * stable says so. */
static void learn_snapshot(struct truth *truth, qr_node node, qr_group group,
			   const struct tape_op *op)
{
	const struct truth_log *log = &truth->groups[group].logs[node];
	struct store_snapshot snapshot;
	qr_index base;

	if (op->size_bytes == STORE_SNAPSHOT_HEADER_BYTES &&
	    (op->data == NULL || store_snapshot_decode(op->data, &snapshot) == QR_NOT_FOUND))
		return; /* zeros: what the file held does not count any more */
	if (op->data == NULL || op->size_bytes != STORE_SNAPSHOT_HEADER_BYTES ||
	    store_snapshot_decode(op->data, &snapshot) != QR_OK) {
		truth_complain(truth, "node %u writes a snapshot of group %u that is none", node,
			       group);
		return;
	}
	base = snapshot.base.index;
	if (snapshot.given) {
		if (truth_find(truth, group, snapshot.base.chain) == TRUTH_NONE) {
			truth_complain(truth,
				       "node %u was given a snapshot of group %u that nobody has",
				       node, group);
		}
		return;
	}
	if (base > log->slot.settled.index || base > log->certain ||
	    truth->versions[log->firm[base]].digest != snapshot.base.chain) {
		truth_complain(truth,
			       "node %u has a snapshot of entry %llu of group %u, which no stable "
			       "slot calls settled",
			       node, (unsigned long long)base, group);
	}
}

static void begin_write(struct truth *truth, qr_node node, const struct tape_op *op)
{
	const struct truth_role *role = &truth->roles[node][op->file];
	qr_block block;

	if (role->kind == TRUTH_ROLE_NONE || role->kind == TRUTH_ROLE_GROUP)
		return;
	if (media_overlaps_inflight(&truth->media[node], op)) {
		truth_complain(truth, "node %u writes over a write that is in flight", node);
		return;
	}
	if (role->kind == TRUTH_ROLE_SLOTS) {
		learn_slot(truth, node, role->group, op->data);
		return;
	}
	if (role->kind == TRUTH_ROLE_SNAPSHOT) {
		truth->groups[role->group].logs[node].files[role->segment].serial = 0;
		if (op->offset_bytes == 0)
			learn_snapshot(truth, node, role->group, op);
		return;
	}
	block = block_of(truth, role, op);
	if (op->data != NULL && !learn_write(truth, node, role, op))
		return;
	forget(truth, &truth->groups[role->group].logs[node], block,
	       block + op->size_bytes / QR_BLOCK_BYTES);
}

/** What a peer gave has taken the place of the log: all of it is what the base's entry follows. */
static void adopt(struct truth *truth, qr_node node, qr_group group)
{
	struct truth_log *log = &truth->groups[group].logs[node];
	uint32_t version = log->named;

	for (qr_index i = log->high; i > 0; i--)
		log->firm[i] = TRUTH_NONE;
	log->high = 0;
	log->certain = truth->versions[version].entry.index;
	for (qr_index i = log->certain; i > 0; i--) {
		set_firm(log, i, version);
		version = truth->versions[version].parent;
	}
	if (log->given.serial > log->snapshot.serial)
		log->snapshot = log->given;
	log->given.serial = 0;
	log->named = TRUTH_NONE;
	truth->installs++;
}

static void slot_is_firm(struct truth *truth, qr_node node, qr_group group,
			 const struct store_slot *slot)
{
	struct truth_log *log = &truth->groups[group].logs[node];

	if (log->has_slot && slot->serial <= log->slot.serial)
		return;
	if (slot->start.segment > log->slot.start.segment)
		truth->trims++;
	log->has_slot = true;
	log->slot = *slot;
	if (log->named != TRUTH_NONE && slot->settled.chain == truth->versions[log->named].digest)
		adopt(truth, node, group);
}

static void snapshot_is_firm(struct truth *truth, qr_node node, const struct truth_role *role,
			     const struct store_snapshot *snapshot)
{
	struct truth_log *log = &truth->groups[role->group].logs[node];

	log->files[role->segment] = *snapshot;
	truth->snapshots++;
	if (snapshot->given && snapshot->base.index > log->slot.settled.index) {
		log->given = *snapshot;
	} else if (snapshot->serial > log->snapshot.serial) {
		log->snapshot = *snapshot;
	}
}

/** A write has become stable. */
static void on_firm(void *context, const struct tape_op *op)
{
	const struct truth_hook *hook = context;
	struct truth *truth = hook->truth;
	const struct truth_role *role = &truth->roles[hook->node][op->file];
	struct truth_log *log = &truth->groups[role->group].logs[hook->node];
	struct store_snapshot snapshot;
	struct store_slot slot;

	if (op->kind != TAPE_OP_WRITE || op->data == NULL)
		return;
	if (role->kind == TRUTH_ROLE_SLOTS && store_slot_decode(op->data, &slot) == QR_OK)
		slot_is_firm(truth, hook->node, role->group, &slot);
	if (role->kind == TRUTH_ROLE_SNAPSHOT && op->offset_bytes == 0 &&
	    store_snapshot_decode(op->data, &snapshot) == QR_OK)
		snapshot_is_firm(truth, hook->node, role, &snapshot);
	if (role->kind != TRUTH_ROLE_SEGMENT || media_is_overwritten(&truth->media[hook->node], op))
		return;
	for (uint32_t at = 0; at < op->size_bytes;) {
		uint32_t version =
			truth_find(truth, role->group, store_entry_digest(op->data + at));

		if (version == TRUTH_NONE)
			return; /* it was complained of when it began */
		set_firm(log, truth->versions[version].entry.index, version);
		at += truth->versions[version].entry.blocks * QR_BLOCK_BYTES;
	}
	advance(truth, log);
}

/* ---- a power cut on the tape ---- */

/** Where a block of a group is on the media; NULL: nowhere. */
static const uint8_t *block_at(const struct truth *truth, qr_node node, qr_group group,
			       qr_block block)
{
	const struct media *media = &truth->media[node];
	char name[STORE_NAME_BYTES];
	uint32_t at = media_find(media, TAPE_TOP, "data");
	uint32_t offset_bytes = (uint32_t)(block % truth->round.segment_blocks) * QR_BLOCK_BYTES;

	store_group_name(name, group);
	if (at != MEDIA_NONE)
		at = media_find(media, at, name);
	store_segment_name(name, block / truth->round.segment_blocks);
	if (at != MEDIA_NONE)
		at = media_find(media, at, name);
	if (at == MEDIA_NONE || media_file(media, at)->size_bytes <= offset_bytes)
		return NULL;
	return media_file(media, at)->data + offset_bytes;
}

static bool is_on_media(const struct truth *truth, qr_node node, uint32_t number)
{
	const struct truth_version *version = &truth->versions[number];
	const uint8_t *bytes = block_at(truth, node, version->entry.group, version->entry.block);

	return bytes != NULL &&
	       memcmp(bytes, version->bytes, (size_t)version->entry.blocks * QR_BLOCK_BYTES) == 0;
}

/** What survived a cut behind the certain part is certain from now on. */
static void look_again(struct truth *truth, qr_node node, qr_group group)
{
	struct truth_log *log = &truth->groups[group].logs[node];
	uint32_t last = log->certain == 0 ? TRUTH_NONE : log->firm[log->certain];

	for (qr_index i = log->certain + 1; i <= log->high; i++)
		log->firm[i] = TRUTH_NONE;
	log->high = log->certain;
	for (;;) {
		uint32_t next = last == TRUTH_NONE ? truth->groups[group].root
						   : truth->versions[last].child;

		while (next != TRUTH_NONE && !is_on_media(truth, node, next))
			next = truth->versions[next].sibling;
		if (next == TRUTH_NONE)
			return;
		set_firm(log, log->certain + 1, next);
		log->certain++;
		last = next;
	}
}

/** A file in the folder of a group on the media; MEDIA_NONE. */
static uint32_t find_file(const struct truth *truth, qr_node node, qr_group group, const char *file)
{
	const struct media *media = &truth->media[node];
	char name[STORE_NAME_BYTES];
	uint32_t at = media_find(media, TAPE_TOP, "data");

	store_group_name(name, group);
	if (at != MEDIA_NONE)
		at = media_find(media, at, name);
	return at == MEDIA_NONE ? MEDIA_NONE : media_find(media, at, file);
}

/** A slot that names what a peer gave may have survived a cut: then that is the log. */
static void look_at_slots(struct truth *truth, qr_node node, qr_group group)
{
	struct truth_log *log = &truth->groups[group].logs[node];
	uint32_t at = find_file(truth, node, group, STORE_STATE_NAME);
	struct store_slot slot;

	if (log->named == TRUTH_NONE)
		return;
	if (at != MEDIA_NONE &&
	    store_slot_choose(media_file(&truth->media[node], at)->data, &slot) == QR_OK)
		slot_is_firm(truth, node, group, &slot);
	log->named = TRUTH_NONE;
}

/** And so may a snapshot whose header had begun to be written. */
static void look_at_snapshots(struct truth *truth, qr_node node, qr_group group)
{
	struct truth_log *log = &truth->groups[group].logs[node];

	for (uint32_t number = 0; number < STORE_SNAPSHOTS; number++) {
		struct store_snapshot *found = &log->files[number];
		char name[STORE_NAME_BYTES];
		const struct media_file *file;
		uint32_t at;

		store_snapshot_name(name, number);
		at = find_file(truth, node, group, name);
		*found = (struct store_snapshot){0};
		if (at == MEDIA_NONE)
			continue;
		file = media_file(&truth->media[node], at);
		if (file->size_bytes < STORE_SNAPSHOT_HEADER_BYTES ||
		    store_snapshot_decode(file->data, found) != QR_OK ||
		    store_snapshot_file_bytes(found) > file->size_bytes ||
		    qr_crc32c(0, file->data + STORE_SNAPSHOT_HEADER_BYTES,
			      store_snapshot_body_bytes(found)) != found->body_crc)
			found->serial = 0;
	}
}

static void cut(struct truth *truth, qr_node node, uint64_t seed)
{
	struct media_pick pick = media_pick_of(MEDIA_PICK_RANDOM, 0, seed);

	media_cut(&truth->media[node], &pick);
	for (qr_group group = 1; group <= truth->round.group_count; group++) {
		look_at_slots(truth, node, group);
		look_at_snapshots(truth, node, group);
		look_again(truth, node, group);
	}
}

/* ---- promises ---- */

static void take_said(struct truth *truth, qr_node node, const struct tape_said *said)
{
	const struct truth_log *log;
	const struct raft_hard_state *state;
	bool kept = true;

	if (said->group == 0 || said->group > truth->round.group_count)
		return;
	log = &truth->groups[said->group].logs[node];
	state = &log->slot.state;
	if (said->kind == TAPE_SAID_TERM) {
		kept = log->has_slot && state->term >= said->term;
	} else if (said->kind == TAPE_SAID_VOTE) {
		kept = log->has_slot && (state->term > said->term ||
					 (state->term == said->term && state->vote == said->vote));
	} else if (!truth_is_lazy(truth, said->group)) {
		kept = log->certain >= said->index;
	}
	if (kept)
		return;
	truth_complain(truth,
		       "node %u said before it was stable: group %u, term %llu%s, durable "
		       "up to %llu (stable: term %llu, up to %llu)",
		       node, said->group, (unsigned long long)said->term,
		       said->kind == TAPE_SAID_VOTE ? ", its vote" : "",
		       (unsigned long long)said->index, (unsigned long long)state->term,
		       (unsigned long long)log->certain);
}

/** The entry of a log's certain part that holds the record `offset`; TRUTH_NONE. */
static uint32_t entry_with(const struct truth *truth, const struct truth_log *log, qr_offset offset)
{
	qr_index low = 1;
	qr_index high = log->certain;

	while (low <= high) {
		qr_index middle = low + (high - low) / 2;
		const struct store_entry *entry = &truth->versions[log->firm[middle]].entry;

		if (entry->first_offset > offset) {
			high = middle - 1;
		} else if (entry->first_offset + entry->record_count <= offset) {
			low = middle + 1;
		} else {
			return log->firm[middle];
		}
	}
	return TRUTH_NONE;
}

static void note_answers(struct truth *truth, uint32_t number, const struct tape_answered *answered)
{
	const struct truth_version *version = &truth->versions[number];
	uint32_t producer = LOAD_PRODUCERS_MAX;

	for (uint32_t s = 0; s < version->session_count; s++) {
		if (version->sessions[s].session == answered->session)
			producer = version->sessions[s].producer;
	}
	QR_ASSERT(producer < LOAD_PRODUCERS_MAX); /* truth_learn has bound it */
	for (uint32_t r = 0; r < answered->count; r++) {
		qr_offset *answer = &truth->records[producer].answers[answered->sequence + r];
		qr_offset offset = answered->offset + r;

		if (*answer != 0 && *answer != offset + 1) {
			truth_complain(truth, "record %llu of producer %u got two answers",
				       (unsigned long long)answered->sequence + r, producer);
			return;
		}
		truth->answered_records += *answer == 0;
		*answer = offset + 1;
	}
}

/** The entry with an answer that most nodes have in their certain part; another may have it too. */
static uint32_t most_held(const struct truth *truth, const struct tape_answered *answered,
			  unsigned *ret_count)
{
	const struct truth_group *group = &truth->groups[answered->group];
	uint32_t held[TAPE_NODES + 1] = {TRUTH_NONE};
	uint32_t most = TRUTH_NONE;

	*ret_count = 0;
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		uint32_t version = entry_with(truth, &group->logs[node], answered->offset);
		unsigned count = 0;

		if (version == TRUTH_NONE || !truth_holds(&truth->versions[version], answered))
			continue;
		held[node] = version;
		for (qr_node other = 1; other <= node; other++)
			count += held[other] == version;
		if (count > *ret_count) {
			*ret_count = count;
			most = version;
		}
	}
	return most;
}

static void take_answered(struct truth *truth, const struct tape_answered *answered)
{
	struct truth_group *group;
	uint32_t found;
	unsigned count;

	if (answered->group == 0 || answered->group > truth->round.group_count ||
	    truth_is_lazy(truth, answered->group))
		return;
	group = &truth->groups[answered->group];
	found = most_held(truth, answered, &count);
	if (count < TAPE_NODES / 2 + 1) {
		truth_complain(truth,
			       "record %llu of group %u was answered when %u of %u nodes "
			       "had it on stable media",
			       (unsigned long long)answered->offset, answered->group, count,
			       TAPE_NODES);
		return;
	}
	note_answers(truth, found, answered);
	if (truth->versions[found].entry.index > truth->versions[group->answered].entry.index) {
		if (!truth_descends(truth, found, group->answered)) {
			truth_complain(truth, "answers of group %u come from two logs",
				       answered->group);
		}
		group->answered = found;
	} else if (!truth_descends(truth, group->answered, found)) {
		truth_complain(truth, "answers of group %u come from two logs", answered->group);
	}
}

static void take_appended(struct truth *truth, const struct tape_appended *appended)
{
	struct truth_records *records = &truth->records[appended->producer % LOAD_PRODUCERS_MAX];

	if (records->appended == records->room) {
		uint64_t room = records->room == 0 ? 1024 : 2 * records->room;

		records->sizes = realloc(records->sizes, room * sizeof(*records->sizes));
		records->answers = realloc(records->answers, room * sizeof(*records->answers));
		QR_ASSERT(records->sizes != NULL && records->answers != NULL);
		memset(records->answers + records->room, 0,
		       (room - records->room) * sizeof(*records->answers));
		records->room = room;
	}
	QR_ASSERT(appended->sequence == records->appended);
	records->sizes[records->appended++] = appended->size_bytes;
}

/* ---- all of it ---- */

void truth_init(struct truth *truth, const struct tape_round *round, struct media *media)
{
	*truth = (struct truth){.round = *round, .media = media};
	truth->version_room = VERSIONS_FIRST;
	truth->version_count = 1;
	truth->table_room = 4 * VERSIONS_FIRST;
	truth->versions = calloc(truth->version_room, sizeof(*truth->versions));
	truth->table = calloc(truth->table_room, sizeof(*truth->table));
	QR_ASSERT(truth->versions != NULL && truth->table != NULL);
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		truth->hooks[node] = (struct truth_hook){truth, node};
		media_init(&media[node]);
		media[node].on_firm = on_firm;
		media[node].context = &truth->hooks[node];
	}
}

void truth_fini(struct truth *truth)
{
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		media_fini(&truth->media[node]);
		for (qr_group g = 0; g <= CLUSTER_GROUPS_MAX; g++)
			free(truth->groups[g].logs[node].firm);
	}
	for (uint32_t p = 0; p < LOAD_PRODUCERS_MAX; p++) {
		free(truth->records[p].sizes);
		free(truth->records[p].answers);
	}
	free(truth->versions);
	free(truth->table);
}

void truth_take(struct truth *truth, const struct tape_event *event)
{
	struct media *media = &truth->media[event->node];

	switch (event->kind) {
	case TAPE_CUT:
		cut(truth, event->node, event->seed);
		break;
	case TAPE_KILL:
		media_kill(media);
		break;
	case TAPE_BEGIN:
		if (event->op.kind == TAPE_OP_MKDIR || event->op.kind == TAPE_OP_CREATE ||
		    event->op.kind == TAPE_OP_RENAME || event->op.kind == TAPE_OP_UNLINK)
			note_role(truth, event->node, &event->op);
		if (event->op.kind == TAPE_OP_WRITE)
			begin_write(truth, event->node, &event->op);
		media_begin(media, &event->op);
		break;
	case TAPE_END:
		media_end(media, event->end.id, event->end.failed);
		break;
	case TAPE_SAID:
		take_said(truth, event->node, &event->said);
		break;
	case TAPE_APPENDED:
		take_appended(truth, &event->appended);
		break;
	case TAPE_ANSWERED:
		take_answered(truth, &event->answered);
		break;
	case TAPE_ROUND:
	case TAPE_START:
	case TAPE_KINDS:
	default:
		break;
	}
}
