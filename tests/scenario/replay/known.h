/*
 * What a file's expected output tells of etcd's nodes.
 *
 * A block of output is read line by line; what a line says of a node is *known* from then on, until
 * another line replaces it or known_forget drops it. What was said in the block at hand is
 * *stated*.
 *
 *     INFO 1 became leader at term 1                 role, term, leader
 *     INFO 2 [logterm: ...] cast MsgVote for 1 ...   vote
 *     INFO newRaft 1 [..., term: 0, commit: 2, ...]  term, vote, commit, last
 *     Lead:1 State:StateLeader                       leader, role       (of the node whose Ready it
 * is) HardState Term:1 Vote:1 Commit:3               term, vote, commit Entries: 1/3 EntryNormal
 * "foo"                 the log: entries and where it ends CommittedEntries: ... what is decided 1:
 * StateLeader (Voter) Term:1 Lead:1           raft-state 2: StateReplicate match=11 next=12 status:
 * the progress of 2 on the asked node 1/3 EntryNormal "foo"                          raft-log,
 * compact: the log on the disk
 *
 * Messages are not looked at: which ones lead to an outcome may differ.
 */
#ifndef QR_TESTS_REPLAY_KNOWN_H
#define QR_TESTS_REPLAY_KNOWN_H

#include "consensus/base/types.h"

enum known_number {
	KNOWN_ROLE, /* enum raft_role */
	KNOWN_VOTER,
	KNOWN_TERM,
	KNOWN_VOTE,
	KNOWN_LEADER,
	KNOWN_COMMIT,
	KNOWN_LAST,   /* index of the last entry of the log */
	KNOWN_STORED, /* and of the log on the disk */
	KNOWN_NUMBERS
};

struct known_entry {
	qr_index index;
	qr_term term;
	char *text; /* EntryNormal "foo" */
};

struct known_entries {
	bool stated;
	uint32_t count;
	struct known_entry *entries; /* by rising index */
};

enum known_log {
	KNOWN_LOG,     /* what etcd took into its log */
	KNOWN_DISK,    /* what lies in its storage */
	KNOWN_DECIDED, /* what it handed over as committed; of the block at hand */
	KNOWN_LOGS
};

enum known_progress_state { KNOWN_PROBE, KNOWN_REPLICATE, KNOWN_SNAPSHOT };

struct known_progress {
	bool stated;
	enum known_progress_state state;
	qr_index match;
	qr_index next;
};

struct known_node {
	struct {
		bool known;
		bool stated;
		uint64_t value;
	} numbers[KNOWN_NUMBERS];
	struct known_entries logs[KNOWN_LOGS];
	struct known_progress progress[QR_NODE_MAX + 1]; /* of the block at hand, by follower */
};

#define KNOWN_CONFIGURATION_MAX 256

struct known {
	/* The configuration that a node switched to last in the block at hand: "voters=(1 2 3)". */
	char switched_to[KNOWN_CONFIGURATION_MAX];
	struct known_node nodes[QR_NODE_MAX + 1];
};

const char *known_number_name(enum known_number number);
const char *known_log_name(enum known_log log);

/**
 * Read one block.
 *
 * @param command  what the output is of.
 * @param node     whose output it is where no line says otherwise; 0: nobody's.
 */
void known_read(struct known *known, const char *command, qr_node node, const char *output);

/** Changes went by unseen: nothing is known any more. */
void known_forget(struct known *known);
void known_free(struct known *known);

#endif
