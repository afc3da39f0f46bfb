/*
 * The producer table under a log that any leader may have written: openings, expiries and chunks of
 * all sorts, cut off and replayed, committed one by one or at once. The log is kept as a list, and
 * what the table says is looked up there: no chunk is taken twice or out of order, an answer is the
 * committed chunk's, nothing that was cut off is answered.
 *
 * The first byte is the capacity; then come steps of six bytes.
 */
#include "consensus/base/assert.h"
#include "dataplane/node/sessions.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define STEP_BYTES 6
#define OPS_MAX 512
#define CAPACITY_MAX 4u
#define NAMES 8
#define HERE ((struct dp_address){.ipv4 = 1, .udp = 2})

enum op_kind { OP_CHANGE, OP_CHUNK };

struct op {
	enum op_kind kind;
	qr_index index;
	qr_index commit; /* as its leader said, truly or not */
	struct store_session_change change;
	struct store_chunk chunk;
	qr_offset offset;
};

static struct dp_sessions *table;
static struct op ops[OPS_MAX];
static uint32_t op_count;
static uint32_t walked; /* ops that are committed, and that the table was told of */
static qr_index last;
static qr_index commit;
static qr_offset end;
static uint64_t names[NAMES]; /* sessions, old ones and new ones */
static uint64_t opened;

static struct dp_sessions *create(uint32_t capacity)
{
	static _Alignas(64) uint8_t memory[1 << 19];
	struct qr_arena arena;

	qr_arena_init(&arena, memory, sizeof(memory));
	return dp_sessions_create(&arena, capacity);
}

/* ---- the log as a list ---- */

FUZZ_UNSEEN_BEGIN

/** The op with the chunk, or NULL. */
static const struct op *find_chunk(uint64_t session, uint64_t sequence)
{
	for (uint32_t i = op_count; i-- > 0;) {
		const struct op *op = &ops[i];

		if (op->kind == OP_CHUNK && op->chunk.session == session &&
		    op->chunk.sequence == sequence)
			return op;
		if (op->kind == OP_CHANGE && op->change.session == session &&
		    op->change.op == STORE_SESSION_OPEN)
			return NULL;
	}
	return NULL;
}

static uint64_t expected_of(uint64_t session)
{
	for (uint32_t i = op_count; i-- > 0;) {
		const struct op *op = &ops[i];

		if (op->kind == OP_CHUNK && op->chunk.session == session)
			return op->chunk.sequence + op->chunk.count;
		if (op->kind == OP_CHANGE && op->change.session == session &&
		    op->change.op == STORE_SESSION_OPEN)
			return 0;
	}
	return 0;
}

static uint32_t uncommitted_of(uint64_t session)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < op_count; i++) {
		count += ops[i].kind == OP_CHUNK && ops[i].chunk.session == session &&
			 ops[i].index > commit;
	}
	return count;
}

FUZZ_UNSEEN_END

/* ---- the log grows ---- */

static bool apply(const struct op *op)
{
	const struct dp_session_entry entry = {op->index, op->commit};

	return op->kind == OP_CHUNK ? dp_sessions_apply_chunk(table, entry, &op->chunk, op->offset)
				    : dp_sessions_apply_change(table, entry, &op->change);
}

static void log_op(struct op op)
{
	if (op_count == OPS_MAX)
		return;
	op.index = last;
	op.commit = commit;
	op.offset = end;
	if (!apply(&op))
		return;
	if (op.kind == OP_CHUNK) {
		QR_ASSERT(op.chunk.sequence == expected_of(op.chunk.session));
		QR_ASSERT(uncommitted_of(op.chunk.session) < WIRE_WINDOW_CHUNKS);
		end += op.chunk.count;
	}
	ops[op_count++] = op;
}

static void step_change(const uint8_t *bytes)
{
	uint64_t *name = &names[bytes[1] % NAMES];
	struct op op = {.kind = OP_CHANGE,
			.change = {.op = STORE_SESSION_EXPIRE, .nonce = {bytes[2] % 4, 1}}};

	if ((bytes[0] & 64) == 0) {
		op.change.op = STORE_SESSION_OPEN;
		/* A name is given once; again, while it is known, it is refused. */
		if (bytes[1] >= 224 && dp_sessions_find(table, *name) == DP_SESSION_NONE)
			return;
		if (bytes[1] < 224)
			*name = ++opened;
	}
	op.change.session = *name;
	log_op(op);
}

static void step_chunks(const uint8_t *bytes)
{
	uint64_t session = names[bytes[1] % NAMES];

	for (unsigned c = 0; c < 1u + bytes[4] % 80u; c++) {
		log_op((struct op){
			.kind = OP_CHUNK,
			.chunk = {.session = session,
				  .sequence =
					  fuzz_near(expected_of(session), bytes[2]) % UINT32_MAX,
				  .count = 1u + bytes[3] % 4u},
		});
		last += bytes[5] % 2u;
	}
}

/* ---- commit, cut, replay ---- */

static void walk(qr_index to)
{
	for (; walked < op_count && ops[walked].index <= to; walked++) {
		const struct op *op = &ops[walked];

		if (op->kind == OP_CHUNK) {
			dp_sessions_commit_chunk(table, &op->chunk, op->offset);
		} else {
			dp_sessions_commit_change(table, &op->change);
		}
	}
}

static void step_commit(const uint8_t *bytes)
{
	qr_index to = commit + bytes[1] % 8u;

	if (to > last)
		to = last;
	last += to == last; /* what is committed gets no more */
	commit = to;
	if (bytes[2] < 192) {
		walk(to);
		return;
	}
	dp_sessions_commit_upto(table, to);
	while (walked < op_count && ops[walked].index <= to)
		walked++;
}

static void step_truncate(const uint8_t *bytes)
{
	qr_index to = commit + (last - commit) * bytes[1] / 255;

	dp_sessions_truncate(table, to);
	while (op_count > 0 && ops[op_count - 1].index > to) {
		const struct op *op = &ops[--op_count];

		end -= op->kind == OP_CHUNK ? op->chunk.count : 0;
	}
	last = to + 1; /* entries count from 1 */
}

static void step_replay(void)
{
	dp_sessions_clear(table);
	for (uint32_t i = 0; i < op_count; i++) {
		bool belongs = apply(&ops[i]);

		QR_ASSERT(belongs);
	}
	dp_sessions_commit_upto(table, commit);
}

/* ---- what the table says ---- */

static void step_ask(const uint8_t *bytes)
{
	uint64_t session = names[bytes[1] % NAMES];
	uint64_t sequence = fuzz_near(expected_of(session), bytes[2]);
	uint32_t count = 1u + bytes[3] % 4u;
	uint32_t slot = dp_sessions_find(table, session);
	struct wire_answer answer = {0};
	const struct op *op;
	enum dp_session_verdict verdict;

	if (slot == DP_SESSION_NONE)
		return;
	if (bytes[4] < 128)
		dp_sessions_set_address(table, slot, HERE);
	verdict = dp_sessions_check(table, slot, sequence, count, &answer);
	QR_ASSERT(dp_sessions_expected(table, slot) == expected_of(session));
	op = find_chunk(session, sequence);
	if (verdict == DP_SESSION_APPEND)
		QR_ASSERT(op == NULL && sequence == expected_of(session));
	if (verdict == DP_SESSION_PENDING)
		QR_ASSERT(op != NULL && op->index > commit && op->chunk.count == count);
	if (verdict == DP_SESSION_ANSWERED) {
		QR_ASSERT(op != NULL && op->index <= commit && op->chunk.count == count);
		QR_ASSERT(answer.offset == op->offset && answer.count == count);
		if (bytes[4] < 64)
			dp_sessions_answer_again(table, slot, &answer);
	}
}

static void step_reply(const uint8_t *bytes)
{
	struct wire_chunk_reply reply;
	struct dp_address to;

	if (bytes[1] == 255)
		dp_sessions_drop_replies(table);
	while (dp_sessions_next_reply(table, 1u + bytes[1] % 48u, &reply, &to)) {
		QR_ASSERT(reply.answer_count > 0 && to.ipv4 == HERE.ipv4);
		for (uint32_t a = 0; a < reply.answer_count; a++) {
			const struct op *op = find_chunk(reply.session, reply.answers[a].sequence);

			QR_ASSERT(op != NULL && op->index <= commit);
			QR_ASSERT(reply.answers[a].offset == op->offset);
		}
	}
}

static void one_step(const uint8_t *bytes)
{
	switch (bytes[0] % 8) {
	case 0:
		last++;
		break;
	case 1:
		step_change(bytes);
		break;
	case 2:
	case 3:
		step_chunks(bytes);
		break;
	case 4:
		step_commit(bytes);
		break;
	case 5:
		step_truncate(bytes);
		break;
	case 6:
		step_ask(bytes);
		break;
	default:
		if (bytes[2] == 255) {
			step_replay();
		} else {
			step_reply(bytes);
		}
		break;
	}
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	uint32_t capacity;

	if (size_bytes == 0)
		return 0;
	capacity = 1u + *data++ % CAPACITY_MAX;
	size_bytes--;
	table = create(capacity);
	op_count = 0;
	walked = 0;
	last = 1;
	commit = 0;
	end = 0;
	opened = 0;
	memset(names, 0, sizeof(names));
	for (; size_bytes >= STEP_BYTES; data += STEP_BYTES, size_bytes -= STEP_BYTES) {
		one_step(data);
		QR_ASSERT(dp_sessions_count(table) <= capacity);
	}
	return 0;
}
