/*
 * The running cluster. Owns the sockets' threads; everything is taken down before it returns.
 */
#include "dataplane/bench/remote.h"

#include "dataplane/bench/socket.h"
#include "dataplane/config/config.h"
#include "dataplane/port/vdev.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#define REMOTE_DATAGRAM_BYTES 1452u
#define LOOPBACK 127u
#define WINDOW_BYTES 131072u /* what a default socket buffer holds */

struct remote {
	struct dp_bench_run *run;
	struct dp_bench_problem *problem;
	struct dp_config config;
	struct dp_udp seeds;
	const char *cluster;
	const char *disk; /* a directory on a disk of the cluster; NULL: none is here */
	struct dp_bench_socket *sockets[DP_BENCH_LOADS_MAX];
};

static bool fail(struct remote *remote, const char *what, const char *mend)
{
	(void)snprintf(remote->problem->text, sizeof(remote->problem->text), "%s: %s", what, mend);
	return false;
}

/* ---- where the cluster is ---- */

static bool load_config(struct remote *remote)
{
	struct dp_config_problem wrong = {0};
	enum qr_error error;

	dp_config_defaults(&remote->config);
	error = dp_config_load(&remote->config, remote->run->options->config, &wrong);
	if (error == QR_OK)
		error = dp_config_environment(&remote->config, &wrong);
	if (error == QR_OK)
		error = dp_config_finish(&remote->config, &wrong);
	if (error != QR_OK) {
		(void)snprintf(remote->problem->text, sizeof(remote->problem->text), "%s",
			       wrong.text);
		return false;
	}
	remote->cluster = remote->config.cluster;
	remote->run->report.profile = dp_profile_name(remote->config.profile);
	return true;
}

/** The addresses of the configured nodes, and the first data directory that is here. */
static void look_at_nodes(struct remote *remote)
{
	for (uint32_t i = 0; i < remote->config.node_count; i++) {
		const struct dp_node_config *node = &remote->config.nodes[i];

		if (remote->seeds.seed_count < DP_CLIENT_SEEDS_MAX) {
			remote->seeds.seeds[remote->seeds.seed_count++] = (struct sockaddr_in){
				.sin_family = AF_INET,
				.sin_port = htons(node->host_port),
				.sin_addr.s_addr = htonl(node->host_ipv4),
			};
		}
		if (remote->disk == NULL && access(node->data, W_OK | X_OK) == 0)
			remote->disk = node->data;
	}
}

static bool find_nodes(struct remote *remote)
{
	const struct dp_bench_options *options = remote->run->options;

	remote->cluster = options->cluster;
	remote->disk = options->dir;
	remote->run->report.profile = "unknown";
	if (options->config != NULL) {
		if (!load_config(remote))
			return false;
		look_at_nodes(remote);
	}
	if (options->endpoints != NULL &&
	    dp_udp_resolve(&remote->seeds, options->endpoints) != QR_OK) {
		return fail(remote, options->endpoints,
			    "expected HOST:PORT,HOST:PORT,... with names that can be resolved");
	}
	return true;
}

/* ---- the loads ---- */

/** On loopback the larger the better; elsewhere what a frame carries. */
static uint32_t datagram_bytes(const struct remote *remote)
{
	for (uint32_t i = 0; i < remote->seeds.seed_count; i++) {
		if (ntohl(remote->seeds.seeds[i].sin_addr.s_addr) >> 24 != LOOPBACK)
			return REMOTE_DATAGRAM_BYTES;
	}
	return DP_HOST_DATAGRAM_MAX;
}

static uint32_t load_count(const struct dp_bench_options *options)
{
	uint32_t count =
		options->groups < DP_BENCH_LOADS_MAX ? options->groups : DP_BENCH_LOADS_MAX;
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && count > (uint32_t)CPU_COUNT(&cpus))
		count = (uint32_t)CPU_COUNT(&cpus);
	return count;
}

static bool start_loads(struct remote *remote)
{
	struct dp_bench_run *run = remote->run;
	uint32_t bytes = datagram_bytes(remote);
	struct dp_bench_load_config config = {
		.options = run->options,
		.log = run->options->log,
		.client = dp_client_config_default(),
		.window_bytes = WINDOW_BYTES,
	};

	config.client.cluster = wire_cluster_id(remote->cluster);
	config.client.datagram_max = bytes;
	config.client.seed_count = remote->seeds.seed_count;
	if (dp_bench_run_create_loads(run, load_count(run->options), &config, dp_udp_now()) !=
	    QR_OK)
		return fail(remote, "out of memory", "use fewer --groups or --sessions");
	for (uint32_t i = 0; i < run->load_count; i++) {
		enum qr_error error = dp_bench_socket_start(run->loads[i], &remote->seeds, bytes,
							    &remote->sockets[i]);

		if (error != QR_OK)
			return fail(remote, "no socket", qr_error_text(error));
	}
	return true;
}

static bool measure_device(struct remote *remote)
{
	struct dp_bench_report *report = &remote->run->report;

	if (remote->disk == NULL)
		return true;
	dp_bench_progress_say(&remote->run->progress, "measuring the disk");
	report->has_device = dp_bench_device_measure(remote->disk, remote->run->options->seconds,
						     &report->device, remote->problem) == QR_OK;
	return report->has_device;
}

bool dp_bench_remote_run(struct dp_bench_run *run, struct dp_bench_problem *ret_problem)
{
	static struct remote remote; /* large, and there is one */
	bool whole;

	remote = (struct remote){.run = run, .problem = ret_problem};
	whole = find_nodes(&remote) && measure_device(&remote) && start_loads(&remote) &&
		dp_bench_run_execute(run);
	for (uint32_t i = 0; i < DP_BENCH_LOADS_MAX; i++)
		dp_bench_socket_stop(remote.sockets[i]);
	dp_bench_run_destroy_loads(run);
	return whole;
}
