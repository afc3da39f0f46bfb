/* Datagrams that came to the wrong core reach the right one, with their source. */
#include "tests/unit/unit.h"

#include "dataplane/lcore/handover.h"

#include <rte_mbuf.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define RING_SIZE 64u /* holds one less */
#define BUFFER_BYTES 256
#define HEADROOM 64
#define SENT 20000u

static struct rte_ring *ring;

/** An mbuf without a pool: enough for what is handed over and taken, nothing frees it. */
struct buffer {
	struct rte_mbuf mbuf;
	uint8_t bytes[BUFFER_BYTES];
};

static void make(struct buffer *buffer, struct dp_rx *rx, uint32_t number)
{
	memset(buffer, 0, sizeof(*buffer));
	buffer->mbuf.buf_addr = buffer->bytes;
	memcpy(buffer->bytes + HEADROOM, &number, sizeof(number));
	*rx = (struct dp_rx){
		.bytes = {buffer->bytes + HEADROOM, sizeof(number)},
		.from = {.ipv4 = 0x0a000001 + number, .udp = 7000, .port = 3},
		.mbuf = &buffer->mbuf,
	};
}

static void assert_is(const struct dp_rx *rx, uint32_t number)
{
	assert_int_equal(rx->bytes.size_bytes, sizeof(number));
	assert_memory_equal(rx->bytes.data, &number, sizeof(number));
	assert_int_equal(rx->from.ipv4, 0x0a000001 + number);
	assert_int_equal(rx->from.udp, 7000);
	assert_int_equal(rx->from.port, 3);
}

static int make_ring(void **state)
{
	size_t size_bytes = (size_t)rte_ring_get_memsize(RING_SIZE);

	(void)state;
	ring = aligned_alloc(RTE_CACHE_LINE_SIZE, size_bytes);
	return ring == NULL ||
	       rte_ring_init(ring, "test", RING_SIZE, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0;
}

static int free_ring(void **state)
{
	(void)state;
	free(ring);
	return 0;
}

static void datagrams_keep_their_bytes_source_and_order(void **state)
{
	static struct buffer buffers[8];
	struct dp_rx rx[DP_BURST];

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		make(&buffers[i], &rx[0], i);
		assert_true(dp_handover_send(ring, &rx[0]));
	}
	assert_int_equal(dp_handover_take(ring, rx, 3), 3);
	assert_is(&rx[0], 0);
	assert_is(&rx[2], 2);
	assert_int_equal(dp_handover_take(ring, rx, DP_BURST), 5);
	assert_is(&rx[4], 7);
	assert_int_equal(dp_handover_take(ring, rx, DP_BURST), 0);
}

static struct buffer crossing[RING_SIZE * 2];

static void *send_many(void *context)
{
	(void)context;
	for (uint32_t i = 0; i < SENT; i++) {
		struct dp_rx rx;

		/* The test's rule, not the ring's: a buffer is used again when it came through. */
		while (rte_ring_free_count(ring) == 0)
			(void)sched_yield();
		make(&crossing[i % (RING_SIZE * 2)], &rx, i);
		if (!dp_handover_send(ring, &rx))
			return &crossing;
	}
	return NULL;
}

static void two_threads_hand_over_everything_in_order(void **state)
{
	struct dp_rx rx[DP_BURST];
	pthread_t sender;
	void *failed = NULL;
	uint32_t next = 0;

	(void)state;
	assert_int_equal(pthread_create(&sender, NULL, send_many, NULL), 0);
	while (next < SENT) {
		unsigned count = dp_handover_take(ring, rx, 16);

		for (unsigned i = 0; i < count; i++)
			assert_is(&rx[i], next++);
		if (count == 0)
			(void)sched_yield();
	}
	assert_int_equal(pthread_join(sender, &failed), 0);
	assert_null(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(datagrams_keep_their_bytes_source_and_order,
						make_ring, free_ring),
		cmocka_unit_test_setup_teardown(two_threads_hand_over_everything_in_order,
						make_ring, free_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
