/*
 * The thread of a lcore: its replication cores and pollers in turn, then a look at what there is to
 * wait for. RCU's quiescent state is once a turn; a thread that sleeps is offline, so that whoever
 * publishes never waits for it.
 *
 * The end: every core is told to stop; it goes on polling, because the others may still need it to
 * hand leadership over; when all cores of the process have stopped, or it was abandoned, it leaves.
 */
#include "dataplane/lcore/internal.h"

#include <urcu-qsbr.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>

#define TIMER_SLACK_NS 1000ul /* instead of 50 us: the shortest sleeps are that long */

/* ---- start and end ---- */

static uint32_t count_descriptors(const struct dp_lcore *lcore)
{
	uint32_t count = 0;

	for (uint32_t s = 0; s < lcore->slot_count; s++)
		count += lcore->slots[s]->host->port_count + 1;
	return count;
}

static void add_descriptor(struct dp_lcore *lcore, int fd)
{
	if (fd < 0)
		return;
	lcore->descriptors[lcore->descriptor_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static enum qr_error find_descriptors(struct dp_lcore *lcore)
{
	lcore->descriptors = calloc(count_descriptors(lcore) + 1, sizeof(*lcore->descriptors));
	if (lcore->descriptors == NULL)
		return QR_NO_MEMORY;
	for (uint32_t s = 0; s < lcore->slot_count; s++) {
		const struct dp_slot *slot = lcore->slots[s];

		add_descriptor(lcore, store_io_event_fd(slot->io));
		for (uint32_t p = 0; p < slot->host->port_count; p++) {
			if (slot->number < dp_port_queues(slot->host->ports[p])) {
				add_descriptor(lcore, dp_port_event_fd(slot->host->ports[p],
								       slot->number));
			}
		}
	}
	return QR_OK;
}

static enum qr_error start(struct dp_lcore *lcore)
{
	const struct dp_process *process = lcore->process;
	uint64_t seed = 0;

	/* Without it elections still differ by the lcore's number. */
	(void)!getrandom(&seed, sizeof(seed), 0);
	qr_prng_init(&lcore->prng, seed ^ lcore->number);
	dp_idler_init(&lcore->idler, process->config.idle,
		      process->environment.isolated[lcore->number], dp_clock_now());
	if (lcore->poller_count > 0)
		lcore->idler.sleep_max_ns = DP_IDLE_SLEEP_MIN_NS;
	(void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	for (uint32_t s = 0; s < lcore->slot_count; s++) {
		enum qr_error error = dp_slot_start(lcore->slots[s], &lcore->start_problem);

		if (error != QR_OK)
			return error;
	}
	return find_descriptors(lcore);
}

static void end(struct dp_lcore *lcore)
{
	for (uint32_t s = 0; s < lcore->slot_count; s++)
		dp_slot_end(lcore->slots[s]);
	free(lcore->descriptors);
	lcore->descriptors = NULL;
	lcore->descriptor_count = 0;
}

/* ---- stopping ---- */

static bool is_finished(const struct dp_slot *slot)
{
	return dp_core_is_stopped(slot->core) && slot->pending_count == 0;
}

/** @return whether the thread can leave. */
static bool stop_slots(struct dp_lcore *lcore)
{
	struct dp_process *process = lcore->process;

	for (uint32_t s = 0; s < lcore->slot_count; s++) {
		struct dp_slot *slot = lcore->slots[s];

		if (!slot->told_to_stop) {
			slot->told_to_stop = true;
			dp_core_stop(slot->core);
		} else if (!slot->stopped && is_finished(slot)) {
			slot->stopped = true;
			(void)__atomic_add_fetch(&process->stopped_slots, 1, __ATOMIC_RELAXED);
		}
	}
	return __atomic_load_n(&process->stopped_slots, __ATOMIC_RELAXED) == process->slot_count ||
	       __atomic_load_n(&process->abandoned, __ATOMIC_RELAXED) != 0;
}

/* ---- idle ---- */

static qr_ns next_deadline(const struct dp_lcore *lcore)
{
	qr_ns earliest = UINT64_MAX;

	for (uint32_t s = 0; s < lcore->slot_count; s++) {
		qr_ns deadline = dp_core_next_deadline(lcore->slots[s]->core);

		earliest = deadline < earliest ? deadline : earliest;
	}
	return earliest;
}

static void sleep_at_most(struct dp_lcore *lcore, qr_ns sleep_ns)
{
	struct timespec timeout = {.tv_nsec = (long)sleep_ns};

	_Static_assert(DP_IDLE_SLEEP_MAX_NS < 1000000000u, "a sleep is below a second");
	rcu_thread_offline();
	if (ppoll(lcore->descriptors, lcore->descriptor_count, &timeout, NULL) > 0) {
		/* Somebody is there: the sockets are asked at once, not when their pause is over.
		 */
		for (uint32_t s = 0; s < lcore->slot_count; s++) {
			memset(lcore->slots[s]->host_poll_at_ns, 0,
			       sizeof(lcore->slots[s]->host_poll_at_ns));
		}
	}
	rcu_thread_online();
}

static void rest(struct dp_lcore *lcore, qr_ns now_ns)
{
	qr_ns sleep_ns = 0;

	switch (dp_idler_next(&lcore->idler, now_ns, next_deadline(lcore), &sleep_ns)) {
	case DP_IDLE_SPIN:
		rte_pause();
		break;
	case DP_IDLE_YIELD:
		(void)sched_yield();
		break;
	case DP_IDLE_SLEEP:
		sleep_at_most(lcore, sleep_ns);
		break;
	}
}

/* ---- the loop ---- */

/** The clock is read again only after a turn that took time. */
static bool turn(struct dp_lcore *lcore, qr_ns now_ns)
{
	bool busy = false;

	for (uint32_t s = 0; s < lcore->slot_count; s++) {
		uint32_t random = (uint32_t)qr_prng_next(&lcore->prng);

		if (dp_slot_turn(lcore->slots[s], now_ns, random)) {
			busy = true;
			now_ns = dp_clock_now();
		}
	}
	for (uint32_t p = 0; p < lcore->poller_count; p++)
		busy = lcore->pollers[p].call(lcore->pollers[p].context, now_ns) || busy;
	return busy;
}

static void poll_until_stopped(struct dp_lcore *lcore)
{
	const struct dp_process *process = lcore->process;

	for (;;) {
		qr_ns now_ns = dp_clock_now();
		bool busy = turn(lcore, now_ns);

		rcu_quiescent_state();
		if (__atomic_load_n(&process->stopping, __ATOMIC_RELAXED) != 0 && stop_slots(lcore))
			return;
		if (!busy) {
			rest(lcore, now_ns);
		} else if (dp_idler_busy(&lcore->idler, now_ns)) {
			(void)sched_yield();
		}
	}
}

int dp_lcore_run(void *context)
{
	struct dp_lcore *lcore = context;

	rcu_register_thread();
	lcore->start_error = start(lcore);
	/* The semaphore orders start_error before the main thread's look at it. */
	(void)sem_post(&lcore->process->started);
	if (lcore->start_error == QR_OK)
		poll_until_stopped(lcore);
	end(lcore);
	rcu_unregister_thread();
	(void)sem_post(&lcore->process->ended);
	return 0;
}
