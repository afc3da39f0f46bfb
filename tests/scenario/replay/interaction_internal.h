/*
 * What commands.c (each of etcd's commands) and interaction.c (what surrounds them) share.
 */
#ifndef QR_TESTS_REPLAY_INTERACTION_INTERNAL_H
#define QR_TESTS_REPLAY_INTERACTION_INTERNAL_H

#include "tests/scenario/replay/interaction.h"
#include "tests/scenario/replay/known.h"
#include "tests/scenario/replay/world.h"

#define INTERACTION_DETAIL_MAX 256

/* The keys of what can end the comparison, or be missing: lines of the list. */
#define INTERACTION_CONFIGURATION "configuration-changes"
#define INTERACTION_SNAPSHOT "snapshots"
#define INTERACTION_FORGET "forget-leader"
#define INTERACTION_ROOM "room"
#define INTERACTION_MALFORMED "malformed"
#define INTERACTION_UNKNOWN "unknown"

struct interaction {
	struct tally *tally;
	struct world *world;
	struct known *known;
	struct world_options options;
	char configuration[KNOWN_CONFIGURATION_MAX]; /* as etcd writes it; "": none yet */
	const char *level;			     /* of etcd's log */
	bool told_trouble;

	/* why nothing is compared any more, or NULL, and since where */
	const char *void_key;
	char void_detail[INTERACTION_DETAIL_MAX];

	/* the directive at hand */
	const struct script_directive *directive;
	bool carried_out;
	bool skip; /* it was found wanting, and is counted already */
};

struct interaction_command {
	const char *name;
	bool changes; /* the nodes: what it does is told only where the log level lets it */
	void (*run)(struct interaction *self);
};

/* commands.c: NULL for an unknown one */
const struct interaction_command *interaction_find(const char *name);

/* interaction.c */
__attribute__((format(printf, 3, 4))) void
interaction_end_comparison(struct interaction *self, const char *key, const char *format, ...);
void interaction_complain(struct interaction *self, const char *key, const char *detail);
void interaction_judge(struct interaction *self, qr_node node, const char *field, const char *there,
		       const char *here);

#endif
