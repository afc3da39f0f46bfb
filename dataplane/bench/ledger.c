/*
 * The ledger of acknowledgements: an array of runs in the order of the acks, sorted once at the
 * end. Invariant: neighbouring runs never continue each other in both sequence and offset.
 */
#include "dataplane/bench/ledger.h"

#include "consensus/base/assert.h"

#include <stdlib.h>
#include <sys/mman.h>

enum qr_error dp_bench_ledger_init(struct dp_bench_ledger *ledger, size_t capacity)
{
	void *memory;

	QR_ASSERT(capacity > 0);

	memory = mmap(NULL, capacity * sizeof(struct dp_bench_acks), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return QR_NO_MEMORY;
	*ledger = (struct dp_bench_ledger){.runs = memory, .capacity = capacity};
	return QR_OK;
}

void dp_bench_ledger_fini(struct dp_bench_ledger *ledger)
{
	if (ledger->runs != NULL)
		(void)munmap(ledger->runs, ledger->capacity * sizeof(struct dp_bench_acks));
	*ledger = (struct dp_bench_ledger){0};
}

void dp_bench_ledger_add(struct dp_bench_ledger *ledger, uint64_t sequence, uint64_t count,
			 qr_offset offset)
{
	struct dp_bench_acks *last =
		ledger->run_count > 0 ? &ledger->runs[ledger->run_count - 1] : NULL;

	QR_ASSERT(count > 0 && ledger->runs != NULL);

	ledger->records += count;
	if (last != NULL && last->sequence + last->count == sequence &&
	    last->offset + last->count == offset) {
		last->count += count;
		return;
	}
	if (ledger->run_count == ledger->capacity) {
		ledger->overflowed = true;
		return;
	}
	ledger->runs[ledger->run_count++] = (struct dp_bench_acks){sequence, count, offset};
}

static int compare_runs(const void *left, const void *right)
{
	const struct dp_bench_acks *a = left;
	const struct dp_bench_acks *b = right;

	return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

bool dp_bench_ledger_sort(struct dp_bench_ledger *ledger, uint64_t *ret_twice)
{
	qsort(ledger->runs, ledger->run_count, sizeof(*ledger->runs), compare_runs);
	for (size_t i = 1; i < ledger->run_count; i++) {
		const struct dp_bench_acks *before = &ledger->runs[i - 1];

		if (before->sequence + before->count > ledger->runs[i].sequence) {
			*ret_twice = ledger->runs[i].sequence;
			return false;
		}
	}
	return true;
}
