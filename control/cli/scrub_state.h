/*
 * What the nodes of this machine say of a pass of their scrub: the answers to "scrub start" and
 * "scrub status" of their administration sockets (dataplane/admin/commands.h).
 */
#ifndef CTL_CLI_SCRUB_STATE_H
#define CTL_CLI_SCRUB_STATE_H

#include "consensus/base/types.h"

#define CTL_SCRUB_LOST_MAX 8

/** An entry that nobody has, and where the pass could go on behind it. */
struct ctl_scrub_lost {
	qr_index index;
	qr_index next;
};

struct ctl_scrub_log {
	qr_group group;
	char name[80];	 /* with its partition */
	char state[16];	 /* waits, done, left-out */
	char reason[32]; /* of being left out: an error's name */
	uint64_t verified_bytes;
	uint64_t passed_bytes; /* of total_bytes; more than verified by what is lost and by gaps */
	uint64_t total_bytes;
	uint64_t damaged;
	uint64_t repaired;
	uint64_t lost;
	bool unheard; /* of what is lost: a replica did not say whether it has it */
	unsigned listed;
	struct ctl_scrub_lost first_lost[CTL_SCRUB_LOST_MAX];
};

struct ctl_scrub_node {
	qr_node node;
	const char *socket; /* borrowed */
	uint64_t pass;	    /* 0: none so far */
	uint64_t rate;	    /* bytes a second; 0: no bound */
	bool runs;
	bool joined;   /* it had been started before */
	bool gone;     /* its process ended, or began another life */
	uint64_t next; /* logs that did not fit the answer begin with this one; 0: all did */
	size_t log_count;
	struct ctl_scrub_log *logs;
};

/** Take in an answer; its logs are added. @return false: it is none, and nothing was changed. */
bool ctl_scrub_node_parse(struct ctl_scrub_node *node, const char *text);
void ctl_scrub_node_clear(struct ctl_scrub_node *node);

/** Sums over all logs. */
struct ctl_scrub_sum {
	uint64_t passed_bytes;
	uint64_t total_bytes;
	uint64_t damaged;
	uint64_t lost;
	uint64_t left_out; /* logs */
};
void ctl_scrub_add(const struct ctl_scrub_node *node, struct ctl_scrub_sum *sum);

/* ---- scrub_report.c ---- */

/** On standard error what is lost or was not read, and what is to be done. */
void ctl_scrub_complain(const struct ctl_scrub_node *nodes, size_t count);
/** A table of all logs. */
void ctl_scrub_print(const struct ctl_scrub_node *nodes, size_t count);
/** The same as an array of objects. */
void ctl_scrub_print_json(const struct ctl_scrub_node *nodes, size_t count);

#endif
