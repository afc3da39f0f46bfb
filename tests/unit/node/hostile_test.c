/*
 * A node whose leader or clients break the rules, one rule at a time: each was found by
 * tests/fuzz/node_fuzz.c and is told here as a story. Datagrams, checksums, places and chains are
 * right; what they say is not. The node counts it, keeps nothing of it, and goes on.
 */
#include "storage/engine/internal.h"
#include "tests/fuzz/node_forge.h"
#include "tests/fuzz/node_peer.h"
#include "tests/unit/unit.h"

#include "consensus/base/crc.h"

#define LEADER 1
#define GROUP 0 /* the one that waits for the disk */

static struct snapshot snapshot;
static struct rig *rig;
static struct forge forge;

static int set_up(void **state)
{
	(void)state;
	if (snapshot.size_bytes == 0)
		snapshot_init(&snapshot, rig_size_bytes());
	snapshot.count = 0;
	rig = rig_create(snapshot_prepare(&snapshot));
	forge_begin(&forge, rig);
	rig_drain(rig);
	return 0;
}

static struct dp_group *group(void)
{
	return rig_group(rig, GROUP);
}

static uint64_t malformed(void)
{
	return rig->core->stats.drops[WIRE_DROP_MALFORMED];
}

/** The next entry of the forged log; eight bytes say what it is (forge_next). */
static struct forge_entry *make(const uint8_t bytes[8])
{
	return forge_next(&forge, GROUP, bytes);
}

/** Seal an entry again after its header or payload was changed. */
static void seal(struct forge_entry *entry)
{
	entry->header.payload_crc =
		qr_crc32c(0, entry->bytes + STORE_ENTRY_HEADER_BYTES, entry->header.payload_bytes);
	store_entry_encode(entry->bytes, &entry->header);
}

static void send_with(const struct forge_entry *entry, qr_index commit)
{
	uint32_t size_bytes = store_entry_bytes(&entry->header);
	struct wire_fragment fragment = forge_fragment(&forge, entry, 0, size_bytes);

	fragment.commit = commit;
	forge_send(&forge, LEADER, entry, fragment);
	rig_drain(rig);
}

static void send(const struct forge_entry *entry)
{
	send_with(entry, entry->header.index);
}

#define OPENING ((const uint8_t[8]){0, 4})
#define CHUNK ((const uint8_t[8]){0, 0, 0, 0, 20, 1})
#define UNKNOWN_CHUNK ((const uint8_t[8]){0, 0, 200, 0, 20, 1})

/** It was refused, and what a correct leader sends instead is taken. */
static void expect_refused(const struct forge_entry *entry, qr_index last)
{
	uint64_t before = malformed();

	send(entry);
	assert_int_equal(group()->raft.last, last);
	assert_int_equal(store_log_last(group()->log), last);
	assert_true(malformed() > before);

	forge_rebase(&forge, GROUP, 0);
	send(make((const uint8_t[8]){0, 6}));
	assert_int_equal(group()->raft.last, last + 1);
	assert_int_equal(store_log_durable(group()->log).index, last + 1);
}

static void a_chunk_of_an_unknown_session_is_refused(void **state)
{
	(void)state;
	send(make(OPENING));
	assert_int_equal(group()->raft.last, 1);
	expect_refused(make(UNKNOWN_CHUNK), 1);
}

static void a_chunk_out_of_sequence_is_refused(void **state)
{
	(void)state;
	send(make(OPENING));
	expect_refused(make((const uint8_t[8]){0, 0, 0, 255, 20, 1}), 1);
}

static void a_session_named_after_another_entry_is_refused(void **state)
{
	(void)state;
	expect_refused(make((const uint8_t[8]){0, 4, 0, 255}), 0);
}

static void an_entry_that_miscounts_its_records_is_refused(void **state)
{
	struct forge_entry *entry;

	(void)state;
	send(make(OPENING));
	entry = make(CHUNK);
	entry->header.record_count++;
	seal(entry);
	expect_refused(entry, 1);
}

static void an_entry_that_ends_within_a_chunk_is_refused(void **state)
{
	struct forge_entry *entry;

	(void)state;
	send(make(OPENING));
	entry = make(CHUNK);
	entry->header.payload_bytes -= 8;
	seal(entry);
	expect_refused(entry, 1);
}

/** What entered the sessions before the entry turned out to be wrong leaves them again. */
static void the_sound_half_of_a_refused_entry_is_taken_back(void **state)
{
	struct forge_entry *entry;

	(void)state;
	send(make(OPENING));
	entry = make((const uint8_t[8]){0, 1, 0, 0, 20, 0}); /* two chunks */
	assert_int_equal(entry->header.record_count, 2);
	/* The second one is of a session that nobody opened. */
	entry->bytes[STORE_ENTRY_HEADER_BYTES + entry->header.payload_bytes / 2] ^= 1;
	seal(entry);
	expect_refused(entry, 1);
	assert_int_equal(dp_sessions_expected(group()->sessions,
					      dp_sessions_find(group()->sessions, forge.opened[0])),
			 0);
	send(make(CHUNK));
	assert_int_equal(group()->raft.last, 3);
}

/*
 * The table keeps what a truncation may take back, and that is no more than a leader may have
 * uncommitted. One that had more, and then another that cut it off, left the table wrong, and a
 * commit later the process ended.
 */
static void a_leader_that_overruns_a_sessions_window_is_refused(void **state)
{
	struct forge_entry *entry;

	(void)state;
	send(make(OPENING));
	for (unsigned e = 0; e < WIRE_WINDOW_CHUNKS / 8; e++)
		send_with(make((const uint8_t[8]){1, 7, 0, 0, 1, 0}), 1); /* eight chunks */
	assert_int_equal(group()->raft.last, 9);
	assert_int_equal(group()->raft.commit, 1);
	send_with(make((const uint8_t[8]){1, 0, 0, 0, 1, 0}), 1);
	assert_int_equal(group()->raft.last, 9);
	assert_true(malformed() > 0);

	/* With a header that says that the first of them are committed it is in order, and they
	 * are. */
	forge_rebase(&forge, GROUP, 0);
	entry = make((const uint8_t[8]){1, 0, 0, 0, 1, 0});
	entry->header.commit = 2;
	seal(entry);
	send_with(entry, 1);
	assert_int_equal(group()->raft.last, 10);
	assert_int_equal(group()->raft.commit, 2);
}

static void an_entry_on_the_disk_that_no_leader_wrote_is_damage(void **state)
{
	struct store_entry header;
	uint8_t *block;

	(void)state;
	send(make(OPENING));
	send(make(CHUNK));
	block = rig_block(rig, group()->config->group, 1);
	assert_non_null(block);
	assert_int_equal(store_entry_decode(block, &header), QR_OK);
	block[STORE_ENTRY_HEADER_BYTES] ^= 1; /* the session's name */
	header.payload_crc = qr_crc32c(0, block + STORE_ENTRY_HEADER_BYTES, header.payload_bytes);
	store_entry_encode(block, &header);
	/* The slots know the chain that was settled: they must not have noted it yet. */
	rig_restart(rig, &snapshot, 0);
	rig_drain(rig);
	assert_int_equal(group()->phase, DP_PHASE_DAMAGED);
	assert_int_equal(group()->damage, QR_CORRUPT);
}

static void a_configuration_that_is_another_is_refused(void **state)
{
	uint8_t *slots = rig->disks[GROUP].slots;
	struct store_slot slot;

	(void)state;
	send(make(OPENING));
	assert_int_equal(store_slot_choose(slots, &slot), QR_OK);
	slot.configuration.voters = 0;
	for (unsigned i = 0; i < STORE_SLOTS; i++)
		store_slot_encode(slots + (size_t)i * STORE_SLOT_BYTES, &slot);
	rig_restart(rig, &snapshot, 0);
	rig_drain(rig);
	assert_int_equal(group()->phase, DP_PHASE_DAMAGED);
	assert_int_equal(group()->damage, QR_CONFIG);
}

/** Entries that say nothing of what is committed, though the leader commits them. */
static void send_silent(unsigned count)
{
	while (count-- > 0) {
		struct forge_entry *entry = make((const uint8_t[8]){1, 6});

		assert_int_equal(entry->header.commit, 0);
		send(entry);
	}
}

static void a_log_whose_entries_never_told_of_the_commit_opens(void **state)
{
	qr_index settled;

	(void)state;
	group()->log->parameters.snapshot_blocks = 0; /* one has the slots note it, too */
	send_silent(5);
	rig->now_ns += 2 * (qr_ns)DP_RETRY_NS; /* the slots note how far it is settled */
	rig_drain(rig);
	send_silent(1);
	settled = store_log_slot(group()->log)->settled.index;
	assert_true(settled >= 5);
	send_silent(60); /* more than the index holds one by one */
	assert_int_equal(group()->raft.commit, 66);
	assert_int_equal(store_log_slot(group()->log)->settled.index, settled);
	rig_restart(rig, &snapshot, 0xff);
	rig_drain(rig);
	assert_int_equal(group()->phase, DP_PHASE_RUNNING);
	assert_int_equal(group()->raft.last, 66);
	assert_int_equal(group()->applied, settled);
}

/* ---- what readers are told of records that no client could have sent ---- */

static void ask(qr_offset offset)
{
	uint8_t datagram[WIRE_DATAGRAM_MIN];
	struct qr_writer writer = qr_writer_over(datagram, sizeof(datagram));
	const struct wire_read read = {.request = 1, .offset = offset, .max_bytes = 1000};

	wire_begin(&writer);
	wire_put_read(&writer, group()->config->group, &read);
	rig_send(rig, 0, &writer);
}

static enum qr_error answer_of_read(void)
{
	struct dp_tx tx[1] = {{.data = rig->tx[0], .capacity_bytes = RIG_TX_BYTES}};
	const struct dp_turn turn = {.now_ns = rig->now_ns};
	struct wire_records records = {.status = QR_AGAIN};

	for (unsigned turns = 0; turns < 4; turns++) {
		struct wire_header header;
		struct wire_message message;
		struct qr_reader messages;

		if (dp_core_poll(rig->core, &turn, tx, 1) == 0)
			continue;
		assert_int_equal(wire_open((struct qr_span){tx[0].data, tx[0].size_bytes}, &header,
					   &messages),
				 QR_OK);
		if (wire_next(&messages, &message) == QR_OK && message.type == WIRE_RECORDS)
			assert_int_equal(wire_get_records(&message, &records), QR_OK);
	}
	return records.status;
}

static void records_that_overrun_their_chunk_are_damage_to_a_reader(void **state)
{
	struct forge_entry *entry;

	(void)state;
	send(make(OPENING));
	entry = make(CHUNK);
	entry->bytes[STORE_ENTRY_HEADER_BYTES + STORE_CHUNK_HEADER_BYTES + 1] ^= 0xff;
	seal(entry);
	send(entry);
	assert_int_equal(group()->committed_end, 2);
	ask(0);
	assert_int_equal(answer_of_read(), QR_CORRUPT);
	ask(2);
	assert_int_equal(answer_of_read(), QR_OK); /* the end is still the end */
}

/* ---- clients of a node that leads ---- */

static uint64_t open_session(void)
{
	uint8_t datagram[WIRE_DATAGRAM_MIN];
	struct qr_writer writer = qr_writer_over(datagram, sizeof(datagram));
	const struct wire_session_open open = {.nonce = {1, 2}};

	wire_begin(&writer);
	wire_put_session_open(&writer, group()->config->group, &open);
	rig_send(rig, 0, &writer);
	rig_drain(rig);
	peer_agree(rig);
	assert_int_equal(rig->session_count, 1);
	return rig->sessions[0];
}

/** A producer's batch that claims to be `count` records. */
static void send_batch(uint64_t session, uint64_t sequence, uint32_t count)
{
	static const uint8_t body[16];
	uint8_t datagram[WIRE_DATAGRAM_MIN];
	struct qr_writer writer = qr_writer_over(datagram, sizeof(datagram));
	const struct wire_chunk chunk = {
		.session = session,
		.sequence = sequence,
		.count = count,
		.crc = qr_crc32c(0, body, sizeof(body)),
		.total_bytes = sizeof(body),
		.kind = WIRE_CHUNK_OPAQUE,
		.bulk = {body, sizeof(body)},
	};

	wire_begin(&writer);
	wire_put_chunk(&writer, group()->config->group, &chunk);
	qr_write_bytes(&writer, body, sizeof(body));
	rig_send(rig, 0, &writer);
}

static void an_entry_never_holds_more_records_than_it_can_count(void **state)
{
	uint64_t session;

	(void)state;
	peer_follow(rig);
	session = open_session();
	send_batch(session, 0, UINT32_MAX - 1);
	send_batch(session, UINT32_MAX - 1, 3); /* in the same burst */
	peer_agree(rig);
	assert_int_equal(group()->committed_end, (uint64_t)UINT32_MAX + 2);
	assert_int_equal(rig->told_count, 2);
	assert_int_equal(rig->told[1].offset, UINT32_MAX - 1);
}

#define STORY(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_chunk_of_an_unknown_session_is_refused),
		STORY(a_chunk_out_of_sequence_is_refused),
		STORY(a_session_named_after_another_entry_is_refused),
		STORY(an_entry_that_miscounts_its_records_is_refused),
		STORY(an_entry_that_ends_within_a_chunk_is_refused),
		STORY(the_sound_half_of_a_refused_entry_is_taken_back),
		STORY(a_leader_that_overruns_a_sessions_window_is_refused),
		STORY(an_entry_on_the_disk_that_no_leader_wrote_is_damage),
		STORY(a_configuration_that_is_another_is_refused),
		STORY(a_log_whose_entries_never_told_of_the_commit_opens),
		STORY(records_that_overrun_their_chunk_are_damage_to_a_reader),
		STORY(an_entry_never_holds_more_records_than_it_can_count),
	};

	return cmocka_run_group_tests_name("node/hostile", tests, NULL, NULL);
}
