/*
 * One group of consensus judged from outside: by the events it was given and the effects that came
 * out. The oracle keeps the medium that the group writes to (log, hard states, what of both is
 * stable) and what peers have told it, and derives what may follow: what is durable, what is
 * committed, who may lead, which message may leave. It shares no code with what it judges.
 *
 * A life ends with a crash, which keeps what was stable and any part of what was not; votes and
 * leaderships are remembered over all lives of a replica.
 */
#ifndef QR_TESTS_FUZZ_RAFT_ORACLE_H
#define QR_TESTS_FUZZ_RAFT_ORACLE_H

#include "consensus/raft/raft.h"

#define ORACLE_LOG_MAX 4096
#define ORACLE_STATES_MAX 1024 /* hard state generations in all lives */
#define ORACLE_TERMS_MAX 256   /* terms in which a vote left, or that were led */

struct oracle_state {
	qr_term term;
	qr_node vote;
	bool told; /* a message says so, and leaves when this is stable */
};

struct oracle_term {
	qr_term term;
	qr_node vote; /* 0: none has left */
	bool led;
};

struct oracle_read {
	uint64_t context;
	uint64_t round; /* the first that can confirm it */
	qr_index commit;
};

struct oracle {
	struct raft_configuration configuration;
	qr_node self;

	/* the medium */
	qr_index last;
	qr_index durable;
	uint64_t generation; /* of the log */
	uint64_t state_newest;
	uint64_t state_durable;
	struct oracle_state states[ORACLE_STATES_MAX]; /* by generation */
	qr_term terms[ORACLE_LOG_MAX + 1];	       /* by index */
	uint32_t blocks[ORACLE_LOG_MAX + 1];	       /* by index; 1 for what a life began with */

	/* over all lives */
	uint32_t term_count;
	struct oracle_term votes[ORACLE_TERMS_MAX];

	/* what peers said, as candidate and as leader */
	qr_nodes granted;
	qr_index acked[QR_NODE_MAX + 1];
	uint64_t answered[QR_NODE_MAX + 1]; /* the newest round */
	qr_nodes forgetful;		    /* what they say counts for nothing */
	uint64_t recalled[QR_NODE_MAX + 1]; /* the round of the newest RECALL */
	uint32_t read_count;
	struct oracle_read reads[RAFT_READS_MAX + 1];
};

/** The first life of a replica. */
void oracle_init(struct oracle *oracle, const struct raft_configuration *configuration,
		 qr_node self, const struct raft_hard_state *state);
/** An entry that the first life starts with, after all those before it. */
void oracle_add(struct oracle *oracle, qr_term term);
/** A crash: all that is stable stays, and of the rest what is asked for, as far as it can be. */
void oracle_crash(struct oracle *oracle, qr_index last, uint64_t generation,
		  struct raft_recovered *ret_recovered);
/** Whether there is room for one more step. */
bool oracle_has_room(const struct oracle *oracle);

/**
 * Judge a step that was made.
 * @param before  the group as it was; `sizes` is not read.
 */
void oracle_judge(struct oracle *oracle, const struct raft_group *before,
		  const struct raft_event *event, const struct raft_group *after,
		  const struct raft_effects *effects);

#endif
