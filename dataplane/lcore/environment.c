/*
 * Starting DPDK. EAL keeps its state in globals of its own and can be started once in a process;
 * nothing here adds to that.
 *
 * A crash leaves EAL's files in run_dir/dpdk/PREFIX; the next start with the same prefix removes
 * them. The files are locked while the process lives.
 */
#include "dataplane/lcore/environment.h"

#include "dataplane/lcore/cpus.h"
#include "dataplane/lcore/internal.h"
#include "dataplane/lcore/memory.h"
#include "dataplane/lcore/plan.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGUMENTS_MAX 48
#define LCORES_TEXT_MAX 4096
#define MIB ((uint64_t)1 << 20)

_Static_assert(sizeof(((struct dp_environment *)NULL)->lcores) / sizeof(unsigned) == DP_LCORES_MAX,
	       "a thread for every lcore that can be configured");

struct arguments {
	int count;
	char *list[ARGUMENTS_MAX + 1]; /* EAL may reorder them, but does not write to them */
	char memory[24];
	char lcores[LCORES_TEXT_MAX];
};

/* ---- run_dir ---- */

/** Make every directory of the path that is missing. */
static bool make_path(const char *path)
{
	char at[DP_CONFIG_PATH_MAX];

	for (size_t i = 0; path[i] != '\0' && i + 1 < sizeof(at); i++) {
		at[i] = path[i];
		at[i + 1] = '\0';
		if (path[i + 1] != '/' && path[i + 1] != '\0')
			continue;
		if (mkdir(at, 0700) != 0 && errno != EEXIST)
			return false;
	}
	return true;
}

enum qr_error dp_environment_run_dir(const char *path, struct dp_problem *ret_problem)
{
	struct stat status;

	if (!make_path(path) || lstat(path, &status) != 0) {
		dp_complain(ret_problem,
			    "%s: cannot be made (%s): set [dataplane] run_dir to a directory that "
			    "you may write",
			    path, strerrordesc_np(errno));
		return errno == EACCES || errno == EPERM ? QR_DENIED : QR_IO;
	}
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() ||
	    (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		dp_complain(ret_problem,
			    "%s: others may write there, and could pose as a node: remove it, or "
			    "set [dataplane] run_dir to a directory of your own",
			    path);
		return QR_DENIED;
	}
	return QR_OK;
}

/* ---- EAL's command line ---- */

static void add(struct arguments *arguments, const char *text)
{
	QR_ASSERT(arguments->count < ARGUMENTS_MAX);
	memcpy(&arguments->list[arguments->count++], &text, sizeof(text));
}

static void name_prefix(qr_nodes hosted, char *text, size_t text_bytes)
{
	size_t used = (size_t)snprintf(text, text_bytes, "node");
	bool first = true;

	while (hosted != 0 && used < text_bytes) {
		used += (size_t)snprintf(text + used, text_bytes - used, first ? "%u" : "-%u",
					 qr_nodes_take(&hosted));
		first = false;
	}
}

/**
 * Lcore 0 is the main thread, 1.. the polling ones. Not pinned means: on every CPU that the process
 * may use, so that the kernel can move a thread away from a busy one.
 */
static enum qr_error map_lcores(const struct dp_plan *plan, struct arguments *arguments,
				struct dp_environment *environment, struct dp_problem *problem)
{
	struct dp_cpus allowed;
	struct dp_cpus pinned;
	struct dp_cpus isolated;
	char floating[1024];
	size_t used;

	dp_cpus_allowed(&allowed);
	dp_cpus_isolated(&isolated);
	dp_cpus_parse(plan->config->lcore_list, &pinned);
	if (pinned.count != 0 && pinned.count < plan->lcores) {
		dp_complain(problem,
			    "[dataplane] lcore_list names %u CPUs for %u polling threads: name "
			    "more, or set lcores = %u",
			    pinned.count, plan->lcores, pinned.count);
		return QR_CONFIG;
	}
	if (!dp_cpus_print(&allowed, floating, sizeof(floating)))
		return QR_CONFIG;
	used = (size_t)snprintf(arguments->lcores, sizeof(arguments->lcores), "0@(%s)", floating);
	for (uint32_t i = 0; i < plan->lcores && used < sizeof(arguments->lcores); i++) {
		char *at = arguments->lcores + used;
		size_t left = sizeof(arguments->lcores) - used;

		environment->lcores[i] = i + 1;
		environment->isolated[i] =
			pinned.count != 0 && dp_cpus_has(&isolated, pinned.list[i]);
		if (pinned.count != 0) {
			used += (size_t)snprintf(at, left, ",%u@%u", i + 1, pinned.list[i]);
		} else {
			used += (size_t)snprintf(at, left, ",%u@(%s)", i + 1, floating);
		}
	}
	environment->lcore_count = plan->lcores;
	if (used < sizeof(arguments->lcores))
		return QR_OK;
	dp_complain(problem, "too many lcores for a machine of %u CPUs: lower [dataplane] lcores",
		    allowed.count);
	return QR_CONFIG;
}

/** Huge pages for DPDK need a mounted hugetlbfs that we may write, and enough free pages. */
static bool can_use_huge(uint64_t memory_bytes)
{
	char line[1024];
	bool found = false;
	FILE *mounts;

	if (dp_memory_huge_free() * DP_HUGE_PAGE_BYTES < memory_bytes)
		return false;
	mounts = fopen("/proc/mounts", "re");
	if (mounts == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), mounts) != NULL) {
		char path[512];
		char type[32];

		found = sscanf(line, "%*s %511s %31s", path, type) == 2 &&
			strcmp(type, "hugetlbfs") == 0 && access(path, W_OK) == 0;
	}
	(void)fclose(mounts);
	return found;
}

static void add_memory(struct arguments *arguments, uint64_t memory_bytes, bool huge)
{
	(void)snprintf(arguments->memory, sizeof(arguments->memory), "%llu",
		       (unsigned long long)((memory_bytes + MIB - 1) / MIB));
	/* Unlinked at once: a crash gives the pages back, too. */
	add(arguments, huge ? "--huge-unlink=always" : "--no-huge");
	add(arguments, "-m");
	add(arguments, arguments->memory);
}

static void add_devices(const struct dp_plan *plan, struct arguments *arguments)
{
	if (plan->link != DP_LINK_PCI) {
		add(arguments, "--no-pci");
		add(arguments, "--iova-mode=va");
		return;
	}
	for (uint32_t i = 0; i < plan->config->node_count; i++) {
		if (!qr_nodes_has(plan->hosted, plan->config->nodes[i].node))
			continue;
		add(arguments, "-a");
		add(arguments, plan->config->nodes[i].device);
	}
}

static enum qr_error explain(int error, const struct dp_environment *environment,
			     const char *run_dir, struct dp_problem *problem)
{
	if (error == EAGAIN || error == EALREADY || error == EEXIST) {
		dp_complain(problem, "DPDK in %s is in use by another process (prefix %s): end it",
			    run_dir, environment->prefix);
		return QR_LOCKED;
	}
	if (error == ENOMEM) {
		dp_complain(problem, "DPDK found no memory: lower [dataplane] cores or lcores");
		return QR_NO_MEMORY;
	}
	dp_complain(problem, "DPDK did not start (%s): what it printed above says why",
		    rte_strerror(error));
	return QR_UNSUPPORTED;
}

enum qr_error dp_environment_start(const struct dp_plan *plan, uint64_t memory_bytes,
				   struct dp_environment *ret_environment,
				   struct dp_problem *ret_problem)
{
	struct arguments arguments = {.count = 0};
	enum qr_error error;

	memset(ret_environment, 0, sizeof(*ret_environment));
	name_prefix(plan->hosted, ret_environment->prefix, sizeof(ret_environment->prefix));
	ret_environment->huge = can_use_huge(memory_bytes);
	add(&arguments, "quorated");
	add_memory(&arguments, memory_bytes, ret_environment->huge);
	add_devices(plan, &arguments);
	add(&arguments, "--file-prefix");
	add(&arguments, ret_environment->prefix);
	add(&arguments, "--log-level=warning");
	add(&arguments, "--log-level=lib.telemetry:error");
	add(&arguments, "--lcores");
	error = map_lcores(plan, &arguments, ret_environment, ret_problem);
	if (error != QR_OK)
		return error;
	add(&arguments, arguments.lcores);

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
	if (setenv("RUNTIME_DIRECTORY", plan->config->run_dir, 1) != 0)
		return QR_NO_MEMORY;
	/* Before init, so that not even its first words go to syslog or are chatter. */
	(void)rte_openlog_stream(stderr);
	rte_log_set_global_level(RTE_LOG_WARNING);
	if (rte_eal_init(arguments.count, arguments.list) < 0)
		return explain(rte_errno, ret_environment, plan->config->run_dir, ret_problem);
	ret_environment->started = true;
	return QR_OK;
}

void dp_environment_stop(struct dp_environment *environment)
{
	if (environment->started)
		(void)rte_eal_cleanup();
	environment->started = false;
}
