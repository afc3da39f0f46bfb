/*
 * The node's peers when they behave: they answer what it asks, and so it comes to lead.
 */
#ifndef QR_TESTS_FUZZ_NODE_PEER_H
#define QR_TESTS_FUZZ_NODE_PEER_H

#include "tests/fuzz/node_rig.h"

/** A consensus message from a peer to the node. */
void peer_send(struct rig *rig, qr_node from, qr_group group, const struct raft_message *message);
/**
 * Reply to the message that left `age` messages ago (of those that are kept), if it asks anything.
 * @param index  how far the peer has the log.
 */
void peer_reply(struct rig *rig, uint32_t age, bool reject, qr_index index);
/** Grant and acknowledge everything for a while; the disk is quick meanwhile. */
void peer_agree(struct rig *rig);
/** Until the node leads all its groups. */
void peer_follow(struct rig *rig);

#endif
