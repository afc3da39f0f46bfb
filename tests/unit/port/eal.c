#include "tests/unit/port/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

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
	char *arguments[] = {"test",	  "--no-huge",	  "--no-pci",	  "-m",
			     "256",	  "--no-telemetry", "--lcores",	  "0",
			     "--iova-mode=va", "--log-level=lib.*:error", "--file-prefix", prefix};

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
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct rte_mbuf *test_mbuf(struct rte_mempool *pool, uint32_t size, uint8_t seed)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	uint8_t *at = mbuf != NULL ? (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)size) : NULL;
	uint32_t i;

	if (at == NULL)
		abort();
	for (i = 0; i < size; i++)
		at[i] = (uint8_t)(seed + i * 7);
	return mbuf;
}

bool test_bytes_match(struct qr_span bytes, uint32_t size, uint8_t seed)
{
	uint32_t i;

	if (bytes.size_bytes != size)
		return false;
	for (i = 0; i < size; i++) {
		if (bytes.data[i] != (uint8_t)(seed + i * 7))
			return false;
	}
	return true;
}

qr_ns test_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (qr_ns)now.tv_sec * 1000000000u + (qr_ns)now.tv_nsec;
}
