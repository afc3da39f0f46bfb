/*
 * The directives of etcd's quorum tests, answered by consensus/raft/configuration.h.
 *
 *     committed cfg=(1,2,3) cfgj=(3,4,5) idx=(100,_,90,_,_)
 *     vote cfg=(1,2,3) votes=(y,n,_)
 *
 * `cfg` and `cfgj` are the two halves of a joint configuration, `cfgj=zero` an empty second half;
 * `idx` and `votes` go through the voters of both in the order in which they are first named, and
 * `_` is a voter of whom nothing is known.
 */
#ifndef QR_TESTS_REPLAY_QUORUM_H
#define QR_TESTS_REPLAY_QUORUM_H

#include "tests/scenario/replay/script.h"

/*
 * `committed` also draws its input as bars. etcd 3.4 gave voters with equal indexes different bars
 * and wrote ids in decimal; raft v3.7 gives them equal bars and writes ids in hexadecimal.
 */
enum quorum_drawing { QUORUM_DRAWING_OLD, QUORUM_DRAWING_NEW };

bool quorum_knows(const char *command);

/**
 * What the core says, in etcd's words.
 *
 * @return  of the heap; NULL when the core cannot be asked, and *ret_why says why.
 */
char *quorum_answer(const struct script_directive *directive, enum quorum_drawing drawing,
		    const char **ret_why);

#endif
