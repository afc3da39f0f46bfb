/*
 * The producer table against a plain model, under everything that a log can do to it: openings,
 * chunks, retries, expiries, commits, truncations, a second replica that knows less of the commit,
 * replays from an empty table, snapshots and replays from there on, changes of leader.
 *
 * The model is the log as a list, and a list of sessions with all their chunks ever; it is asked by
 * searching. One seed, one run: a failure prints it. QUORATE_SEEDS=N runs more, QUORATE_SEED=S one.
 */
#include "consensus/base/assert.h"
#include "consensus/base/prng.h"
#include "tests/unit/node/table.h"

#include <string.h>

#define SEEDS_DEFAULT 40
#define STEPS 20000
#define OPS_MAX (4 * STEPS)
#define SESSIONS_MAX STEPS
#define REPLICAS 2
#define HERE ((struct dp_address){.ipv4 = 1, .udp = 2, .port = 3})

enum op_kind { OP_OPEN, OP_EXPIRE, OP_CHUNK };

struct op {
	enum op_kind kind;
	qr_index index;
	qr_index commit;  /* when it was appended */
	uint32_t session; /* position in `sessions` */
	struct store_chunk chunk;
	qr_offset offset;
};

struct chunk {
	uint64_t sequence;
	uint32_t count;
	qr_index index;
	qr_offset offset;
	bool due;
};

struct session {
	uint64_t id;
	uint64_t nonce[2];
	qr_index opened;
	qr_index expired; /* 0: not */
	uint32_t chunk_count;
	uint32_t kept_from[REPLICAS]; /* chunks before it are forgotten, by table */
	uint32_t chunk_room;
	bool heard; /* on the leader */
	struct chunk *chunks;
};

struct replica {
	struct dp_sessions *table;
	unsigned number; /* stays when the leader changes */
	uint32_t committed_ops;
	qr_index commit;
	bool unwalked; /* may know more to be committed than `commit` says */
};

struct world {
	struct qr_prng prng;
	uint32_t capacity;
	qr_index last;	    /* entry that ops go to */
	uint32_t entry_ops; /* in it */
	qr_index commit;    /* whatever the replicas know of it */
	qr_offset end;
	uint32_t op_count;
	uint32_t session_count;
	uint32_t oldest_session;	   /* those before it are expired for all */
	struct replica replicas[REPLICAS]; /* the first one leads */
};

static struct world world;
static struct op ops[OPS_MAX];
static struct session sessions[SESSIONS_MAX];
static uint64_t current_seed;

static uint64_t below(uint64_t bound)
{
	return qr_prng_below(&world.prng, bound);
}

static struct dp_sessions *leader(void)
{
	return world.replicas[0].table;
}

static uint64_t expected_of(const struct session *session)
{
	const struct chunk *newest;

	if (session->chunk_count == 0)
		return 0;
	newest = &session->chunks[session->chunk_count - 1];
	return newest->sequence + newest->count;
}

static uint32_t live_count(void)
{
	uint32_t count = 0;

	for (uint32_t s = world.oldest_session; s < world.session_count; s++)
		count += sessions[s].expired == 0;
	return count;
}

/** What the leader's table does not remember any more: a replay may know more than a truncation
 * left. */
static uint32_t kept_from(const struct session *session)
{
	return session->kept_from[world.replicas[0].number];
}

static void keep_window(struct session *session, unsigned number)
{
	if (session->chunk_count > session->kept_from[number] + WIRE_WINDOW_CHUNKS)
		session->kept_from[number] = session->chunk_count - WIRE_WINDOW_CHUNKS;
}

/** A session that is not long gone. */
static struct session *any_session(void)
{
	uint32_t known = world.session_count - world.oldest_session;

	return known == 0 ? NULL : &sessions[world.oldest_session + below(known)];
}

/* ---- the log grows ---- */

static void next_entry(void)
{
	world.last++;
	world.entry_ops = 0;
}

static void apply_op(struct dp_sessions *table, const struct op *op)
{
	const struct session *session = &sessions[op->session];
	const struct dp_session_entry entry = {op->index, op->commit};
	struct store_session_change change = {
		.op = op->kind == OP_OPEN ? STORE_SESSION_OPEN : STORE_SESSION_EXPIRE,
		.session = session->id,
		.nonce = {session->nonce[0], session->nonce[1]},
	};

	if (op->kind == OP_CHUNK) {
		assert_true(dp_sessions_apply_chunk(table, entry, &op->chunk, op->offset));
	} else {
		assert_true(dp_sessions_apply_change(table, entry, &change));
	}
}

static void log_op(struct op op)
{
	assert_true(world.op_count < OPS_MAX);
	op.index = world.last;
	op.commit = world.commit;
	world.entry_ops++;
	ops[world.op_count++] = op;
	for (unsigned r = 0; r < REPLICAS; r++)
		apply_op(world.replicas[r].table, &op);
}

static void expire(struct session *session)
{
	session->expired = world.last;
	log_op((struct op){.kind = OP_EXPIRE, .session = (uint32_t)(session - sessions)});
}

static void step_expire(void)
{
	uint32_t slot = dp_sessions_oldest(leader());
	qr_index oldest = UINT64_MAX;
	struct session *found = NULL;

	if (dp_sessions_expiring(leader()) >= DP_SESSIONS_EXPIRING_MAX)
		return;
	for (uint32_t s = world.oldest_session; s < world.session_count; s++) {
		struct session *session = &sessions[s];
		qr_index touched = session->chunk_count > kept_from(session)
					   ? session->chunks[session->chunk_count - 1].index
					   : session->opened;

		if (session->expired == 0 && touched < oldest)
			oldest = touched;
		if (session->expired == 0 && slot != DP_SESSION_NONE &&
		    dp_sessions_id(leader(), slot) == session->id) {
			found = session;
			assert_true(touched <= oldest);
		}
	}
	assert_true((found == NULL) == (oldest == UINT64_MAX));
	if (found != NULL)
		expire(found);
}

static void step_open(void)
{
	uint32_t s = world.session_count;
	const struct session *former = any_session();

	if (dp_sessions_is_full(leader())) {
		if (live_count() >= world.capacity)
			step_expire();
		return;
	}
	assert_true(live_count() < world.capacity);
	sessions[s].id = world.last << 8 | world.entry_ops;
	sessions[s].nonce[0] = 1 + below(3); /* few distinct ones in the hash */
	sessions[s].nonce[1] = qr_prng_next(&world.prng);
	if (former != NULL && former->expired != 0 &&
	    dp_sessions_find_nonce(leader(), former->nonce) == DP_SESSION_NONE)
		memcpy(sessions[s].nonce, former->nonce, sizeof(former->nonce));
	sessions[s].opened = world.last;
	sessions[s].expired = 0;
	sessions[s].chunk_count = 0;
	memset(sessions[s].kept_from, 0, sizeof(sessions[s].kept_from));
	sessions[s].heard = false;
	world.session_count++;
	log_op((struct op){.kind = OP_OPEN, .session = s});
}

static void append_chunk(struct session *session, uint32_t count)
{
	struct chunk chunk = {
		.sequence = expected_of(session), .count = count, .offset = world.end};

	/* An entry that opens sessions holds no chunks. */
	if (session->opened == world.last)
		next_entry();
	chunk.index = world.last;
	if (session->chunk_count == session->chunk_room) {
		session->chunk_room = session->chunk_room * 2 + 16;
		session->chunks =
			realloc(session->chunks, session->chunk_room * sizeof(*session->chunks));
		assert_non_null(session->chunks);
	}
	session->chunks[session->chunk_count++] = chunk;
	for (unsigned r = 0; r < REPLICAS; r++)
		keep_window(session, r);
	world.end += count;
	log_op((struct op){
		.kind = OP_CHUNK,
		.session = (uint32_t)(session - sessions),
		.chunk = table_chunk(session->id, chunk.sequence, count),
		.offset = chunk.offset,
	});
}

/* ---- the leader's check ---- */

static uint32_t uncommitted(const struct session *session, qr_index commit)
{
	uint32_t count = 0;

	while (count < session->chunk_count &&
	       session->chunks[session->chunk_count - 1 - count].index > commit)
		count++;
	return count;
}

static enum dp_session_verdict model_check(const struct session *session,
					   const struct replica *replica, uint64_t sequence,
					   uint32_t count)
{
	qr_index commit = replica->commit;

	if (sequence < expected_of(session)) {
		for (uint32_t c = session->kept_from[replica->number]; c < session->chunk_count;
		     c++) {
			const struct chunk *chunk = &session->chunks[c];

			if (chunk->sequence == sequence && chunk->count == count) {
				return chunk->index <= commit ? DP_SESSION_ANSWERED
							      : DP_SESSION_PENDING;
			}
		}
		return DP_SESSION_FORGOTTEN;
	}
	if (session->expired != 0)
		return DP_SESSION_EXPIRING;
	if (sequence > expected_of(session))
		return DP_SESSION_GAP;
	return uncommitted(session, commit) < WIRE_WINDOW_CHUNKS ? DP_SESSION_APPEND
								 : DP_SESSION_FULL;
}

/** Ask every replica about a chunk; @return the leader's verdict. */
static enum dp_session_verdict ask(const struct session *session, uint64_t sequence, uint32_t count)
{
	enum dp_session_verdict verdict = DP_SESSION_FORGOTTEN;

	for (unsigned r = REPLICAS; r-- > 0;) {
		struct replica *replica = &world.replicas[r];
		uint32_t slot = dp_sessions_find(replica->table, session->id);
		struct wire_answer answer = {0};
		enum dp_session_verdict model;

		if (slot == DP_SESSION_NONE) {
			/* Expired for good: for this replica, or for the one that led. */
			assert_true(session->expired != 0);
			continue;
		}
		assert_true(session->expired == 0 || session->expired > replica->commit);
		assert_true(dp_sessions_expected(replica->table, slot) == expected_of(session));
		verdict = dp_sessions_check(replica->table, slot, sequence, count, &answer);
		model = model_check(session, replica, sequence, count);
		if (model == DP_SESSION_FULL && verdict == DP_SESSION_APPEND && replica->unwalked &&
		    uncommitted(session, world.commit) < WIRE_WINDOW_CHUNKS)
			continue;
		assert_int_equal(verdict, model);
	}
	return verdict;
}

static void step_chunk(void)
{
	struct session *session = any_session();
	uint32_t count = 1 + (uint32_t)below(3);

	if (session == NULL)
		return;
	if (!session->heard && below(4) != 0) {
		uint32_t slot = dp_sessions_find(leader(), session->id);

		if (slot != DP_SESSION_NONE) {
			dp_sessions_set_address(leader(), slot, HERE);
			session->heard = true;
		}
	}
	for (uint64_t burst = below(10) == 0 ? 100 : 1 + below(4); burst-- > 0;) {
		if (session->expired != 0 ||
		    ask(session, expected_of(session), count) != DP_SESSION_APPEND)
			return;
		append_chunk(session, count);
		if (below(4) == 0)
			next_entry();
	}
}

static void step_retry(void)
{
	struct session *session = any_session();
	struct chunk *chunk;
	uint32_t slot;
	enum dp_session_verdict verdict;

	if (session == NULL || session->chunk_count == 0)
		return;
	chunk = &session->chunks[session->chunk_count - 1 -
				 below(session->chunk_count < 70 ? session->chunk_count : 70)];
	(void)ask(session, chunk->sequence + below(2), chunk->count + (uint32_t)below(2));
	(void)ask(session, expected_of(session) + below(3), 1);
	verdict = ask(session, chunk->sequence, chunk->count);
	slot = dp_sessions_find(leader(), session->id);
	if (slot == DP_SESSION_NONE || verdict != DP_SESSION_ANSWERED || !session->heard)
		return;
	dp_sessions_answer_again(leader(), slot,
				 &(struct wire_answer){.sequence = chunk->sequence,
						       .count = chunk->count,
						       .offset = chunk->offset});
	for (; chunk < session->chunks + session->chunk_count; chunk++)
		chunk->due = chunk->due || chunk->index <= world.replicas[0].commit;
}

/* ---- commits, truncations, replies ---- */

static void set_due(struct session *session, uint64_t sequence)
{
	for (uint32_t c = kept_from(session); c < session->chunk_count; c++) {
		if (session->chunks[c].sequence == sequence)
			session->chunks[c].due = true;
	}
}

static void commit_op(struct replica *replica, const struct op *op)
{
	struct session *session = &sessions[op->session];
	struct store_session_change change = {
		.op = op->kind == OP_OPEN ? STORE_SESSION_OPEN : STORE_SESSION_EXPIRE,
		.session = session->id,
		.nonce = {session->nonce[0], session->nonce[1]},
	};

	if (op->kind != OP_CHUNK) {
		dp_sessions_commit_change(replica->table, &change);
		return;
	}
	dp_sessions_commit_chunk(replica->table, &op->chunk, op->offset);
	if (replica == &world.replicas[0] && session->heard)
		set_due(session, op->chunk.sequence);
}

/** The same without a walk. */
static void commit_upto(struct replica *replica, qr_index to)
{
	uint32_t *ops_done = &replica->committed_ops;

	dp_sessions_commit_upto(replica->table, to);
	replica->unwalked = true;
	for (; *ops_done < world.op_count && ops[*ops_done].index <= to; (*ops_done)++) {
		const struct op *op = &ops[*ops_done];
		struct session *session = &sessions[op->session];

		if (op->kind == OP_CHUNK && replica == &world.replicas[0] && session->heard)
			set_due(session, op->chunk.sequence);
	}
}

static void commit_to(struct replica *replica, qr_index to)
{
	if (below(8) == 0)
		commit_upto(replica, to);
	while (replica->committed_ops < world.op_count && ops[replica->committed_ops].index <= to)
		commit_op(replica, &ops[replica->committed_ops++]);
	if (replica->commit < to)
		replica->commit = to;
	if (world.commit < to)
		world.commit = to;
}

static void step_commit(void)
{
	struct replica *replica = &world.replicas[below(REPLICAS)];
	qr_index most = replica == &world.replicas[0] ? world.last - 1 : world.commit;

	if (most > replica->commit)
		commit_to(replica, replica->commit + 1 + below(most - replica->commit));
	while (world.oldest_session < world.session_count &&
	       sessions[world.oldest_session].expired != 0 &&
	       sessions[world.oldest_session].expired <= world.replicas[0].commit &&
	       sessions[world.oldest_session].expired <= world.replicas[1].commit)
		world.oldest_session++;
}

static void step_truncate(void)
{
	qr_index to = world.commit + below(world.last - world.commit + 1);

	while (world.op_count > 0 && ops[world.op_count - 1].index > to) {
		const struct op *op = &ops[--world.op_count];
		struct session *session = &sessions[op->session];

		if (op->kind == OP_CHUNK) {
			session->chunk_count--;
			world.end = op->offset;
		} else if (op->kind == OP_EXPIRE) {
			session->expired = 0;
		} else {
			world.session_count--;
		}
	}
	for (uint32_t s = world.oldest_session; s < world.session_count; s++) {
		for (unsigned r = 0; r < REPLICAS; r++) {
			if (sessions[s].kept_from[r] > sessions[s].chunk_count)
				sessions[s].kept_from[r] = sessions[s].chunk_count;
		}
	}
	for (unsigned r = 0; r < REPLICAS; r++)
		dp_sessions_truncate(world.replicas[r].table, to);
	world.last = to;
	next_entry();
}

static void check_reply(const struct wire_chunk_reply *reply)
{
	struct session *session = NULL;
	uint32_t c;

	for (uint32_t s = world.oldest_session; s < world.session_count; s++) {
		if (sessions[s].id == reply->session)
			session = &sessions[s];
	}
	QR_ASSERT(session != NULL);
	assert_true(reply->expected == expected_of(session));
	c = kept_from(session);
	for (uint32_t a = 0; a < reply->answer_count; a++) {
		const struct wire_answer *answer = &reply->answers[a];

		/* Exactly the due ones, in order. */
		while (c < session->chunk_count && !session->chunks[c].due)
			c++;
		assert_true(c < session->chunk_count);
		assert_true(answer->sequence == session->chunks[c].sequence);
		assert_true(answer->count == session->chunks[c].count);
		assert_true(answer->offset == session->chunks[c].offset);
		session->chunks[c].due = false;
	}
}

static bool is_due(const struct session *session)
{
	for (uint32_t c = kept_from(session); c < session->chunk_count; c++) {
		if (session->chunks[c].due)
			return true;
	}
	return false;
}

static void step_replies(void)
{
	uint32_t max = 1 + (uint32_t)below(WIRE_ANSWERS_MAX);
	struct wire_chunk_reply reply;
	struct dp_address to;

	while (dp_sessions_next_reply(leader(), max, &reply, &to)) {
		assert_in_range(reply.answer_count, 1, max);
		assert_memory_equal(&to, &HERE, sizeof(to));
		check_reply(&reply);
		if (below(50) == 0)
			return;
	}
	for (uint32_t s = world.oldest_session; s < world.session_count; s++) {
		if (dp_sessions_find(leader(), sessions[s].id) != DP_SESSION_NONE)
			assert_false(is_due(&sessions[s]));
	}
}

/* ---- changes of leader and restarts ---- */

static void forget_heard(void)
{
	for (uint32_t s = world.oldest_session; s < world.session_count; s++) {
		sessions[s].heard = false;
		for (uint32_t c = 0; c < sessions[s].chunk_count; c++)
			sessions[s].chunks[c].due = false;
	}
}

static void step_swap(void)
{
	struct replica kept = world.replicas[0];

	dp_sessions_drop_replies(leader());
	world.replicas[0] = world.replicas[1];
	world.replicas[1] = kept;
	forget_heard();
}

/** A replica comes back with an empty table and an unknown commit. */
static void step_restart(void)
{
	struct replica *replica = &world.replicas[1];

	dp_sessions_clear(replica->table);
	for (uint32_t o = 0; o < world.op_count; o++)
		apply_op(replica->table, &ops[o]);
	for (uint32_t s = 0; s < world.session_count; s++) {
		sessions[s].kept_from[replica->number] = 0;
		keep_window(&sessions[s], replica->number);
	}
	replica->committed_ops = 0;
	replica->commit = 0;
	replica->unwalked = false;
	/* Those that are gone for the leader may be here again. */
	if (below(2) == 0)
		commit_to(replica, below(world.commit + 1));
}

/** A replica comes back with a snapshot of what was committed, and what follows it in the log. */
static void step_restore(void)
{
	static uint8_t image[1 << 20];
	struct replica *replica = &world.replicas[1];
	const struct store_prefix base = {.index = replica->commit, .offset = world.end};
	struct qr_writer writer = qr_writer_over(image, dp_sessions_image_bytes(world.capacity));
	struct qr_reader reader;

	/* Whatever the newest entry's leader knew to be committed this replica knows, too. */
	if (replica->unwalked ||
	    (world.op_count > 0 && ops[world.op_count - 1].commit > replica->commit))
		return;
	dp_sessions_save(replica->table, replica->commit, &writer);
	assert_false(writer.failed);
	reader = qr_reader_over(image, qr_writer_size(&writer));
	dp_sessions_clear(replica->table);
	assert_true(dp_sessions_restore(replica->table, &base, &reader));
	for (uint32_t o = 0; o < world.op_count; o++) {
		if (ops[o].index > replica->commit)
			apply_op(replica->table, &ops[o]);
	}
}

static void check_counts(void)
{
	uint32_t live = live_count();

	for (unsigned r = 0; r < REPLICAS; r++) {
		const struct dp_sessions *table = world.replicas[r].table;
		uint32_t used = live + dp_sessions_expiring(table);

		assert_int_equal(dp_sessions_count(table), live);
		assert_true(used <= world.capacity + DP_SESSIONS_EXPIRING_MAX);
		assert_true(dp_sessions_is_full(table) ==
			    (live >= world.capacity ||
			     used == world.capacity + DP_SESSIONS_EXPIRING_MAX));
	}
}

static void check_nonce(void)
{
	const struct session *session = any_session();

	if (session == NULL || session->expired != 0)
		return;
	for (unsigned r = 0; r < REPLICAS; r++) {
		const struct dp_sessions *table = world.replicas[r].table;
		uint32_t slot = dp_sessions_find_nonce(table, session->nonce);

		assert_int_not_equal(slot, DP_SESSION_NONE);
		assert_true(dp_sessions_id(table, slot) == session->id);
		assert_true(dp_sessions_is_open_committed(table, slot) ==
			    (session->opened <= world.replicas[r].commit));
	}
}

static void step(void)
{
	uint64_t dice = below(1000);

	if (dice < 60) {
		step_open();
	} else if (dice < 400) {
		step_chunk();
	} else if (dice < 600) {
		step_retry();
	} else if (dice < 760) {
		step_commit();
	} else if (dice < 800) {
		step_truncate();
	} else if (dice < 860) {
		step_replies();
	} else if (dice < 880) {
		step_expire();
	} else if (dice < 885) {
		step_swap();
	} else if (dice < 887) {
		step_restart();
	} else if (dice < 892) {
		step_restore();
	} else {
		next_entry();
	}
	check_counts();
	check_nonce();
}

static void run_seed(uint64_t seed)
{
	qr_prng_init(&world.prng, seed);
	world.capacity = 1 + (uint32_t)below(seed % 4 == 0 ? 100 : 8);
	world.last = 0;
	world.commit = 0;
	world.end = 0;
	world.op_count = 0;
	world.session_count = 0;
	world.oldest_session = 0;
	next_entry();
	for (unsigned r = 0; r < REPLICAS; r++) {
		world.replicas[r] =
			(struct replica){.table = table_create(world.capacity), .number = r};
	}
	for (unsigned i = 0; i < STEPS && world.op_count < OPS_MAX - 200; i++)
		step();
	for (unsigned r = 0; r < REPLICAS; r++)
		free(world.replicas[r].table);
}

static uint64_t wanted(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void the_table_is_what_the_log_says(void **state)
{
	uint64_t only = wanted("QUORATE_SEED", 0);
	uint64_t first = only != 0 ? only : 1;
	uint64_t last = only != 0 ? only : wanted("QUORATE_SEEDS", SEEDS_DEFAULT);

	(void)state;
	for (current_seed = first; current_seed <= last; current_seed++)
		run_seed(current_seed);
}

static void name_the_seed(const char *expression, const char *file, int line)
{
	print_message("# seed %lu: %s:%d: %s\n", (unsigned long)current_seed, file, line,
		      expression);
}

static int set_up(void **state)
{
	(void)state;
	qr_assert_set_hook(name_the_seed);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	print_message("# last seed: %lu\n", (unsigned long)current_seed);
	for (uint32_t s = 0; s < SESSIONS_MAX; s++)
		free(sessions[s].chunks);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_table_is_what_the_log_says, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("node/sessions_model", tests, NULL, NULL);
}
