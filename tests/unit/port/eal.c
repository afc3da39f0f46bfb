#include "tests/unit/port/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char dir[] = "/tmp/quorate-test-XXXXXX";

bool test_eal_start(void)
{
	static char prefix[32];
	char *arguments[] = {"test",
			     "--no-huge",
			     "--no-pci",
			     "-m",
			     "256",
			     "--no-telemetry",
			     "--lcores",
			     "0",
			     "--iova-mode=va",
			     "--log-level=lib.*:error",
			     "--file-prefix",
			     prefix};

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread yet */
	if (mkdtemp(dir) == NULL || setenv("RUNTIME_DIRECTORY", dir, 1) != 0)
		return false;
	(void)snprintf(prefix, sizeof(prefix), "t%d", (int)getpid());
	if (rte_eal_init((int)RTE_DIM(arguments), arguments) < 0) {
		(void)fprintf(stderr, "EAL: %s\n", rte_strerror(rte_errno));
		return false;
	}
	return true;
}

const char *test_eal_dir(void)
{
	return dir;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

void test_eal_stop(void)
{
	(void)rte_eal_cleanup();
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread still */
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/*
 * Byte i of a datagram is seed + 7 i: a place in one long pattern, for 7 has an inverse modulo 256.
 * Comparing with memcmp keeps the tests' own work out of their figures.
 */
#define PATTERN_BYTES (65536 + 256)
#define INVERSE_OF_7 183u

static const uint8_t *pattern_from(uint8_t seed)
{
	static uint8_t pattern[PATTERN_BYTES];
	size_t i;

	if (pattern[1] == 0) {
		for (i = 0; i < sizeof(pattern); i++)
			pattern[i] = (uint8_t)(i * 7);
	}
	return pattern + (uint8_t)(seed * INVERSE_OF_7);
}

struct rte_mbuf *test_mbuf(struct rte_mempool *pool, uint32_t size, uint8_t seed)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	char *at = mbuf != NULL ? rte_pktmbuf_append(mbuf, (uint16_t)size) : NULL;

	if (at == NULL)
		abort();
	memcpy(at, pattern_from(seed), size);
	return mbuf;
}

bool test_bytes_match(struct qr_span bytes, uint32_t size, uint8_t seed)
{
	return bytes.size_bytes == size && memcmp(bytes.data, pattern_from(seed), size) == 0;
}

qr_ns test_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (qr_ns)now.tv_sec * 1000000000u + (qr_ns)now.tv_nsec;
}
