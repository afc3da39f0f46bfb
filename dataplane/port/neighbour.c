/*
 * The neighbour table and ARP frames.
 *
 * Time: a request at once when somebody is wanted, then with doubling pauses from ASK_MIN to
 * ASK_MAX. A confirmed entry is asked for again after CONFIRM; after ASKED_MAX requests without an
 * answer it counts as unresolved, and asking goes on for as long as it is wanted. An entry nobody
 * wanted for FORGET is free again. When the table is full, a new neighbour takes the place of the
 * oldest that is unresolved, or that merely spoke to us: requests from forged addresses cannot
 * displace those that we send to.
 */
#include "dataplane/port/neighbour.h"

#include "consensus/base/assert.h"

#include <rte_arp.h>
#include <rte_byteorder.h>

#include <string.h>

#define MS 1000000ull
#define ASK_MIN_NS (10 * MS)
#define ASK_MAX_NS (1000 * MS)
#define CONFIRM_NS (30000 * MS)
#define FORGET_NS (120000 * MS)
#define ASKED_MAX 3u
#define MASK (DP_NEIGHBOURS_MAX - 1)

_Static_assert((DP_NEIGHBOURS_MAX & MASK) == 0, "indexed by the low bits of an address");

static uint64_t mac_to_number(const struct rte_ether_addr *mac)
{
	uint64_t number = 0;

	memcpy(&number, mac->addr_bytes, RTE_ETHER_ADDR_LEN);
	return number;
}

/*
 * A reader that sees `ipv4` before and after it read `mac` has a pair that belonged together: an
 * entry changes hands by clearing mac, then ipv4, then setting mac (each release, with the
 * reader's acquires as partners). Should the same address leave and come back between the two
 * looks, one frame goes to the wrong station, which ignores it.
 */
static void publish(struct dp_neighbour *entry, uint32_t ipv4, uint64_t mac)
{
	if (entry->ipv4 != ipv4) {
		__atomic_store_n(&entry->mac, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&entry->ipv4, ipv4, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&entry->mac, mac, __ATOMIC_RELEASE);
}

/** The position of an address, or -1. Close to where its low bits point. Any core. */
static int position_of(const struct dp_neighbours *neighbours, uint32_t ipv4)
{
	uint32_t i;

	for (i = 0; i < DP_NEIGHBOURS_MAX; i++) {
		uint32_t at = (ipv4 + i) & MASK;

		if (__atomic_load_n(&neighbours->entries[at].ipv4, __ATOMIC_ACQUIRE) == ipv4)
			return (int)at;
	}
	return -1;
}

void dp_neighbours_init(struct dp_neighbours *neighbours, uint32_t ipv4, uint8_t prefix_bits,
			uint32_t gateway)
{
	QR_ASSERT(prefix_bits <= 32);
	*neighbours = (struct dp_neighbours){
		.ipv4 = ipv4,
		.mask = prefix_bits == 0 ? 0 : UINT32_MAX << (32 - prefix_bits),
		.gateway = gateway,
	};
}

static bool is_on_link(const struct dp_neighbours *neighbours, uint32_t ipv4)
{
	return ((ipv4 ^ neighbours->ipv4) & neighbours->mask) == 0;
}

uint32_t dp_neighbours_next_hop(const struct dp_neighbours *neighbours, uint32_t ipv4)
{
	if (neighbours->gateway == 0 || is_on_link(neighbours, ipv4))
		return ipv4;
	return neighbours->gateway;
}

bool dp_neighbours_find(const struct dp_neighbours *neighbours, uint32_t next_hop,
			struct rte_ether_addr *ret_mac)
{
	int at = next_hop != 0 ? position_of(neighbours, next_hop) : -1;
	const struct dp_neighbour *entry;
	uint64_t mac;

	if (at < 0)
		return false;
	entry = &neighbours->entries[at];
	mac = __atomic_load_n(&entry->mac, __ATOMIC_ACQUIRE);
	if (mac == 0 || __atomic_load_n(&entry->ipv4, __ATOMIC_ACQUIRE) != next_hop)
		return false;
	memcpy(ret_mac->addr_bytes, &mac, RTE_ETHER_ADDR_LEN);
	return true;
}

void dp_neighbours_want(struct dp_neighbours *neighbours, uint8_t core, uint32_t next_hop)
{
	__atomic_store_n(&neighbours->wanted[core], next_hop, __ATOMIC_RELAXED);
}

/** A place for a new neighbour: a free one, else the oldest that may go, else NULL. */
static struct dp_neighbour *place_for(struct dp_neighbours *neighbours, uint32_t ipv4)
{
	struct dp_neighbour *oldest = NULL;
	uint32_t i;

	for (i = 0; i < DP_NEIGHBOURS_MAX; i++) {
		struct dp_neighbour *entry = &neighbours->entries[(ipv4 + i) & MASK];

		if (entry->ipv4 == 0)
			return entry;
		if ((entry->mac == 0 || !entry->is_ours) &&
		    (oldest == NULL || entry->wanted_at < oldest->wanted_at))
			oldest = entry;
	}
	return oldest;
}

/** The entry of an address, made if need be; NULL when there is no room. */
static struct dp_neighbour *entry_for(struct dp_neighbours *neighbours, uint32_t ipv4, qr_ns now_ns)
{
	int at = position_of(neighbours, ipv4);
	struct dp_neighbour *entry;

	if (at >= 0)
		return &neighbours->entries[at];
	entry = place_for(neighbours, ipv4);
	if (entry == NULL)
		return NULL;
	publish(entry, ipv4, 0);
	entry->ask_at = now_ns;
	entry->wanted_at = now_ns;
	entry->asked = 0;
	entry->is_ours = false;
	return entry;
}

void dp_neighbours_learn(struct dp_neighbours *neighbours, const struct dp_arp *arp, qr_ns now_ns)
{
	struct dp_neighbour *entry;

	if (arp->is_request) {
		entry = entry_for(neighbours, arp->sender_ipv4, now_ns);
		if (entry != NULL)
			entry->wanted_at = now_ns;
	} else {
		int at = position_of(neighbours, arp->sender_ipv4);

		entry = at >= 0 ? &neighbours->entries[at] : NULL;
		if (entry != NULL && entry->asked == 0)
			entry = NULL; /* an answer that nobody asked for */
	}
	if (entry == NULL)
		return;
	publish(entry, arp->sender_ipv4, mac_to_number(&arp->sender_mac));
	entry->asked = 0;
	entry->ask_at = now_ns + CONFIRM_NS;
}

/** A datagram of ours misses this one. */
static void note_wanted(struct dp_neighbours *neighbours, uint32_t ipv4, qr_ns now_ns)
{
	struct dp_neighbour *entry = entry_for(neighbours, ipv4, now_ns);

	if (entry == NULL)
		return;
	entry->wanted_at = now_ns;
	entry->is_ours = true;
}

static void take_wanted(struct dp_neighbours *neighbours, qr_ns now_ns)
{
	uint32_t wanted[DP_NEIGHBOURS_CORES];
	size_t core;

	for (core = 0; core < RTE_DIM(wanted); core++)
		wanted[core] = __atomic_exchange_n(&neighbours->wanted[core], 0, __ATOMIC_RELAXED);
	for (core = 0; core < RTE_DIM(wanted); core++) {
		if (wanted[core] != 0)
			note_wanted(neighbours, wanted[core], now_ns);
	}
}

/** One request more to this entry; it may have to give up what it knew. */
static void note_asked(struct dp_neighbour *entry, qr_ns now_ns)
{
	qr_ns pause = ASK_MIN_NS << RTE_MIN(entry->asked, 7u);

	if (entry->asked >= ASKED_MAX && entry->mac != 0)
		publish(entry, entry->ipv4, 0);
	if (entry->asked < UINT8_MAX)
		entry->asked++;
	/* A confirmed one is still in use: no hurry to doubt it. */
	if (entry->mac != 0 || pause > ASK_MAX_NS)
		pause = ASK_MAX_NS;
	entry->ask_at = now_ns + pause;
}

unsigned dp_neighbours_tick(struct dp_neighbours *neighbours, qr_ns now_ns, uint32_t *ret_ask,
			    unsigned max)
{
	unsigned count = 0;
	uint32_t i;

	take_wanted(neighbours, now_ns);
	for (i = 0; i < DP_NEIGHBOURS_MAX && count < max; i++) {
		struct dp_neighbour *entry = &neighbours->entries[i];

		if (entry->ipv4 == 0 || now_ns < entry->ask_at)
			continue;
		if (entry->mac == 0 && now_ns - entry->wanted_at > FORGET_NS) {
			publish(entry, 0, 0);
			continue;
		}
		ret_ask[count++] = entry->ipv4;
		note_asked(entry, now_ns);
	}
	return count;
}

/* ---- frames ---- */

bool dp_arp_parse(const struct dp_frame_local *local, const struct dp_neighbours *neighbours,
		  const struct dp_frame *frame, const struct rte_mbuf *mbuf, struct dp_arp *ret_arp)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	const struct rte_arp_hdr *arp;
	uint16_t operation;
	uint32_t sender;

	if (mbuf->data_len < frame->l3_offset + sizeof(*arp))
		return false;
	arp = rte_pktmbuf_mtod_offset(mbuf, const struct rte_arp_hdr *, frame->l3_offset);
	operation = rte_be_to_cpu_16(arp->arp_opcode);
	sender = rte_be_to_cpu_32(arp->arp_data.arp_sip);
	if (arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(uint32_t) ||
	    (operation != RTE_ARP_OP_REQUEST && operation != RTE_ARP_OP_REPLY))
		return false;
	/* An answer is for one station; a sender speaks for itself. */
	if (rte_be_to_cpu_32(arp->arp_data.arp_tip) != local->ipv4 ||
	    (operation == RTE_ARP_OP_REPLY &&
	     !rte_is_same_ether_addr(&ether->dst_addr, &local->mac)) ||
	    !rte_is_same_ether_addr(&arp->arp_data.arp_sha, &ether->src_addr) ||
	    !rte_is_unicast_ether_addr(&arp->arp_data.arp_sha) ||
	    rte_is_zero_ether_addr(&arp->arp_data.arp_sha))
		return false;
	/* 0 is a probe (RFC 5227): answered would be right, believed would not; we hold our
	 * address. */
	if (sender == 0 || sender == local->ipv4 || !is_on_link(neighbours, sender))
		return false;
	*ret_arp = (struct dp_arp){
		.is_request = operation == RTE_ARP_OP_REQUEST,
		.sender_ipv4 = sender,
		.sender_mac = arp->arp_data.arp_sha,
	};
	return true;
}

static bool put_arp(const struct dp_frame_local *local, uint16_t operation,
		    const struct dp_arp *target, const struct rte_ether_addr *to,
		    struct rte_mbuf *mbuf)
{
	struct rte_arp_hdr *arp =
		(struct rte_arp_hdr *)(void *)rte_pktmbuf_append(mbuf, sizeof(*arp));

	if (arp == NULL)
		return false;
	*arp = (struct rte_arp_hdr){
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = sizeof(uint32_t),
		.arp_opcode = rte_cpu_to_be_16(operation),
		.arp_data = {.arp_sha = local->mac,
			     .arp_sip = rte_cpu_to_be_32(local->ipv4),
			     .arp_tha = target->sender_mac,
			     .arp_tip = rte_cpu_to_be_32(target->sender_ipv4)},
	};
	return dp_frame_put_ether(local, to, RTE_BE16(RTE_ETHER_TYPE_ARP), mbuf);
}

bool dp_arp_put_request(const struct dp_frame_local *local, uint32_t ipv4, struct rte_mbuf *mbuf)
{
	const struct rte_ether_addr everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	const struct dp_arp target = {.sender_ipv4 = ipv4};

	return put_arp(local, RTE_ARP_OP_REQUEST, &target, &everybody, mbuf);
}

bool dp_arp_put_reply(const struct dp_frame_local *local, const struct dp_arp *arp,
		      struct rte_mbuf *mbuf)
{
	return put_arp(local, RTE_ARP_OP_REPLY, arp, &arp->sender_mac, mbuf);
}
