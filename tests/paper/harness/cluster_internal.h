/* What the files of the cluster harness share. */
#ifndef QR_TESTS_CLUSTER_INTERNAL_H
#define QR_TESTS_CLUSTER_INTERNAL_H

#include "tests/paper/harness/cluster.h"

/* cluster.c */
void cluster_step(struct cluster *cluster, qr_node node, struct raft_event event,
		  const struct cluster_entry *content);
void cluster_send(struct cluster *cluster, struct cluster_packet packet);
void cluster_settle(struct cluster *cluster, qr_node node);

/* store.c */
uint64_t cluster_chain(uint64_t before, qr_term term, uint64_t value);
void cluster_store_truncate(struct cluster_node *node, qr_index to);
void cluster_store_write_state(struct cluster_node *node, const struct raft_hard_state *state);
void cluster_store_write_entries(struct cluster_node *node, qr_index first, qr_index last,
				 uint64_t generation);
bool cluster_store_satisfies(const struct cluster_node *node, const struct raft_message *message);
bool cluster_store_is_outdated(const struct cluster_node *node, const struct raft_message *message);

/* judge.c */
__attribute__((format(printf, 2, 3))) void cluster_trouble(struct cluster *cluster,
							   const char *format, ...);
void cluster_judge_entry(struct cluster *cluster, qr_node node, qr_index index);
void cluster_judge_role(struct cluster *cluster, qr_node node);
void cluster_judge_commit(struct cluster *cluster, qr_node node, qr_index from, qr_index to);
void cluster_judge_read(struct cluster *cluster, qr_node node, const struct raft_read_done *read);
void cluster_judge_departure(struct cluster *cluster, const struct raft_message *message);

#endif
