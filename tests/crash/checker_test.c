/*
 * Does the checker find anything? A recorded run is clean; then bugs are planted, in the tape (the
 * program did the wrong thing) and in what is on the media (recovery would do the wrong thing), and
 * each must be named.
 */
#include "consensus/base/crc.h"
#include "tests/crash/check.h"
#include "tests/crash/folder.h"
#include "tests/crash/story.h"
#include "tests/unit/unit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define IMAGES 400
#define IMAGES_DENSE 100000 /* of the whole tape, where one place is looked at */
#define SEED 4
#define SEEDS_TRIED 64

static char folder[PATH_MAX - 16];
static char nodes[PATH_MAX];
static struct tape recorded; /* as it happened */
static struct tape trimmed;  /* another one, whose logs have given their first segments up */
static struct tape doctored; /* the same events; shares the bytes */
static struct media media[TAPE_NODES + 1];
static struct truth *truth;

/* ---- the run ---- */

/** What a tape says in the end. */
static void learn(const struct tape *tape)
{
	truth = malloc(sizeof(*truth));
	assert_non_null(truth);
	truth_init(truth, &tape->events[0].round, media);
	for (uint64_t p = 0; p < tape->count; p++)
		truth_take(truth, &tape->events[p]);
}

static void forget(void)
{
	truth_fini(truth);
	free(truth);
}

/** One group that promises durability and keeps all of it, and snapshots of it on each node. */
static bool is_suitable(const struct tape *tape)
{
	const struct tape_round *round = &tape->events[0].round;
	bool suitable =
		round->group_count == 1 && round->lazy_groups == 0 && round->retention_blocks == 0;
	uint64_t most = 0;

	if (!suitable)
		return false;
	learn(tape);
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		uint64_t serial = truth->groups[1].logs[node].snapshot.serial;

		suitable = suitable && serial > 0;
		most = serial > most ? serial : most;
	}
	forget();
	return suitable && most > 2;
}

/** One group that promises durability, and gave segments up on each node. */
static bool is_trimmed(const struct tape *tape)
{
	const struct tape_round *round = &tape->events[0].round;
	bool suitable =
		round->group_count == 1 && round->lazy_groups == 0 && round->retention_blocks != 0;

	if (!suitable)
		return false;
	learn(tape);
	for (qr_node node = 1; node <= TAPE_NODES; node++)
		suitable = suitable && truth->groups[1].logs[node].slot.start.segment > 1;
	forget();
	return suitable;
}

static bool record_one(struct tape *tape, bool (*is_wanted)(const struct tape *tape),
		       uint64_t bytes)
{
	struct story_outcome outcome;
	struct story_options options = {.path = nodes, .bytes_per_group = bytes, .calm = true};

	for (options.seed = SEED; options.seed < SEED + SEEDS_TRIED; options.seed++) {
		bool well;

		tape_init(tape);
		well = story_record(tape, &options, &outcome);
		if (!well)
			print_error("%s\n", outcome.problem);
		if (well && is_wanted(tape))
			return true;
		tape_fini(tape);
		if (!well)
			return false;
	}
	return false;
}

static int record_all(void **state)
{
	const char *base = secure_getenv("QUORATE_BUILD");

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%s/crash-checker-XXXXXX",
		       base != NULL ? base : "/var/tmp");
	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(nodes, sizeof(nodes), "%s/nodes", folder);
	return record_one(&recorded, is_suitable, 800000) &&
			       record_one(&trimmed, is_trimmed, 300000)
		       ? 0
		       : 1;
}

static int forget_all(void **state)
{
	(void)state;
	tape_fini(&recorded);
	tape_fini(&trimmed);
	folder_remove(folder);
	return 0;
}

static int copy_tape(void **state)
{
	(void)state;
	tape_init(&doctored);
	for (uint64_t p = 0; p < recorded.count; p++)
		(void)tape_put(&doctored, &recorded.events[p]);
	return 0;
}

static int copy_trimmed(void **state)
{
	(void)state;
	tape_init(&doctored);
	for (uint64_t p = 0; p < trimmed.count; p++)
		(void)tape_put(&doctored, &trimmed.events[p]);
	return 0;
}

static int drop_copy(void **state)
{
	(void)state;
	tape_fini(&doctored);
	return 0;
}

/* ---- the tape ---- */

static struct check_outcome check_at(uint64_t position)
{
	const struct check_options options = {
		.images = position == CHECK_ALL ? IMAGES : IMAGES_DENSE,
		.seed = 1,
		.jobs = 1,
		.folder = folder,
		.position = position,
		.number = CHECK_ALL,
	};
	struct check_outcome outcome;

	check_tape(&doctored, &options, &outcome);
	if (outcome.failed)
		print_message("# event %lu: %s\n", outcome.failure.position, outcome.failure.text);
	return outcome;
}

/** It is found, and called by one of two names. */
static void expect_either(const char *words, const char *others, uint64_t position)
{
	struct check_outcome outcome = check_at(position);

	assert_true(outcome.failed);
	assert_true(strstr(outcome.failure.text, words) != NULL ||
		    strstr(outcome.failure.text, others) != NULL);
}

static void expect_at(const char *words, uint64_t position)
{
	expect_either(words, words, position);
}

static void expect(const char *words)
{
	expect_at(words, CHECK_ALL);
}

/** The next event of a kind; the tape must have one. */
static uint64_t find(enum tape_kind kind, uint64_t from)
{
	for (uint64_t p = from; p < doctored.count; p++) {
		if (doctored.events[p].kind == kind)
			return p;
	}
	fail_msg("no event of kind %u behind %lu", kind, from);
	return 0;
}

static void move(uint64_t from, uint64_t to)
{
	struct tape_event event = doctored.events[from];

	assert_true(to <= from);
	memmove(&doctored.events[to + 1], &doctored.events[to], (from - to) * sizeof(event));
	doctored.events[to] = event;
}

static void what_happened_is_clean(void **state)
{
	struct check_outcome outcome = check_at(CHECK_ALL);

	(void)state;
	assert_false(outcome.failed);
	assert_int_equal(outcome.rounds, 1);
	assert_true(outcome.answered > 20);
	assert_true(outcome.counts.images > IMAGES / 2);
	assert_true(outcome.counts.again > 0 && outcome.counts.folders > 0);
	assert_true(outcome.counts.promises > outcome.answered);
	assert_true(outcome.snapshots > TAPE_NODES && outcome.counts.restored > 0);
}

/** The same tape through a file. */
static void a_saved_tape_is_the_same_tape(void **state)
{
	char path[PATH_MAX];
	struct tape loaded;
	const char *problem = NULL;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/tape", folder);
	assert_true(tape_save(&doctored, path));
	assert_true(tape_load(&loaded, path, &problem));
	assert_int_equal(loaded.count, doctored.count);
	for (uint64_t p = 0; p < loaded.count; p++) {
		char one[TAPE_TEXT_BYTES];
		char two[TAPE_TEXT_BYTES];

		tape_describe(&loaded.events[p], one, sizeof(one));
		tape_describe(&doctored.events[p], two, sizeof(two));
		assert_string_equal(one, two);
		if (loaded.events[p].kind == TAPE_BEGIN && loaded.events[p].op.data != NULL) {
			assert_memory_equal(loaded.events[p].op.data, doctored.events[p].op.data,
					    loaded.events[p].op.size_bytes);
		}
	}
	tape_fini(&loaded);
	assert_int_equal(remove(path), 0);
}

/** Whether an event begins to write the entry that holds an answered record. */
static bool writes_record(const struct tape_event *event, qr_offset offset)
{
	const struct tape_op *op = &event->op;
	struct store_entry entry;

	if (event->kind != TAPE_BEGIN || op->kind != TAPE_OP_WRITE || op->data == NULL)
		return false;
	for (uint32_t at = 0; at < op->size_bytes; at += entry.blocks * QR_BLOCK_BYTES) {
		if (store_entry_decode(op->data + at, &entry) != QR_OK)
			return false;
		if (entry.first_offset <= offset &&
		    offset < entry.first_offset + entry.record_count)
			return true;
	}
	return false;
}

/** An answer leaves when the first of the entry's writes has begun. */
static void an_answer_before_durability_is_found(void **state)
{
	uint64_t answer = find(TAPE_ANSWERED, 0);
	uint64_t write = 0;

	(void)state;
	while (!writes_record(&doctored.events[write], doctored.events[answer].answered.offset))
		write++;
	move(answer, write + 1);
	expect("was answered when 0 of 3");
}

static void a_vote_before_durability_is_found(void **state)
{
	uint64_t said = find(TAPE_SAID, 0);
	uint64_t write;

	(void)state;
	while (doctored.events[said].said.kind != TAPE_SAID_VOTE)
		said = find(TAPE_SAID, said + 1);
	for (write = said; doctored.events[write].kind != TAPE_END ||
			   doctored.events[write].node != doctored.events[said].node;)
		write--;
	move(said, write);
	expect("its vote");
}

/** Writes without O_DSYNC: all else on the tape is as it was. */
static void a_forgotten_flag_is_found(void **state)
{
	(void)state;
	for (uint64_t p = 0; p < doctored.count; p++) {
		if (doctored.events[p].kind == TAPE_BEGIN)
			doctored.events[p].op.dsync = false;
	}
	expect("said before it was stable");
}

/** New segments are renamed without having been synced. */
static void a_forgotten_sync_is_found(void **state)
{
	uint64_t kept = 0;
	uint32_t extended[TAPE_NODES + 1] = {0};
	uint32_t dropped[TAPE_NODES + 1] = {0};

	(void)state;
	for (uint64_t p = 0; p < doctored.count; p++) {
		const struct tape_event *event = &doctored.events[p];
		qr_node node = event->node;

		if (event->kind == TAPE_BEGIN && event->op.kind == TAPE_OP_EXTEND)
			extended[node] = event->op.file;
		if (event->kind == TAPE_BEGIN && event->op.kind == TAPE_OP_SYNC &&
		    event->op.file == extended[node] && extended[node] != 0) {
			dropped[node] = event->op.id;
			extended[node] = 0;
			continue;
		}
		if (event->kind == TAPE_END && dropped[node] != 0 &&
		    event->end.id == dropped[node]) {
			dropped[node] = 0;
			continue;
		}
		doctored.events[kept++] = *event;
	}
	assert_true(kept < doctored.count);
	doctored.count = kept;
	expect("REFUSED");
}

static bool ends(const struct tape_event *event, const struct tape_event *begin)
{
	return event->kind == TAPE_END && event->node == begin->node &&
	       event->end.id == begin->op.id;
}

static bool has_ended(const struct tape_event *begin)
{
	for (uint64_t p = 0; p < doctored.count; p++) {
		if (ends(&doctored.events[p], begin))
			return true;
	}
	return false;
}

/** In the end a majority zeroes the entry whose records were answered last. */
static void a_lost_answer_is_found(void **state)
{
	uint64_t answer = doctored.count - 1;
	qr_nodes zeroed = 0;

	(void)state;
	while (doctored.events[answer].kind != TAPE_ANSWERED)
		answer--;
	for (uint64_t p = answer; qr_nodes_count(zeroed) < 2; p--) {
		struct tape_event begin = doctored.events[p];
		struct tape_event end = {.kind = TAPE_END, .node = begin.node};

		if (qr_nodes_has(zeroed, begin.node) ||
		    !writes_record(&begin, doctored.events[answer].answered.offset) ||
		    !has_ended(&begin))
			continue;
		zeroed |= qr_nodes_of(begin.node);
		begin.op.id = end.end.id = UINT32_MAX;
		begin.op.data = NULL;
		(void)tape_put(&doctored, &begin);
		(void)tape_put(&doctored, &end);
	}
	/* When it was called settled meanwhile, a node that lacks it knows that it does. */
	expect_either("LOST: ", "REFUSED", CHECK_ALL);
}

static bool writes_header(const struct tape_event *event)
{
	const struct tape_op *op = &event->op;
	struct store_snapshot snapshot;

	return event->kind == TAPE_BEGIN && op->kind == TAPE_OP_WRITE && op->data != NULL &&
	       op->offset_bytes == 0 && op->size_bytes == STORE_SNAPSHOT_HEADER_BYTES &&
	       store_snapshot_decode(op->data, &snapshot) == QR_OK;
}

/** The newest header of a snapshot. */
static uint64_t find_header(void)
{
	uint64_t p = doctored.count - 1;

	while (!writes_header(&doctored.events[p]) || !has_ended(&doctored.events[p]))
		p--;
	return p;
}

/** A snapshot's header is stable when its body begins to be written. */
static void a_header_before_its_body_is_found(void **state)
{
	uint64_t header = find_header();
	const struct tape_event begin = doctored.events[header];
	uint64_t body = header - 1;
	uint64_t end = header;

	(void)state;
	while (doctored.events[body].kind != TAPE_BEGIN ||
	       doctored.events[body].node != begin.node ||
	       doctored.events[body].op.file != begin.op.file)
		body--;
	while (!ends(&doctored.events[end], &begin))
		end++;
	move(end, body);
	move(header + 1, body);
	expect_at("a snapshot of entry", body + 2);
}

/** A snapshot is completed before any slot says that so much is settled. */
static void a_snapshot_before_it_is_settled_is_found(void **state)
{
	uint64_t header = find_header();
	struct store_snapshot snapshot;
	uint64_t p = header;

	(void)state;
	assert_int_equal(store_snapshot_decode(doctored.events[header].op.data, &snapshot), QR_OK);
	for (;; p--) {
		const struct tape_event *event = &doctored.events[p];
		struct store_slot slot;

		if (event->kind == TAPE_BEGIN && event->node == doctored.events[header].node &&
		    event->op.kind == TAPE_OP_WRITE && event->op.data != NULL &&
		    store_slot_decode(event->op.data, &slot) == QR_OK &&
		    slot.settled.index < snapshot.base.index)
			break;
	}
	move(header, p);
	expect("no stable slot calls settled");
}

/* ---- what is given up ---- */

static void what_was_trimmed_is_clean(void **state)
{
	struct check_outcome outcome = check_at(CHECK_ALL);

	(void)state;
	assert_false(outcome.failed);
	assert_true(outcome.trims >= TAPE_NODES && outcome.counts.trimmed > 0);
}

/** The first event that begins to take the name of a segment. */
static uint64_t find_gone(void)
{
	uint64_t p = 0;

	for (;; p++) {
		const struct tape_op *op = &doctored.events[p].op;

		assert_true(p < doctored.count);
		if (doctored.events[p].kind == TAPE_BEGIN &&
		    (op->kind == TAPE_OP_RENAME || op->kind == TAPE_OP_UNLINK) &&
		    strstr(op->name, ".seg") != NULL)
			return p;
	}
}

/** The first event in which a node writes a slot that lets the log begin later. */
static uint64_t find_start(qr_node node, struct store_slot *ret_slot)
{
	uint64_t p = 0;

	for (;; p++) {
		const struct tape_event *event = &doctored.events[p];

		assert_true(p < doctored.count);
		if (event->kind == TAPE_BEGIN && event->node == node &&
		    event->op.kind == TAPE_OP_WRITE && event->op.data != NULL &&
		    store_slot_decode(event->op.data, ret_slot) == QR_OK &&
		    ret_slot->start.segment != 0)
			return p;
	}
}

/** A segment goes when the slot that gives it up begins to be written, and not when it is stable.
 */
static void a_segment_given_up_too_soon_is_found(void **state)
{
	uint64_t gone = find_gone();
	struct store_slot slot;

	(void)state;
	move(gone, find_start(doctored.events[gone].node, &slot) + 1);
	expect("gives segment 0 of group 1 up");
}

/** A node lets its log begin a record later than everybody has agreed on. */
static void a_start_of_its_own_is_found(void **state)
{
	uint8_t bytes[STORE_SLOT_BYTES];
	struct store_slot slot;
	uint64_t write = find_start(2, &slot);

	(void)state;
	slot.start.offset++;
	store_slot_encode(bytes, &slot);
	doctored.events[write].op.data = tape_keep(&doctored, bytes, sizeof(bytes));
	expect("which is not committed");
}

/* ---- the media ---- */

static struct judge *judge;

/** All of the tape, and a judge for what is then on the media. */
static void walk(void)
{
	judge = malloc(sizeof(*judge));
	assert_non_null(judge);
	learn(&doctored);
	assert_string_equal(truth->problem.text, "");
	judge_init(judge, truth, NULL);
}

static void walk_end(void)
{
	judge_fini(judge);
	free(judge);
	forget();
}

/** @param or_words  what it says where recovery itself notices; NULL: it cannot. */
static void expect_of_media_either(const char *words, const char *or_words)
{
	const struct judge_fate fates[TAPE_NODES + 1] = {{.course = JUDGE_CUT}};
	bool well = judge_image(judge, fates, 0);

	if (!well)
		print_message("# %s\n", judge->problem.text);
	assert_true(words == NULL ? well : !well);
	if (words == NULL || (or_words != NULL && strstr(judge->problem.text, or_words) != NULL))
		return;
	assert_non_null(strstr(judge->problem.text, words));
}

static void expect_of_media(const char *words)
{
	expect_of_media_either(words, NULL);
}

/** A file of a node's only group, to be tampered with. */
static uint8_t *file_of(qr_node node, const char *name)
{
	uint32_t at = media_find(&media[node], TAPE_TOP, "data");

	at = media_find(&media[node], at, "group-00000001");
	at = media_find(&media[node], at, name);
	assert_int_not_equal(at, MEDIA_NONE);
	return media[node].files[at].data;
}

/** Where node 1 has the last entry that it must have. */
static uint8_t *last_entry(const struct truth_version **ret_version)
{
	const struct truth_log *log = &truth->groups[1].logs[1];
	uint32_t segment_blocks = truth->round.segment_blocks;
	char name[32];

	assert_true(log->certain > 2);
	*ret_version = truth_version(truth, log->firm[log->certain]);
	(void)snprintf(name, sizeof(name), "%016llx.seg",
		       (unsigned long long)((*ret_version)->entry.block / segment_blocks));
	return file_of(1, name) + (*ret_version)->entry.block % segment_blocks * QR_BLOCK_BYTES;
}

static void put_slots(const struct store_slot *slot)
{
	uint8_t *slots = file_of(slot->node, "state");

	store_slot_encode(slots, slot);
	store_slot_encode(slots + STORE_SLOT_BYTES, slot);
}

/** Node 1 does not remember how far it was settled: else it would find the damage itself. */
static void settle_nothing(void)
{
	struct store_slot slot = truth->groups[1].logs[1].slot;

	slot.settled = (struct store_prefix){0};
	put_slots(&slot);
}

/** The newest snapshot of node 1, and its file. */
static uint8_t *newest_snapshot(struct store_snapshot *ret_snapshot)
{
	uint8_t *newest = NULL;

	for (uint32_t number = 0; number < STORE_SNAPSHOTS; number++) {
		struct store_snapshot snapshot;
		char name[STORE_NAME_BYTES];
		uint8_t *bytes;

		store_snapshot_name(name, number);
		bytes = file_of(1, name);
		if (bytes == NULL || store_snapshot_decode(bytes, &snapshot) != QR_OK ||
		    (newest != NULL && snapshot.serial < ret_snapshot->serial))
			continue;
		newest = bytes;
		*ret_snapshot = snapshot;
	}
	assert_non_null(newest);
	return newest;
}

/** Its sums hold, whatever it says. */
static void put_snapshot(uint8_t *bytes, struct store_snapshot *snapshot)
{
	snapshot->body_crc = qr_crc32c(0, bytes + STORE_SNAPSHOT_HEADER_BYTES,
				       store_snapshot_body_bytes(snapshot));
	store_snapshot_encode(bytes, snapshot);
}

/** Node 1 has never had a snapshot. */
static void drop_snapshots(void)
{
	for (uint32_t number = 0; number < STORE_SNAPSHOTS; number++) {
		char name[STORE_NAME_BYTES];
		uint8_t *bytes;

		store_snapshot_name(name, number);
		bytes = file_of(1, name);
		if (bytes != NULL)
			memset(bytes, 0, STORE_SNAPSHOT_HEADER_BYTES);
	}
	truth->groups[1].logs[1].snapshot = (struct store_snapshot){0};
}

static void media_as_they_are_are_clean(void **state)
{
	(void)state;
	walk();
	expect_of_media(NULL);
	walk_end();
}

static void a_lost_entry_is_found(void **state)
{
	const struct truth_version *version;

	(void)state;
	walk();
	memset(last_entry(&version), 0, 512);
	settle_nothing();
	drop_snapshots();
	expect_of_media("LOST: node 1");
	walk_end();
}

/** A record that nobody made, with sums that hold. */
static void an_invented_record_is_found(void **state)
{
	const struct truth_version *version;
	struct store_entry entry;
	uint8_t *bytes;

	(void)state;
	walk();
	bytes = last_entry(&version);
	entry = version->entry;
	entry.payload_bytes = 0;
	entry.payload_crc = 0;
	entry.blocks = 1;
	entry.record_count = 0;
	entry.kind = RAFT_ENTRY_NOOP;
	entry.time_ns++;
	memset(bytes, 0, (size_t)version->entry.blocks * QR_BLOCK_BYTES);
	store_entry_encode(bytes, &entry);
	settle_nothing();
	drop_snapshots();
	expect_of_media("INVENTED");
	walk_end();
}

static void a_forgotten_vote_is_found(void **state)
{
	struct store_slot slot;

	(void)state;
	walk();
	slot = truth->groups[1].logs[1].slot;
	if (slot.state.vote == 0) /* two of three have voted */
		slot = truth->groups[1].logs[2].slot;
	slot.serial += 10;
	slot.state.vote = slot.state.vote == 1 ? 2 : 1;
	put_slots(&slot);
	truth->groups[1].logs[slot.node].asked[0] = slot.state; /* as if it had been, once */
	expect_of_media("FORGOTTEN");
	walk_end();
}

static void an_invented_vote_is_found(void **state)
{
	struct store_slot slot;

	(void)state;
	walk();
	slot = truth->groups[1].logs[1].slot;
	slot.serial++;
	slot.state.term += 100;
	put_slots(&slot);
	expect_of_media("INVENTED");
	walk_end();
}

static uint64_t number_at(const uint8_t *at)
{
	struct qr_reader reader = qr_reader_over(at, 8);

	return qr_read_u64(&reader);
}

static uint32_t count_at(const uint8_t *at)
{
	struct qr_reader reader = qr_reader_over(at, 4);

	return qr_read_u32(&reader);
}

static void move_number(uint8_t *at, int by)
{
	struct qr_writer writer = qr_writer_over(at, 8);

	qr_write_u64(&writer, number_at(at) + (uint64_t)by);
}

/** The first session in a snapshot: docs/formats/snapshot.md. */
static uint8_t *first_session(uint8_t *bytes)
{
	uint8_t *state = bytes + STORE_SNAPSHOT_HEADER_BYTES;
	uint8_t *table = state + 4 + (size_t)count_at(state) * 16;

	assert_true(count_at(table) > 0);
	return table + 4;
}

/** A session that has one record more than the log has: a table like any other. */
static void a_wrong_sequence_is_found(void **state)
{
	struct store_snapshot snapshot;
	uint8_t *session;
	uint8_t *bytes;

	(void)state;
	walk();
	bytes = newest_snapshot(&snapshot);
	session = first_session(bytes);
	move_number(session + 32, 1);
	for (uint32_t c = 0; c < count_at(session + 40); c++)
		move_number(session + 44 + (size_t)c * 28, 1);
	put_snapshot(bytes, &snapshot);
	expect_of_media("a session goes on at another sequence");
	walk_end();
}

/** A record is said to be where the one before it is. */
static void a_wrong_answer_is_found(void **state)
{
	struct store_snapshot snapshot;
	uint8_t *session;
	uint8_t *bytes;

	(void)state;
	walk();
	bytes = newest_snapshot(&snapshot);
	session = first_session(bytes);
	while (count_at(session + 40) == 0) /* some session has chunks */
		session += 44;
	move_number(session + 44 + 8 + (size_t)(count_at(session + 40) - 1) * 28, -1);
	put_snapshot(bytes, &snapshot);
	expect_of_media_either("a session has another answer", "the sessions are no table");
	walk_end();
}

static void an_invented_base_is_found(void **state)
{
	struct store_snapshot snapshot;
	uint8_t *bytes;

	(void)state;
	walk();
	bytes = newest_snapshot(&snapshot);
	snapshot.base.chain++;
	put_snapshot(bytes, &snapshot);
	expect_of_media_either("nobody wrote that entry", "REFUSED"); /* where the slots end, too */
	walk_end();
}

/** Recovery does not read it. */
static void a_lost_entry_below_a_snapshot_is_found(void **state)
{
	(void)state;
	walk();
	memset(file_of(1, "0000000000000000.seg"), 0, 512);
	expect_of_media("LOST: node 1 group 1: entry 1, below a snapshot");
	walk_end();
}

/** A longer start, and nothing else; but a power cut takes no snapshot that was complete. */
static void a_lost_snapshot_is_found(void **state)
{
	struct store_snapshot snapshot;

	(void)state;
	walk();
	memset(newest_snapshot(&snapshot), 0, 512);
	expect_of_media("LOST: node 1 group 1: a snapshot");
	walk_end();
}

/** What lies behind the place where the log begins is there, though no start reads it. */
static void a_lost_entry_behind_the_start_is_found(void **state)
{
	const struct truth_log *log;
	char name[32];

	(void)state;
	walk();
	log = &truth->groups[1].logs[1];
	(void)snprintf(name, sizeof(name), "%016llx.seg",
		       (unsigned long long)log->slot.start.segment);
	memset(file_of(1, name), 0, 512);
	expect_of_media("LOST: node 1 group 1: entry ");
	walk_end();
}

/** And the slots go on to say where that is. */
static void a_forgotten_start_is_found(void **state)
{
	struct store_slot slot;

	(void)state;
	walk();
	slot = truth->groups[1].logs[1].slot;
	slot.start = (struct store_start){0};
	put_slots(&slot);
	expect_of_media_either("FORGOTTEN: node 1 group 1: where the log begins", "REFUSED");
	walk_end();
}

int main(void)
{
#define TRIMMED(name) cmocka_unit_test_setup_teardown(name, copy_trimmed, drop_copy)
#define TEST(name) cmocka_unit_test_setup_teardown(name, copy_tape, drop_copy)
	const struct CMUnitTest tests[] = {
		TEST(what_happened_is_clean),
		TEST(a_saved_tape_is_the_same_tape),
		TEST(an_answer_before_durability_is_found),
		TEST(a_vote_before_durability_is_found),
		TEST(a_forgotten_flag_is_found),
		TEST(a_forgotten_sync_is_found),
		TEST(a_lost_answer_is_found),
		TEST(a_header_before_its_body_is_found),
		TEST(a_snapshot_before_it_is_settled_is_found),
		TEST(media_as_they_are_are_clean),
		TEST(a_lost_entry_is_found),
		TEST(an_invented_record_is_found),
		TEST(a_forgotten_vote_is_found),
		TEST(an_invented_vote_is_found),
		TEST(a_wrong_sequence_is_found),
		TEST(a_wrong_answer_is_found),
		TEST(an_invented_base_is_found),
		TEST(a_lost_entry_below_a_snapshot_is_found),
		TEST(a_lost_snapshot_is_found),
		TRIMMED(what_was_trimmed_is_clean),
		TRIMMED(a_segment_given_up_too_soon_is_found),
		TRIMMED(a_start_of_its_own_is_found),
		TRIMMED(a_lost_entry_behind_the_start_is_found),
		TRIMMED(a_forgotten_start_is_found),
	};
#undef TEST
#undef TRIMMED

	return cmocka_run_group_tests_name("crash/checker", tests, record_all, forget_all);
}
