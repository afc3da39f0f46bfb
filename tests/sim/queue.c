/* A binary heap over (time, order of adding). Owns its array, not what events point to. */
#include "tests/sim/queue.h"

#include "consensus/base/assert.h"
#include "tests/sim/memory.h"

void sim_queue_init(struct sim_queue *queue)
{
	*queue = (struct sim_queue){0};
}

void sim_queue_fini(struct sim_queue *queue)
{
	sim_free(queue->events);
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void sim_queue_add(struct sim_queue *queue, struct sim_event event)
{
	uint32_t at = queue->count;

	if (queue->count == queue->room) {
		queue->room = queue->room == 0 ? 256 : queue->room * 2;
		queue->events = sim_resize(queue->events, queue->room * sizeof(*queue->events));
	}
	queue->count++;
	event.order = queue->order++;
	while (at > 0 && before(&event, &queue->events[(at - 1) / 2])) {
		queue->events[at] = queue->events[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	queue->events[at] = event;
}

qr_ns sim_queue_next_ns(const struct sim_queue *queue)
{
	return queue->count == 0 ? UINT64_MAX : queue->events[0].at_ns;
}

struct sim_event sim_queue_take(struct sim_queue *queue)
{
	struct sim_event first;
	struct sim_event last;
	uint32_t at = 0;

	QR_ASSERT(queue->count > 0);
	first = queue->events[0];
	last = queue->events[--queue->count];
	for (uint32_t child = 1; child < queue->count; child = 2 * at + 1) {
		if (child + 1 < queue->count &&
		    before(&queue->events[child + 1], &queue->events[child]))
			child++;
		if (!before(&queue->events[child], &last))
			break;
		queue->events[at] = queue->events[child];
		at = child;
	}
	queue->events[at] = last;
	return first;
}
