/*
 * What needs more than one key: what a profile decides, and whether the keys agree with each other.
 * Owns no state. Messages name the keys as they stand in the file, the cause and the mend.
 */
#include "dataplane/config/config.h"

#include "dataplane/config/keys.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KIB 1024u
#define MIB ((uint64_t)1 << 20)

#define VOTERS_MAX DP_CONFIG_VOTERS_MAX
#define GROUPS_MAX 4096u /* of all logs together */
#define RUN_DIR_MAX 64u	 /* a socket's path is 107 bytes, its name below the directory up to 40 */
#define ENTRY_SLACK (uint64_t)(8 * KIB) /* of a stride: headers and padding of an entry */

/* By profile: how long the links and the scheduler can keep a healthy node quiet. */
static const uint32_t election_timeouts_ms[] = {
	[DP_PROFILE_DEV] = 150, [DP_PROFILE_LAB] = 50, [DP_PROFILE_BARE_METAL] = 10};
static const enum dp_idle idles[] = {[DP_PROFILE_DEV] = DP_IDLE_ADAPTIVE,
				     [DP_PROFILE_LAB] = DP_IDLE_ADAPTIVE,
				     [DP_PROFILE_BARE_METAL] = DP_IDLE_POLL};
static const enum dp_link links[] = {[DP_PROFILE_DEV] = DP_LINK_MEMIF,
				     [DP_PROFILE_LAB] = DP_LINK_AF_PACKET,
				     [DP_PROFILE_BARE_METAL] = DP_LINK_PCI};

static qr_nodes all_nodes(const struct dp_config *config)
{
	qr_nodes all = 0;

	for (uint32_t i = 0; i < config->node_count; i++)
		all |= qr_nodes_of(config->nodes[i].node);
	return all;
}

enum dp_link dp_config_link(const struct dp_config *config, qr_nodes hosted)
{
	if (!config->link_is_set && config->profile == DP_PROFILE_DEV &&
	    hosted == all_nodes(config))
		return DP_LINK_RING;
	return config->link;
}

/* ---- what profiles decide ---- */

static void fill_nodes(struct dp_config *config)
{
	for (uint32_t i = 0; i < config->node_count; i++) {
		struct dp_node_config *node = &config->nodes[i];

		if (node->host_port != 0)
			continue;
		node->host_ipv4 = 0x7f000001;
		node->host_port = (uint16_t)(7000 + 100 * node->node);
	}
}

static void fill_logs(struct dp_config *config)
{
	qr_group next = 1; /* 0 is the control group */

	for (uint32_t i = 0; i < config->log_count; i++) {
		struct dp_log_config *log = &config->logs[i];

		if (log->replicas == 0)
			log->replicas = all_nodes(config);
		log->first_group = next;
		next += log->partitions;
	}
}

static void fill(struct dp_config *config)
{
	if (!config->idle_is_set)
		config->idle = idles[config->profile];
	if (!config->link_is_set)
		config->link = links[config->profile];
	if (config->election_timeout_ms == 0)
		config->election_timeout_ms = election_timeouts_ms[config->profile];
	if (config->heartbeat_ms == 0) {
		config->heartbeat_ms =
			config->election_timeout_ms < 10 ? 1 : config->election_timeout_ms / 5;
	}
	if (config->run_dir[0] == '\0' && config->profile == DP_PROFILE_DEV) {
		(void)snprintf(config->run_dir, sizeof(config->run_dir), "/tmp/quorate-%u/%s",
			       (unsigned)getuid(), config->cluster);
	} else if (config->run_dir[0] == '\0') {
		(void)snprintf(config->run_dir, sizeof(config->run_dir), "/run/quorate/%s",
			       config->cluster);
	}
	fill_nodes(config);
	fill_logs(config);
}

/* ---- [dataplane] ---- */

static enum qr_error check_times(const struct dp_config *config, struct dp_config_problem *problem)
{
	if (config->election_timeout_ms < 5) {
		return dp_config_complain(problem,
					  "[dataplane] election_timeout_ms = %u is too short: no "
					  "less than 5",
					  config->election_timeout_ms);
	}
	if (config->heartbeat_ms * 3 > config->election_timeout_ms) {
		return dp_config_complain(problem,
					  "[dataplane] heartbeat_ms = %u is more than a third of "
					  "election_timeout_ms = %u: use at most %u",
					  config->heartbeat_ms, config->election_timeout_ms,
					  config->election_timeout_ms / 3);
	}
	return QR_OK;
}

static enum qr_error check_link(const struct dp_config *config, struct dp_config_problem *problem)
{
	static const char *const allowed[] = {[DP_PROFILE_DEV] = "ring or memif",
					      [DP_PROFILE_LAB] = "af_packet or af_xdp",
					      [DP_PROFILE_BARE_METAL] = "pci"};
	bool is_local = config->link == DP_LINK_RING || config->link == DP_LINK_MEMIF;
	bool is_pci = config->link == DP_LINK_PCI;

	if (is_local != (config->profile == DP_PROFILE_DEV) ||
	    is_pci != (config->profile == DP_PROFILE_BARE_METAL)) {
		return dp_config_complain(
			problem,
			"[dataplane] link does not belong to the profile: it has %s there, or "
			"change [cluster] profile",
			allowed[config->profile]);
	}
	return QR_OK;
}

static enum qr_error check_dataplane(const struct dp_config *config,
				     struct dp_config_problem *problem)
{
	uint32_t datagram = config->datagram_max_bytes;

	if (check_link(config, problem) != QR_OK || check_times(config, problem) != QR_OK)
		return QR_CONFIG;
	if (datagram != 0 && datagram < WIRE_DATAGRAM_MIN) {
		return dp_config_complain(problem,
					  "[dataplane] datagram_max = %u is too small: from %u, or "
					  "leave it out",
					  datagram, WIRE_DATAGRAM_MIN);
	}
	if (strlen(config->run_dir) > RUN_DIR_MAX) {
		return dp_config_complain(problem,
					  "[dataplane] run_dir is longer than %u bytes, and a "
					  "socket's path has no room for more: use a shorter one",
					  RUN_DIR_MAX);
	}
	return QR_OK;
}

/* ---- [storage] ---- */

static enum qr_error check_storage(const struct dp_config *config,
				   struct dp_config_problem *problem)
{
	uint64_t least = (uint64_t)config->entry_max_bytes + config->record_max_bytes + ENTRY_SLACK;
	unsigned long long stride = config->stride_bytes;

	if (stride < least) {
		return dp_config_complain(
			problem,
			"[storage] stride = %lluK is too small: an entry can take entry_max + "
			"record_max + 8K = %lluK; enlarge stride or lower these",
			stride / KIB, (unsigned long long)((least + KIB - 1) / KIB));
	}
	if (config->segment_bytes % stride != 0) {
		return dp_config_complain(problem,
					  "[storage] segment = %lluK is not a whole number of "
					  "strides: use a multiple of stride = %lluK",
					  (unsigned long long)config->segment_bytes / KIB,
					  stride / KIB);
	}
	if (config->window_bytes % stride != 0 || config->window_bytes < 2 * stride) {
		return dp_config_complain(problem,
					  "[storage] window = %lluK is not a whole number of "
					  "strides, two at least: use a multiple of stride = %lluK",
					  (unsigned long long)config->window_bytes / KIB,
					  stride / KIB);
	}
	if (config->write_max_bytes > stride) {
		return dp_config_complain(problem,
					  "[storage] write_max = %uK is larger than stride = %lluK",
					  config->write_max_bytes / KIB, stride / KIB);
	}
	return QR_OK;
}

/* ---- [node N] ---- */

static bool ports_overlap(const struct dp_config *config, const struct dp_node_config *a,
			  const struct dp_node_config *b)
{
	return a->host_ipv4 == b->host_ipv4 && a->host_port < b->host_port + config->cores &&
	       b->host_port < a->host_port + config->cores;
}

/** Equal but for slashes at the end. */
static bool same_path(const char *a, const char *b)
{
	size_t a_length = strlen(a);
	size_t b_length = strlen(b);

	while (a_length > 1 && a[a_length - 1] == '/')
		a_length--;
	while (b_length > 1 && b[b_length - 1] == '/')
		b_length--;
	return a_length == b_length && memcmp(a, b, a_length) == 0;
}

static enum qr_error check_pair(const struct dp_config *config, const struct dp_node_config *a,
				const struct dp_node_config *b, struct dp_config_problem *problem)
{
	if (same_path(a->data, b->data)) {
		return dp_config_complain(problem,
					  "[node %u] and [node %u] have one data directory: give "
					  "each its own",
					  a->node, b->node);
	}
	if (ports_overlap(config, a, b)) {
		return dp_config_complain(
			problem,
			"[node %u] and [node %u]: host ports %u and %u overlap (each takes %u, one "
			"a core): move one",
			a->node, b->node, a->host_port, b->host_port, config->cores);
	}
	if (a->ipv4 != 0 && a->ipv4 == b->ipv4) {
		return dp_config_complain(problem, "[node %u] and [node %u] have one address",
					  a->node, b->node);
	}
	return QR_OK;
}

static enum qr_error check_device(const struct dp_config *config, const struct dp_node_config *node,
				  struct dp_config_problem *problem)
{
	uint32_t mask = node->prefix_bits == 0 ? 0 : UINT32_MAX << (32 - node->prefix_bits);

	if (config->profile == DP_PROFILE_DEV)
		return QR_OK;
	if (node->device[0] == '\0' || node->ipv4 == 0) {
		return dp_config_complain(
			problem,
			"[node %u] needs device and address in this profile: such as device = %s "
			"and address = 10.0.0.%u/24",
			node->node, config->profile == DP_PROFILE_LAB ? "eth1" : "0000:3b:00.0",
			node->node);
	}
	if (node->gateway != 0 && (node->gateway & mask) != (node->ipv4 & mask)) {
		return dp_config_complain(
			problem, "[node %u] gateway is outside the network of address", node->node);
	}
	return QR_OK;
}

static enum qr_error check_nodes(const struct dp_config *config, struct dp_config_problem *problem)
{
	if (config->node_count == 0) {
		return dp_config_complain(problem, "there is no node: add a section such as [node "
						   "1] with data = DIRECTORY");
	}
	for (uint32_t i = 0; i < config->node_count; i++) {
		const struct dp_node_config *node = &config->nodes[i];

		if (node->data[0] == '\0') {
			return dp_config_complain(problem, "[node %u] needs data = DIRECTORY",
						  node->node);
		}
		if (check_device(config, node, problem) != QR_OK)
			return QR_CONFIG;
		for (uint32_t j = 0; j < i; j++) {
			if (check_pair(config, &config->nodes[j], node, problem) != QR_OK)
				return QR_CONFIG;
		}
	}
	return QR_OK;
}

/* ---- [log NAME] ---- */

/** A log begins where a segment does and a snapshot is: so much from one place to the next. */
static uint64_t retention_step(const struct dp_config *config)
{
	uint64_t segments =
		(config->snapshot_bytes + config->segment_bytes - 1) / config->segment_bytes;

	return segments * config->segment_bytes;
}

static void format_of(const char *section, const char *key, const void *object, char text[24])
{
	dp_config_value_format(dp_config_key_find(section, key), object, text, 24);
}

static enum qr_error check_retention(const struct dp_config *config,
				     const struct dp_log_config *log,
				     struct dp_config_problem *problem)
{
	unsigned long long step_mib = (retention_step(config) + MIB - 1) / MIB;
	char segment[24];
	char snapshot[24];
	char given[24];

	if (log->retention_bytes == 0 && log->retention_ns == 0)
		return QR_OK;
	if (log->durability == WIRE_DURABLE_MEMORY) {
		return dp_config_complain(
			problem,
			"[log %s] %s does not go with durability = memory, which takes no "
			"snapshots that the log could begin at: remove it, or use durability = "
			"quorum",
			log->name, log->retention_bytes != 0 ? "retention_bytes" : "retention_age");
	}
	if (log->retention_bytes == 0 || log->retention_bytes >= retention_step(config))
		return QR_OK;
	format_of("storage", "segment", config, segment);
	format_of("storage", "snapshot", config, snapshot);
	format_of("log", "retention_bytes", log, given);
	return dp_config_complain(
		problem,
		"[log %s] retention_bytes = %s is too small: with segment = %s and snapshot = %s a "
		"log gives up %lluM at a time; use %lluM or more, or 0 to keep everything",
		log->name, given, segment, snapshot, step_mib, step_mib);
}

static enum qr_error check_log(const struct dp_config *config, const struct dp_log_config *log,
			       struct dp_config_problem *problem)
{
	qr_nodes unknown = log->replicas & ~all_nodes(config);

	if (unknown != 0) {
		return dp_config_complain(problem,
					  "[log %s] replicas names node %u, which has no section: "
					  "add it or remove the number",
					  log->name, qr_nodes_take(&unknown));
	}
	if (qr_nodes_count(log->replicas) > VOTERS_MAX) {
		return dp_config_complain(problem,
					  "[log %s] has %u replicas: name at most %u with replicas",
					  log->name, qr_nodes_count(log->replicas), VOTERS_MAX);
	}
	return check_retention(config, log, problem);
}

static enum qr_error check_logs(const struct dp_config *config, struct dp_config_problem *problem)
{
	uint64_t groups = 0;

	if (config->log_count == 0) {
		return dp_config_complain(problem,
					  "there is no log: add a section such as [log events]");
	}
	for (uint32_t i = 0; i < config->log_count; i++) {
		if (check_log(config, &config->logs[i], problem) != QR_OK)
			return QR_CONFIG;
		groups += config->logs[i].partitions;
	}
	if (groups > GROUPS_MAX) {
		return dp_config_complain(problem, "%llu partitions in all: at most %u",
					  (unsigned long long)groups, GROUPS_MAX);
	}
	return QR_OK;
}

enum qr_error dp_config_finish(struct dp_config *config, struct dp_config_problem *ret_problem)
{
	enum qr_error error;

	fill(config);
	error = check_dataplane(config, ret_problem);
	if (error == QR_OK)
		error = check_storage(config, ret_problem);
	if (error == QR_OK)
		error = check_nodes(config, ret_problem);
	if (error == QR_OK)
		error = check_logs(config, ret_problem);
	if (error != QR_OK && config->source[0] != '\0')
		dp_config_locate(ret_problem, config->source);
	return error;
}
