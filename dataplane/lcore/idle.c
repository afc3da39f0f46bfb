/* The idle policy's decision. Owns no state but the idler's. */
#include "dataplane/lcore/idle.h"

#define SLEEP_WORTH_NS 20000u /* a system call and a wake-up take about this */

_Static_assert(SLEEP_WORTH_NS < DP_IDLE_SLEEP_MIN_NS, "the shortest sleep is worth its cost");

void dp_idler_init(struct dp_idler *idler, enum dp_idle policy, bool isolated, qr_ns now_ns)
{
	*idler = (struct dp_idler){
		.policy = policy,
		.isolated = isolated,
		.sleep_max_ns = DP_IDLE_SLEEP_MAX_NS,
		.busy_at_ns = now_ns,
		.yielded_at_ns = now_ns,
	};
}

bool dp_idler_busy(struct dp_idler *idler, qr_ns now_ns)
{
	idler->busy_at_ns = now_ns;
	if (idler->isolated || now_ns - idler->yielded_at_ns < DP_IDLE_BUSY_NS)
		return false;
	idler->yielded_at_ns = now_ns;
	return true;
}

enum dp_idle_action dp_idler_next(struct dp_idler *idler, qr_ns now_ns, qr_ns deadline_ns,
				  qr_ns *ret_sleep_ns)
{
	qr_ns idle_ns = now_ns - idler->busy_at_ns;
	qr_ns left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	qr_ns sleep_ns = idle_ns / 8;

	idler->yielded_at_ns = now_ns; /* whatever comes out of it, others get the CPU */
	if (idler->policy == DP_IDLE_POLL)
		return idler->isolated ? DP_IDLE_SPIN : DP_IDLE_YIELD;
	if (idle_ns < DP_IDLE_SPIN_NS)
		return DP_IDLE_YIELD;
	if (sleep_ns < DP_IDLE_SLEEP_MIN_NS)
		sleep_ns = DP_IDLE_SLEEP_MIN_NS;
	if (sleep_ns > idler->sleep_max_ns)
		sleep_ns = idler->sleep_max_ns;
	if (sleep_ns > left_ns)
		sleep_ns = left_ns;
	if (sleep_ns < SLEEP_WORTH_NS)
		return DP_IDLE_YIELD;
	*ret_sleep_ns = sleep_ns;
	return DP_IDLE_SLEEP;
}
