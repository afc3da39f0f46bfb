/*
 * Who is where on an Ethernet link: ARP (RFC 826), bounded.
 *
 * What is believed: an answer to what we asked, and the sender of a request that is addressed to us
 * (it is about to talk to us, and says where it is). Announcements nobody asked for change nothing.
 *
 * Entries never vanish under traffic: one that is confirmed is asked for again after a while and
 * used meanwhile; only when several requests go unanswered it is unresolved again.
 *
 * Threads: the owner of queue 0 owns the table. Other cores may look up and want.
 */
#ifndef DP_PORT_NEIGHBOUR_H
#define DP_PORT_NEIGHBOUR_H

#include "dataplane/port/frame.h"

#define DP_NEIGHBOURS_MAX 64
#define DP_NEIGHBOURS_CORES 16

struct dp_neighbour {
	/* Read by all cores: see `publish` for the order. */
	uint32_t ipv4; /* 0: free */
	uint64_t mac;  /* 0: unresolved */
	/* The owner's. */
	qr_ns ask_at;	 /* when to send the next request */
	qr_ns wanted_at; /* last time a datagram was for it, or it spoke to us */
	uint8_t asked;	 /* requests without an answer */
	bool is_ours;	 /* a datagram of ours missed it once; not only somebody that spoke to us */
};

struct dp_neighbours {
	uint32_t ipv4; /* ours */
	uint32_t mask;
	uint32_t gateway; /* 0: none */
	/* Addresses that other cores miss: one a core, taken by the next tick. */
	uint32_t wanted[DP_NEIGHBOURS_CORES];
	struct dp_neighbour entries[DP_NEIGHBOURS_MAX];
};

/** What an ARP frame says, checked. */
struct dp_arp {
	bool is_request;
	uint32_t sender_ipv4;
	struct rte_ether_addr sender_mac;
};

void dp_neighbours_init(struct dp_neighbours *neighbours, uint32_t ipv4, uint8_t prefix_bits,
			uint32_t gateway);

/** Whom to hand a datagram for `ipv4`: itself, the gateway, or 0 when there is no way. */
uint32_t dp_neighbours_next_hop(const struct dp_neighbours *neighbours, uint32_t ipv4);
/** @return false when it is not known (yet). Any core. */
bool dp_neighbours_find(const struct dp_neighbours *neighbours, uint32_t next_hop,
			struct rte_ether_addr *ret_mac);
/** A datagram missed it: ask at the next tick. Any core, with its own number. */
void dp_neighbours_want(struct dp_neighbours *neighbours, uint8_t core, uint32_t next_hop);

/** Believe an ARP frame, if it may be believed. */
void dp_neighbours_learn(struct dp_neighbours *neighbours, const struct dp_arp *arp, qr_ns now_ns);
/** Whom to ask now. @return how many of `ret_ask` were written. */
unsigned dp_neighbours_tick(struct dp_neighbours *neighbours, qr_ns now_ns, uint32_t *ret_ask,
			    unsigned max);

/**
 * Read an ARP frame that dp_frame_parse found.
 * @return false if it is malformed, not about us, or its sender is not on our network.
 */
bool dp_arp_parse(const struct dp_frame_local *local, const struct dp_neighbours *neighbours,
		  const struct dp_frame *frame, const struct rte_mbuf *mbuf,
		  struct dp_arp *ret_arp);
/** Make an empty mbuf a request for `ipv4`. @return false when it has no room. */
bool dp_arp_put_request(const struct dp_frame_local *local, uint32_t ipv4, struct rte_mbuf *mbuf);
/** Make an empty mbuf the answer to a request. @return false when it has no room. */
bool dp_arp_put_reply(const struct dp_frame_local *local, const struct dp_arp *arp,
		      struct rte_mbuf *mbuf);

#endif
