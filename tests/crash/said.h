/*
 * What a datagram that leaves a node promises, as events of a tape.
 */
#ifndef QR_TESTS_CRASH_SAID_H
#define QR_TESTS_CRASH_SAID_H

#include "tests/crash/cluster.h"

/** Take down what is new in a datagram of `node`. */
void said_take(struct cluster_node *self, qr_node node, struct qr_span datagram);

#endif
