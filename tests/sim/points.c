/* The table of failpoints. Owns nothing. */
#include "tests/sim/points.h"

#include "consensus/base/assert.h"
#include "consensus/raft/message.h"
#include "consensus/wire/wire.h"

_Static_assert((int)SIM_EFFECT_PRE_VOTE + 1 == (int)RAFT_MESSAGE_PRE_VOTE &&
		       (int)SIM_EFFECT_RECALL_REPLY + 1 == (int)RAFT_MESSAGE_RECALL_REPLY,
	       "effects begin with consensus' messages, in their order");

const char *sim_effect_name(enum sim_effect effect)
{
	static const char *const names[] = {
#define SIM_EFFECT_WORD(name, word) [SIM_EFFECT_##name] = (word),
		SIM_EFFECTS(SIM_EFFECT_WORD)
#undef SIM_EFFECT_WORD
	};

	QR_ASSERT(effect < SIM_EFFECT_COUNT);
	return names[effect];
}

const char *sim_failure_name(enum sim_failure failure)
{
	static const char *const names[] = {"crash before", "lost",	  "twice",
					    "wrong",	    "crash amid", "error"};

	QR_ASSERT(failure < SIM_FAILURE_COUNT);
	return names[failure];
}

bool sim_point_exists(enum sim_effect effect, enum sim_failure failure)
{
	bool from_client = effect == SIM_EFFECT_SESSION_OPEN || effect == SIM_EFFECT_CHUNK ||
			   effect == SIM_EFFECT_READ || effect == SIM_EFFECT_TAIL;
	bool disk = effect >= SIM_EFFECT_WRITE;
	bool write = effect == SIM_EFFECT_WRITE || effect == SIM_EFFECT_WRITE_SLOT ||
		     effect == SIM_EFFECT_WRITE_SNAPSHOT;

	switch (failure) {
	case SIM_FAILS_CRASH:
		return !from_client;
	case SIM_FAILS_LOST:
		return !disk || write;
	case SIM_FAILS_TWICE:
		return !disk;
	case SIM_FAILS_WRONG:
		return !disk || effect == SIM_EFFECT_WRITE || effect == SIM_EFFECT_READ_LOG;
	case SIM_FAILS_FLIGHT:
	case SIM_FAILS_ERROR:
		return disk;
	case SIM_FAILURE_COUNT:
	default:
		return false;
	}
}

enum sim_effect sim_effect_of_datagram(struct qr_span datagram)
{
	uint8_t type = datagram.data[WIRE_HEADER_BYTES];
	uint8_t kind = datagram.data[WIRE_HEADER_BYTES + WIRE_MESSAGE_HEADER_BYTES];

	switch (type) {
	case WIRE_RAFT:
		return (enum sim_effect)(kind - RAFT_MESSAGE_PRE_VOTE);
	case WIRE_FRAGMENT:
		return SIM_EFFECT_FRAGMENT;
	case WIRE_ACK:
		return SIM_EFFECT_ACK;
	case WIRE_FETCH:
		return SIM_EFFECT_FETCH;
	case WIRE_FETCHED:
		return SIM_EFFECT_FETCHED;
	case WIRE_SESSION_OPEN:
		return SIM_EFFECT_SESSION_OPEN;
	case WIRE_SESSION_REPLY:
		return SIM_EFFECT_SESSION_REPLY;
	case WIRE_CHUNK:
		return SIM_EFFECT_CHUNK;
	case WIRE_CHUNK_REPLY:
		return SIM_EFFECT_CHUNK_REPLY;
	case WIRE_READ:
		return SIM_EFFECT_READ;
	case WIRE_RECORDS:
		return SIM_EFFECT_RECORDS;
	case WIRE_TAIL:
		return SIM_EFFECT_TAIL;
	case WIRE_TAIL_REPLY:
		return SIM_EFFECT_TAIL_REPLY;
	default:
		return SIM_EFFECT_COUNT;
	}
}

enum sim_effect sim_effect_of_op(enum store_op_kind kind)
{
	switch (kind) {
	case STORE_OP_WRITE_SLOT:
		return SIM_EFFECT_WRITE_SLOT;
	case STORE_OP_READ:
		return SIM_EFFECT_READ_LOG;
	case STORE_OP_READ_SLOTS:
		return SIM_EFFECT_READ_SLOTS;
	case STORE_OP_WRITE_SNAPSHOT:
		return SIM_EFFECT_WRITE_SNAPSHOT;
	case STORE_OP_READ_SNAPSHOT:
		return SIM_EFFECT_READ_SNAPSHOT;
	case STORE_OP_DROP:
		return SIM_EFFECT_DROP;
	case STORE_OP_SYNC:
	case STORE_OP_SYNC_SNAPSHOT:
		return SIM_EFFECT_SYNC;
	case STORE_OP_PREPARE:
		return SIM_EFFECT_PREPARE;
	case STORE_OP_WRITE:
	case STORE_OP_WRITE_LAZY:
	default:
		return SIM_EFFECT_WRITE;
	}
}
