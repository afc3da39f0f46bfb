/*
 * Failpoints: every effect that a node or a client has on the world, and every way in which it can
 * fail there. Counted, so that a run can say which it has never tried.
 */
#ifndef QR_TEST_SIM_POINTS_H
#define QR_TEST_SIM_POINTS_H

#include "consensus/base/codec.h"
#include "storage/engine/op.h"

/*        name, word */
#define SIM_EFFECTS(X)                                                                             \
	X(PRE_VOTE, "pre-vote")                                                                    \
	X(PRE_VOTE_REPLY, "pre-vote reply")                                                        \
	X(VOTE, "vote")                                                                            \
	X(VOTE_REPLY, "vote reply")                                                                \
	X(APPEND, "append (probe)")                                                                \
	X(APPEND_REPLY, "append reply")                                                            \
	X(HEARTBEAT, "heartbeat")                                                                  \
	X(HEARTBEAT_REPLY, "heartbeat reply")                                                      \
	X(TIMEOUT_NOW, "timeout now")                                                              \
	X(SNAPSHOT, "snapshot offered")                                                            \
	X(RECALL, "recall")                                                                        \
	X(RECALL_REPLY, "recall reply")                                                            \
	X(FRAGMENT, "fragment")                                                                    \
	X(ACK, "transport ack")                                                                    \
	X(FETCH, "fetch")                                                                          \
	X(FETCHED, "fetched")                                                                      \
	X(SESSION_OPEN, "session open")                                                            \
	X(SESSION_REPLY, "session reply")                                                          \
	X(CHUNK, "chunk")                                                                          \
	X(CHUNK_REPLY, "chunk reply")                                                              \
	X(READ, "read")                                                                            \
	X(RECORDS, "records")                                                                      \
	X(TAIL, "tail")                                                                            \
	X(TAIL_REPLY, "tail reply")                                                                \
	X(WRITE, "disk: write")                                                                    \
	X(WRITE_SLOT, "disk: hard state")                                                          \
	X(WRITE_SNAPSHOT, "disk: snapshot")                                                        \
	X(READ_LOG, "disk: read")                                                                  \
	X(READ_SLOTS, "disk: read hard state")                                                     \
	X(READ_SNAPSHOT, "disk: read snapshot")                                                    \
	X(SYNC, "disk: sync")                                                                      \
	X(PREPARE, "disk: new segment")                                                            \
	X(DROP, "disk: old segment")

enum sim_effect {
#define SIM_EFFECT_ENUM(name, word) SIM_EFFECT_##name,
	SIM_EFFECTS(SIM_EFFECT_ENUM)
#undef SIM_EFFECT_ENUM
		SIM_EFFECT_COUNT
};

enum sim_failure {
	SIM_FAILS_CRASH,  /* the node loses power right before */
	SIM_FAILS_LOST,	  /* datagrams: never arrives; disk: answered and not done */
	SIM_FAILS_TWICE,  /* datagrams: arrives twice */
	SIM_FAILS_WRONG,  /* datagrams: with a wrong bit; disk: at another place, or a wrong bit */
	SIM_FAILS_FLIGHT, /* disk: the node crashes while it is on its way */
	SIM_FAILS_ERROR,  /* disk: an error is returned */
	SIM_FAILURE_COUNT
};

const char *sim_effect_name(enum sim_effect effect);
const char *sim_failure_name(enum sim_failure failure);
/** Whether that effect can fail in that way here. */
bool sim_point_exists(enum sim_effect effect, enum sim_failure failure);

/** By its first message; SIM_EFFECT_COUNT: another one. @param datagram  sound. */
enum sim_effect sim_effect_of_datagram(struct qr_span datagram);
enum sim_effect sim_effect_of_op(enum store_op_kind kind);

#endif
