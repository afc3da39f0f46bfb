/*
 * The hosting process: built in the order in which mistakes are cheapest to report (configuration,
 * memory budget, data directories, then DPDK, ports, cores), taken down in the reverse order.
 *
 * A thread that does not end (it hangs in the kernel, or a disk never answers) keeps its memory: a
 * destroy then leaves everything to the end of the process.
 */
#include "dataplane/lcore/internal.h"

#include "dataplane/port/pool.h"

#include <rte_launch.h>
#include <rte_mempool.h>
#include <urcu-qsbr.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ABANDON_NS 1000000000u /* what an abandoned thread is given to leave */

void dp_complain(struct dp_problem *problem, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
}

/* ---- create ---- */

static enum qr_error check_options(const struct dp_process_options *options,
				   struct dp_problem *problem)
{
	const struct dp_config *config = options->config;
	qr_nodes known = 0;

	for (uint32_t i = 0; i < config->node_count; i++)
		known |= qr_nodes_of(config->nodes[i].node);
	if (options->nodes == 0 || (options->nodes & ~known) != 0) {
		qr_nodes unknown = options->nodes & ~known;

		dp_complain(problem,
			    options->nodes == 0
				    ? "no node to host: name one with --node N%.0u"
				    : "the configuration has no [node %u]: add it, or name another",
			    unknown == 0 ? 0 : qr_nodes_take(&unknown));
		return QR_CONFIG;
	}
	if (dp_config_link(config, options->nodes) == DP_LINK_RING && options->nodes != known) {
		dp_complain(problem, "[dataplane] link = ring connects nodes of one process only: "
				     "host all of them here, or use link = memif");
		return QR_CONFIG;
	}
	return QR_OK;
}

/** Hosts and slots, still empty, in the order of their numbers. */
static enum qr_error make_objects(struct dp_process *process)
{
	qr_nodes left = process->plan.hosted;

	process->slot_count = dp_plan_slots(&process->plan);
	process->hosts = calloc(qr_nodes_count(left), sizeof(*process->hosts));
	process->slots =
		aligned_alloc(RTE_CACHE_LINE_SIZE, process->slot_count * sizeof(*process->slots));
	process->lcores =
		aligned_alloc(RTE_CACHE_LINE_SIZE, process->plan.lcores * sizeof(*process->lcores));
	if (process->hosts == NULL || process->slots == NULL || process->lcores == NULL)
		return QR_NO_MEMORY;
	memset(process->slots, 0, process->slot_count * sizeof(*process->slots));
	memset(process->lcores, 0, process->plan.lcores * sizeof(*process->lcores));
	while (left != 0) {
		struct dp_host *host = &process->hosts[process->host_count];

		host->node = qr_nodes_take(&left);
		host->config = dp_config_node(&process->config, host->node);
		host->slots = &process->slots[(size_t)process->host_count * process->config.cores];
		process->host_count++;
	}
	return QR_OK;
}

static enum qr_error make_shared(struct dp_process *process, struct dp_problem *problem)
{
	const struct dp_plan *plan = &process->plan;
	uint32_t room = plan->peer_datagram_bytes > plan->client_datagram_bytes
				? plan->peer_datagram_bytes
				: plan->client_datagram_bytes;

	process->pool = dp_pool_create(process->budget.mbuf_count, room, SOCKET_ID_ANY);
	if (process->pool != NULL && plan->link == DP_LINK_RING) {
		process->fabric = dp_fabric_create(dp_plan_endpoints(plan), process->config.cores,
						   DP_RING_SIZE);
	}
	if (process->pool == NULL || (plan->link == DP_LINK_RING && process->fabric == NULL)) {
		dp_complain(problem,
			    "no memory for %u packet buffers: free some, or lower "
			    "[dataplane] cores",
			    process->budget.mbuf_count);
		return QR_NO_MEMORY;
	}
	return QR_OK;
}

/** Slot i is polled by lcore i modulo lcores. */
static enum qr_error make_lcores(struct dp_process *process)
{
	QR_ASSERT(process->environment.lcore_count > 0);
	for (uint32_t l = 0; l < process->environment.lcore_count; l++) {
		struct dp_lcore *lcore = &process->lcores[l];

		lcore->process = process;
		lcore->number = l;
		lcore->slots = calloc(process->slot_count, sizeof(struct dp_slot *));
		if (lcore->slots == NULL)
			return QR_NO_MEMORY;
	}
	for (uint32_t s = 0; s < process->slot_count; s++) {
		struct dp_lcore *lcore = &process->lcores[s % process->environment.lcore_count];

		lcore->slots[lcore->slot_count++] = &process->slots[s];
	}
	process->has_semaphores =
		sem_init(&process->started, 0, 0) == 0 && sem_init(&process->ended, 0, 0) == 0;
	return process->has_semaphores ? QR_OK : QR_NO_MEMORY;
}

static enum qr_error build_hosts(struct dp_process *process, struct dp_problem *problem)
{
	enum qr_error error = QR_OK;

	for (uint32_t h = 0; h < process->host_count && error == QR_OK; h++)
		error = dp_host_open_ports(process, &process->hosts[h], problem);
	for (uint32_t h = 0; h < process->host_count && error == QR_OK; h++)
		error = dp_host_build(process, &process->hosts[h], problem);
	return error;
}

static enum qr_error build(struct dp_process *process, struct dp_problem *problem)
{
	enum qr_error error = dp_plan_budget(&process->plan, &process->budget);

	dp_complain(problem, "out of memory");
	if (error == QR_OK)
		error = make_objects(process);
	if (error == QR_OK)
		error = dp_environment_run_dir(process->config.run_dir, problem);
	for (uint32_t h = 0; h < process->host_count && error == QR_OK; h++)
		error = dp_host_open_directory(process, &process->hosts[h], problem);
	if (error == QR_OK) {
		error = dp_environment_start(&process->plan, process->budget.dpdk_bytes,
					     &process->environment, problem);
	}
	if (error == QR_OK)
		error = make_shared(process, problem);
	if (error == QR_OK)
		error = build_hosts(process, problem);
	if (error == QR_OK)
		error = make_lcores(process);
	return error;
}

enum qr_error dp_process_create(const struct dp_process_options *options,
				struct dp_process **ret_process, struct dp_problem *ret_problem)
{
	struct dp_process *process;
	enum qr_error error = check_options(options, ret_problem);

	if (error != QR_OK)
		return error;
	process = calloc(1, sizeof(*process));
	if (process == NULL) {
		dp_complain(ret_problem, "out of memory");
		return QR_NO_MEMORY;
	}
	process->config = *options->config;
	dp_plan_init(&process->plan, &process->config, options->nodes, options->fabric_extra);
	error = build(process, ret_problem);
	if (error != QR_OK) {
		dp_process_destroy(process);
		return error;
	}
	if (!options->quiet)
		dp_process_show(process);
	*ret_process = process;
	return QR_OK;
}

/* ---- start and end ---- */

void dp_process_add_poller(struct dp_process *process, unsigned lcore, dp_poller poller,
			   void *context)
{
	struct dp_lcore *polled = &process->lcores[lcore];

	QR_ASSERT(lcore < process->environment.lcore_count);
	QR_ASSERT(polled->poller_count < DP_POLLERS_MAX && process->running == 0);
	polled->pollers[polled->poller_count].call = poller;
	polled->pollers[polled->poller_count++].context = context;
}

/** Wait for threads to end until the deadline (CLOCK_MONOTONIC). @return whether all have. */
static bool wait_for_threads(struct dp_process *process, qr_ns timeout_ns)
{
	struct timespec until;
	qr_ns at;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	at = (qr_ns)until.tv_nsec + timeout_ns;
	until.tv_sec += (time_t)(at / 1000000000u);
	until.tv_nsec = (long)(at % 1000000000u);
	while (process->running > 0) {
		if (sem_clockwait(&process->ended, CLOCK_MONOTONIC, &until) == 0) {
			process->running--;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/** Have the threads leave without finishing anything. */
static void abandon(struct dp_process *process)
{
	__atomic_store_n(&process->abandoned, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&process->stopping, 1, __ATOMIC_RELAXED);
	(void)wait_for_threads(process, ABANDON_NS);
}

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0)
		;
}

static enum qr_error first_start_error(const struct dp_process *process, struct dp_problem *problem)
{
	for (uint32_t l = 0; l < process->environment.lcore_count; l++) {
		const struct dp_lcore *lcore = &process->lcores[l];

		if (lcore->start_error == QR_OK)
			continue;
		dp_complain(problem, "lcore %u: %s", l,
			    lcore->start_problem.text[0] != '\0'
				    ? lcore->start_problem.text
				    : qr_error_text(lcore->start_error));
		return lcore->start_error;
	}
	return QR_OK;
}

enum qr_error dp_process_start(struct dp_process *process, struct dp_problem *ret_problem)
{
	enum qr_error error = QR_OK;

	for (uint32_t l = 0; l < process->environment.lcore_count; l++) {
		if (rte_eal_remote_launch(dp_lcore_run, &process->lcores[l],
					  process->environment.lcores[l]) != 0) {
			dp_complain(ret_problem, "lcore %u cannot be launched", l);
			error = QR_LOCKED;
			break;
		}
		process->running++;
	}
	for (uint32_t l = 0; l < process->running; l++)
		wait_for(&process->started);
	if (error == QR_OK)
		error = first_start_error(process, ret_problem);
	if (error != QR_OK)
		abandon(process);
	return error;
}

void dp_process_request_stop(struct dp_process *process)
{
	__atomic_store_n(&process->stopping, 1, __ATOMIC_RELAXED);
}

bool dp_process_has_ended(struct dp_process *process, qr_ns timeout_ns)
{
	return wait_for_threads(process, timeout_ns);
}

enum qr_error dp_process_join(struct dp_process *process, qr_ns timeout_ns)
{
	if (wait_for_threads(process, timeout_ns))
		return QR_OK;
	abandon(process);
	return QR_TIMED_OUT;
}

void dp_process_destroy(struct dp_process *process)
{
	if (process == NULL || process->running > 0)
		return;
	if (process->environment.started)
		rte_eal_mp_wait_lcore();
	for (uint32_t h = 0; h < process->host_count; h++)
		dp_host_close(process, &process->hosts[h]);
	if (process->fabric != NULL)
		dp_fabric_destroy(process->fabric);
	rte_mempool_free(process->pool);
	dp_environment_stop(&process->environment);
	for (uint32_t l = 0; l < process->environment.lcore_count && process->lcores != NULL; l++)
		free(process->lcores[l].slots);
	if (process->has_semaphores) {
		(void)sem_destroy(&process->started);
		(void)sem_destroy(&process->ended);
	}
	free(process->lcores);
	free(process->slots);
	free(process->hosts);
	free(process);
}

/* ---- while it runs ---- */

struct dp_fabric *dp_process_fabric(struct dp_process *process)
{
	return process->fabric;
}

uint32_t dp_process_extra_endpoint(const struct dp_process *process, uint32_t number)
{
	QR_ASSERT(number < process->plan.fabric_extra);
	return dp_plan_highest_node(&process->plan) + 1u + number;
}

struct rte_mempool *dp_process_pool(struct dp_process *process)
{
	return process->pool;
}

struct dp_core *dp_process_core(struct dp_process *process, unsigned number)
{
	return number < process->slot_count ? process->slots[number].core : NULL;
}

struct dp_host *dp_process_host(const struct dp_process *process, qr_node node)
{
	for (uint32_t h = 0; h < process->host_count; h++) {
		if (process->hosts[h].node == node)
			return &process->hosts[h];
	}
	return NULL;
}

static void publish(struct dp_host *host, struct dp_published published)
{
	/* The version before the one in force: a grace period has passed since it was replaced. */
	struct dp_published *next =
		host->published == &host->versions[0] ? &host->versions[1] : &host->versions[0];

	*next = published;
	rcu_assign_pointer(host->published, next);
	synchronize_rcu();
}

enum qr_error dp_process_set_links(struct dp_process *process, qr_node node, qr_nodes links_down)
{
	struct dp_host *host = dp_process_host(process, node);
	struct dp_published next;

	if (host == NULL)
		return QR_NOT_FOUND;
	next = *host->published;
	next.links_down = links_down;
	publish(host, next);
	return QR_OK;
}

enum qr_error dp_process_scrub(struct dp_process *process, qr_node node, uint64_t bytes_per_second,
			       bool *ret_joined)
{
	struct dp_host *host = dp_process_host(process, node);
	struct dp_published next;
	bool runs;

	if (host == NULL)
		return QR_NOT_FOUND;
	(void)dp_process_scrub_of(process, node, &runs);
	*ret_joined = runs;
	if (runs)
		return QR_OK;
	next = *host->published;
	/* A name that no earlier pass had, also of an earlier life of this process. */
	next.scrub = (struct dp_scrub_request){.pass = dp_clock_now(),
					       .bytes_per_second = bytes_per_second};
	publish(host, next);
	return QR_OK;
}
