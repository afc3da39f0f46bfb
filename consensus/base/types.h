/*
 * The scalar vocabulary of the project. Words are defined in docs/ARCHITECTURE.md.
 *
 * Everything here is a plain integer: positions in a log are never pointers, so that they mean the
 * same on every replica, on disk and on the wire.
 */
#ifndef QR_BASE_TYPES_H
#define QR_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t qr_ns;	    /* monotonic nanoseconds; an instant or a duration */
typedef uint64_t qr_term;   /* election term (Raft §5.1); 0 means none */
typedef uint64_t qr_index;  /* position of an entry, dense from 1; 0 is before the first */
typedef uint64_t qr_offset; /* position of a record in its log, dense from 0 */
typedef uint64_t qr_block;  /* position in a group's log space, in blocks of QR_BLOCK_BYTES */
typedef uint32_t qr_group;  /* a consensus group, one per partition; 0 is the control group */
typedef uint8_t qr_node;    /* a node of a cluster: 1..QR_NODE_MAX; 0 means none */
typedef uint64_t qr_nodes;  /* a set of nodes: bit n stands for node n; bit 0 is never set */

#define QR_NODE_MAX 63
#define QR_BLOCK_BYTES 4096u

#define QR_MUST_USE __attribute__((warn_unused_result))

static inline qr_nodes qr_nodes_of(qr_node node)
{
	return (qr_nodes)1 << node;
}

static inline bool qr_nodes_has(qr_nodes set, qr_node node)
{
	return (set >> node & 1) != 0;
}

static inline unsigned qr_nodes_count(qr_nodes set)
{
	return (unsigned)__builtin_popcountll(set);
}

/** Take the lowest member out of a set that is not empty. */
static inline qr_node qr_nodes_take(qr_nodes *set)
{
	qr_node node = (qr_node)__builtin_ctzll(*set);

	*set &= *set - 1;
	return node;
}

/** Blocks that hold `bytes` bytes. */
static inline uint32_t qr_blocks_for(uint64_t bytes)
{
	return (uint32_t)((bytes + QR_BLOCK_BYTES - 1) / QR_BLOCK_BYTES);
}

#endif
