/*
 * When a record was handed over is remembered by bursts, since many are handed over at one time.
 * Told is the time of the last record of a chunk: before that the chunk cannot have left, so the
 * two times of a line enclose the instant at which its records took effect.
 */
#include "control/cli/acks.h"
#include "control/cli/heap.h"

#include "consensus/base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURSTS_MIN 256u

void ctl_acks_fini(struct ctl_acks *acks)
{
	free(acks->bursts);
	*acks = (struct ctl_acks){0};
}

static void make_room(struct ctl_acks *acks)
{
	if (acks->count < acks->capacity)
		return;
	if (acks->head > acks->capacity / 2) {
		acks->count -= acks->head;
		memmove(acks->bursts, acks->bursts + acks->head,
			acks->count * sizeof(*acks->bursts));
		acks->head = 0;
		return;
	}
	acks->capacity = acks->capacity != 0 ? acks->capacity * 2 : BURSTS_MIN;
	acks->bursts = ctl_heap_resize(acks->bursts, acks->capacity, sizeof(*acks->bursts));
}

void ctl_acks_sent(struct ctl_acks *acks, qr_ns now)
{
	acks->sent++;
	if (acks->count > acks->head && acks->bursts[acks->count - 1].at == now) {
		acks->bursts[acks->count - 1].end = acks->sent;
		return;
	}
	make_room(acks);
	acks->bursts[acks->count++] = (struct ctl_acks_burst){acks->sent, now};
}

void ctl_acks_done(struct ctl_acks *acks, uint64_t count, qr_offset offset, qr_ns now)
{
	QR_ASSERT(acks->answered + count <= acks->sent);

	acks->answered += count;
	while (acks->bursts[acks->head].end < acks->answered)
		acks->head++;
	if (acks->json) {
		printf("{\"offset\": %" PRIu64 ", \"records\": %" PRIu64 ", \"sent_ns\": %" PRIu64
		       ", \"acked_ns\": %" PRIu64 "}\n",
		       offset, count, acks->bursts[acks->head].at, now);
	} else {
		printf("%" PRIu64 "\t%" PRIu64 "\n", offset, count);
	}
	if (acks->bursts[acks->head].end == acks->answered)
		acks->head++;
}

bool ctl_acks_flush(void)
{
	return fflush(stdout) == 0;
}
