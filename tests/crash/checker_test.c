/*
 * Does the checker find anything? A recorded run is clean; then bugs are planted, in the tape (the
 * program did the wrong thing) and in what is on the media (recovery would do the wrong thing), and
 * each must be named.
 */
#include "tests/crash/check.h"
#include "tests/crash/folder.h"
#include "tests/crash/story.h"
#include "tests/unit/unit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define IMAGES 400
#define SEED 4 /* one group that promises durability; see story.c */
#define SEEDS_TRIED 64

static char folder[PATH_MAX - 16];
static char nodes[PATH_MAX];
static struct tape recorded; /* as it happened */
static struct tape doctored; /* the same events; shares the bytes */

/* ---- the run ---- */

static int record_all(void **state)
{
	const char *base = secure_getenv("QUORATE_BUILD");
	struct story_outcome outcome;
	struct story_options options = {.path = nodes, .bytes_per_group = 120000, .calm = true};

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%s/crash-checker-XXXXXX",
		       base != NULL ? base : "/var/tmp");
	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(nodes, sizeof(nodes), "%s/nodes", folder);
	for (options.seed = SEED; options.seed < SEED + SEEDS_TRIED; options.seed++) {
		bool well;

		tape_init(&recorded);
		well = story_record(&recorded, &options, &outcome);
		if (!well)
			print_error("%s\n", outcome.problem);
		if (well && recorded.events[0].round.group_count == 1 &&
		    recorded.events[0].round.lazy_groups == 0)
			return 0;
		tape_fini(&recorded);
		if (!well)
			return 1;
	}
	return 1;
}

static int forget_all(void **state)
{
	(void)state;
	tape_fini(&recorded);
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

static int drop_copy(void **state)
{
	(void)state;
	tape_fini(&doctored);
	return 0;
}

/* ---- the tape ---- */

static struct check_outcome check(void)
{
	const struct check_options options = {.images = IMAGES,
					      .seed = 1,
					      .jobs = 1,
					      .folder = folder,
					      .position = CHECK_ALL,
					      .number = CHECK_ALL};
	struct check_outcome outcome;

	check_tape(&doctored, &options, &outcome);
	if (outcome.failed)
		print_message("# event %lu: %s\n", outcome.failure.position, outcome.failure.text);
	return outcome;
}

/** It is found, and called by one of two names. */
static void expect_either(const char *words, const char *others)
{
	struct check_outcome outcome = check();

	assert_true(outcome.failed);
	assert_true(strstr(outcome.failure.text, words) != NULL ||
		    strstr(outcome.failure.text, others) != NULL);
}

static void expect(const char *words)
{
	expect_either(words, words);
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
	struct check_outcome outcome = check();

	(void)state;
	assert_false(outcome.failed);
	assert_int_equal(outcome.rounds, 1);
	assert_true(outcome.answered > 20);
	assert_true(outcome.counts.images > IMAGES / 2);
	assert_true(outcome.counts.again > 0 && outcome.counts.folders > 0);
	assert_true(outcome.counts.promises > outcome.answered);
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

static bool has_ended(const struct tape_event *begin)
{
	for (uint64_t p = 0; p < doctored.count; p++) {
		const struct tape_event *event = &doctored.events[p];

		if (event->kind == TAPE_END && event->node == begin->node &&
		    event->end.id == begin->op.id)
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
	expect_either("LOST: group 1", "REFUSED");
}

/* ---- the media ---- */

static struct media media[TAPE_NODES + 1];
static struct truth *truth;
static struct judge *judge;

/** All of the tape, and a judge for what is then on the media. */
static void walk(void)
{
	truth = malloc(sizeof(*truth));
	judge = malloc(sizeof(*judge));
	assert_non_null(truth);
	assert_non_null(judge);
	truth_init(truth, &doctored.events[0].round, media);
	for (uint64_t p = 0; p < doctored.count; p++)
		truth_take(truth, &doctored.events[p]);
	assert_string_equal(truth->problem.text, "");
	judge_init(judge, truth, NULL);
}

static void walk_end(void)
{
	judge_fini(judge);
	truth_fini(truth);
	free(judge);
	free(truth);
}

static void expect_of_media(const char *words)
{
	const struct judge_fate fates[TAPE_NODES + 1] = {{.course = JUDGE_CUT}};
	bool well = judge_image(judge, fates, 0);

	if (!well)
		print_message("# %s\n", judge->problem.text);
	assert_true(words == NULL ? well : !well);
	if (words != NULL)
		assert_non_null(strstr(judge->problem.text, words));
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, copy_tape, drop_copy)
	const struct CMUnitTest tests[] = {
		TEST(what_happened_is_clean),
		TEST(a_saved_tape_is_the_same_tape),
		TEST(an_answer_before_durability_is_found),
		TEST(a_vote_before_durability_is_found),
		TEST(a_forgotten_flag_is_found),
		TEST(a_forgotten_sync_is_found),
		TEST(a_lost_answer_is_found),
		TEST(media_as_they_are_are_clean),
		TEST(a_lost_entry_is_found),
		TEST(an_invented_record_is_found),
		TEST(a_forgotten_vote_is_found),
		TEST(an_invented_vote_is_found),
	};
#undef TEST

	return cmocka_run_group_tests_name("crash/checker", tests, record_all, forget_all);
}
