/* The process' mbuf pool: sizes, and a name that no other has. */
#include "dataplane/port/pool.h"

#include <rte_errno.h>
#include <rte_mempool.h>

#include <stdio.h>

#define CACHE_COUNT 256u
#define NAMES_MAX 64

static size_t object_bytes(uint32_t datagram_max)
{
	size_t element =
		sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + dp_pool_room_bytes(datagram_max);

	return rte_mempool_calc_obj_size((uint32_t)element, 0, NULL);
}

size_t dp_pool_size_bytes(uint32_t count, uint32_t datagram_max)
{
	/* The objects, and the ring of pointers to the free ones. */
	return count * object_bytes(datagram_max) + rte_align32pow2(count + 1) * sizeof(void *);
}

struct rte_mempool *dp_pool_create(uint32_t count, uint32_t datagram_max, int socket)
{
	struct rte_mempool *pool = NULL;
	uint32_t cache = count / 4 < CACHE_COUNT ? count / 4 : CACHE_COUNT;
	uint16_t room;
	unsigned attempt;

	if (datagram_max > DP_POOL_DATAGRAM_MAX)
		return NULL;
	room = (uint16_t)(RTE_PKTMBUF_HEADROOM + dp_pool_room_bytes(datagram_max));
	for (attempt = 0; attempt < NAMES_MAX && pool == NULL; attempt++) {
		char name[RTE_MEMPOOL_NAMESIZE];

		(void)snprintf(name, sizeof(name), "quorate_pool_%u", attempt);
		pool = rte_pktmbuf_pool_create(name, count, cache, 0, room, socket);
		if (pool == NULL && rte_errno != EEXIST)
			return NULL;
	}
	return pool;
}
