/*
 * The network: datagrams between nodes, and between clients and nodes. Hosts are numbered: nodes
 * from 1, clients behind them.
 */
#ifndef QR_TEST_SIM_NET_H
#define QR_TEST_SIM_NET_H

#include "tests/sim/plan.h"

#include "dataplane/node/core.h"

#define SIM_HOSTS_MAX (SIM_NODES_MAX + SIM_CLIENTS_MAX)
#define SIM_REMEMBERED 32 /* old datagrams that may come again */

struct sim_world;

struct sim_packet {
	uint8_t from; /* hosts */
	uint8_t to;
	uint32_t size_bytes;
	bool wrong;		 /* nobody sent it so */
	struct sim_packet *next; /* in a node's inbox, or among the free */
	uint8_t data[SIM_DATAGRAM_MAX];
};

struct sim_net {
	bool cut[SIM_HOSTS_MAX + 1][SIM_HOSTS_MAX + 1]; /* from, to; made anew by sim_net_rewire */
	qr_ns clogged_until_ns[SIM_HOSTS_MAX + 1][SIM_HOSTS_MAX + 1];
	uint32_t loss_percent;
	uint32_t duplicate_percent;
	uint32_t flip_percent;
	uint32_t delay_times;
	uint32_t muted[SIM_HOSTS_MAX + 1]; /* from: bit per enum sim_effect that does not leave */
	uint8_t fragments_lost_of;	   /* a node; 0: none */
	qr_ns fragments_lost_until_ns;
	struct sim_packet *free;
	struct sim_packet *remembered[SIM_REMEMBERED];
	uint32_t remembered_next;
};

void sim_net_init(struct sim_net *net);
void sim_net_fini(struct sim_net *net);
/** A host sends; copied. */
void sim_net_send(struct sim_world *world, uint8_t from, uint8_t to, const uint8_t *data,
		  uint32_t size_bytes);
void sim_net_packet_free(struct sim_net *net, struct sim_packet *packet);
/** Links and rates follow from the faults in force. */
void sim_net_rewire(struct sim_world *world);
/** Old datagrams are sent again. */
void sim_net_replay(struct sim_world *world);
/** Noise, another cluster's datagrams, and strangers, to a node. */
void sim_net_garbage(struct sim_world *world, qr_node node);

#endif
