/*
 * The table of keys and how a name is looked up in it. Constant: no state.
 *
 * Adding a key is one row here, one field in config.h and one row in
 * docs/operations/configuration.md (a test fails without it).
 */
#include "dataplane/config/keys.h"

#include <string.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define TIB ((uint64_t)1 << 40)
#define DAY ((uint64_t)86400 * 1000000000)

#define DISTANCE_MAX 3	/* edits between a mistyped name and the one that was meant */
#define COMPARED_MAX 24 /* longer names are not guessed at */

static const char *const profile_words[] = {"dev", "lab", "bare-metal", NULL};
static const char *const idle_words[] = {"adaptive", "poll", NULL};
static const char *const link_words[] = {"ring", "memif", "af_packet", "af_xdp", "pci", NULL};
static const char *const durability_words[] = {"quorum", "memory", NULL};

_Static_assert(DP_PROFILE_BARE_METAL == 2 && DP_IDLE_POLL == 1 && DP_LINK_PCI == 4 &&
		       WIRE_DURABLE_MEMORY == 1,
	       "words stand in the order of their enumerations");

#define FIELD(type, member)                                                                        \
	{                                                                                          \
		offsetof(struct type, member), sizeof(((struct type *)NULL)->member)               \
	}
#define PROCESS(section_name, key_name, kind_name, member)                                         \
	.section = (section_name), .name = (key_name), .scope = DP_SCOPE_PROCESS,                  \
	.kind = DP_KIND_##kind_name, .field = FIELD(dp_config, member)
#define NODE(key_name, kind_name, member)                                                          \
	.section = "node", .name = (key_name), .scope = DP_SCOPE_NODE,                             \
	.kind = DP_KIND_##kind_name, .field = FIELD(dp_node_config, member)
#define LOG(key_name, kind_name, member)                                                           \
	.section = "log", .name = (key_name), .scope = DP_SCOPE_LOG, .kind = DP_KIND_##kind_name,  \
	.field = FIELD(dp_log_config, member)

static const struct dp_config_key keys[] = {
	{PROCESS("cluster", "name", NAME, cluster), .fallback = "quorate",
	 .help = "the cluster's name; datagrams and data directories of another one are refused"},
	{PROCESS("cluster", "profile", WORD, profile), .words = profile_words, .fallback = "dev",
	 .help = "dev: no privileges, processes of one machine; lab: a kernel interface; "
		 "bare-metal: a NIC of its own"},

	{PROCESS("dataplane", "idle", WORD, idle), .second = FIELD(dp_config, idle_is_set),
	 .words = idle_words, .computed = "adaptive in dev and lab, poll in bare-metal",
	 .help = "what a core with nothing to do does: sleep with a bound, or keep polling"},
	{PROCESS("dataplane", "link", WORD, link), .second = FIELD(dp_config, link_is_set),
	 .words = link_words,
	 .computed = "dev: ring when one process hosts all nodes, else memif; lab: af_packet; "
		     "bare-metal: pci",
	 .help = "what carries datagrams between nodes"},
	{PROCESS("dataplane", "cores", NUMBER, cores), .min = 1, .max = 16, .fallback = "1",
	 .help = "replication cores of a node; a group runs on core (group modulo cores)"},
	{PROCESS("dataplane", "lcores", NUMBER, lcores), .max = 64, .fallback = "0",
	 .help = "polling threads of the process; 0: one for each replication core hosted"},
	{PROCESS("dataplane", "lcore_list", CPUS, lcore_list), .fallback = "",
	 .help = "CPUs that the polling threads are pinned to, in order; empty: not pinned"},
	{PROCESS("dataplane", "peer_port", NUMBER, peer_port), .min = 1024, .max = 65000,
	 .fallback = "7000", .help = "UDP port of core 0 between nodes; core c is at this + c"},
	{PROCESS("dataplane", "run_dir", PATH, run_dir),
	 .computed = "dev: /tmp/quorate-UID/CLUSTER; else /run/quorate/CLUSTER",
	 .help = "directory of the sockets: memif, telemetry, administration"},
	{PROCESS("dataplane", "datagram_max", SIZE, datagram_max_bytes), .min = 0, .max = 16384,
	 .multiple = 1,
	 .computed = "16384 on rings, 8192 on memif, what the MTU allows on a device",
	 .help = "bytes of the largest datagram between nodes, UDP payload; from 1280"},
	{PROCESS("dataplane", "election_timeout_ms", NUMBER, election_timeout_ms), .min = 0,
	 .max = 60000, .computed = "150 in dev, 50 in lab, 10 in bare-metal",
	 .help = "milliseconds without a leader before an election"},
	{PROCESS("dataplane", "heartbeat_ms", NUMBER, heartbeat_ms), .min = 0, .max = 20000,
	 .computed = "a fifth of election_timeout_ms",
	 .help = "milliseconds between heartbeats; at most a third of election_timeout_ms"},

	{PROCESS("storage", "direct_io", SWITCH, direct_io), .fallback = "on",
	 .help = "off: through the page cache, for file systems without O_DIRECT; durable, slower"},
	{PROCESS("storage", "segment", SIZE, segment_bytes), .min = MIB, .max = 4 * GIB,
	 .multiple = QR_BLOCK_BYTES, .fallback = "64M",
	 .help = "bytes of a segment file; whole strides"},
	{PROCESS("storage", "stride", SIZE, stride_bytes), .min = 64 * KIB, .max = GIB,
	 .multiple = QR_BLOCK_BYTES, .fallback = "8M",
	 .help = "no entry crosses a multiple of this; holds entry_max + record_max + 8K"},
	{PROCESS("storage", "window", SIZE, window_bytes), .min = 128 * KIB, .max = 4 * GIB,
	 .multiple = QR_BLOCK_BYTES, .fallback = "16M",
	 .help = "memory of a group's log window; at least two whole strides"},
	{PROCESS("storage", "segments_ahead", NUMBER, segments_ahead), .min = 1, .max = 64,
	 .fallback = "4", .help = "segments kept ready, written and durable, in front of the tail"},
	{PROCESS("storage", "write_depth", NUMBER, write_depth), .min = 1, .max = 32,
	 .fallback = "4", .help = "disk writes in flight of a group"},
	{PROCESS("storage", "write_max", SIZE, write_max_bytes), .min = QR_BLOCK_BYTES,
	 .max = 64 * MIB, .multiple = QR_BLOCK_BYTES, .fallback = "1M",
	 .help = "bytes up to which neighbouring entries become one write"},
	{PROCESS("storage", "entry_max", SIZE, entry_max_bytes), .min = QR_BLOCK_BYTES,
	 .max = 64 * MIB, .multiple = 1, .fallback = "1M",
	 .help = "bytes at which an entry closes"},
	{PROCESS("storage", "record_max", SIZE, record_max_bytes), .min = 64, .max = 64 * MIB,
	 .multiple = 1, .fallback = "1M", .help = "bytes of the largest record"},
	{PROCESS("storage", "sessions", NUMBER, sessions_max), .min = 16, .max = 65536,
	 .fallback = "4096",
	 .help = "producers' sessions of a group; the oldest idle one is expired for a new one"},
	{PROCESS("storage", "snapshot", SIZE, snapshot_bytes), .min = MIB, .max = 64 * GIB,
	 .multiple = QR_BLOCK_BYTES, .fallback = "128M",
	 .help = "of a group's log from one snapshot to the next; what a start reads, and what "
		 "retention gives up at a time"},
	{PROCESS("storage", "fill", SIZE, fill_bytes), .min = 0, .max = 4 * GIB, .multiple = 1,
	 .fallback = "128M",
	 .help = "bytes a second that a core gives to replicas that lag far behind, beside what "
		 "their logs grow by; 0: no bound"},
	{PROCESS("storage", "scrub", SIZE, scrub_bytes), .min = 0, .max = GIB, .multiple = 1,
	 .fallback = "8M",
	 .help = "bytes a second of each core's logs that are read to find damage; 0: none"},

	{NODE("data", PATH, data), .fallback = NULL, .help = "the node's data directory"},
	{NODE("host", ENDPOINT, host_ipv4), .second = FIELD(dp_node_config, host_port),
	 .computed = "127.0.0.1, port 7000 + 100 * N",
	 .help = "address and port for clients (kernel UDP); core c is at the port + c"},
	{NODE("device", TEXT, device), .fallback = "",
	 .help = "lab: the interface's name; bare-metal: the PCI address, as 0000:3b:00.0"},
	{NODE("address", NETWORK, ipv4), .second = FIELD(dp_node_config, prefix_bits),
	 .fallback = "", .help = "IPv4 address and network on the device, as 10.0.0.1/24"},
	{NODE("gateway", IPV4, gateway), .fallback = "",
	 .help = "router on that network; empty: every address is on the link"},
	{NODE("vlan", NUMBER, vlan), .max = 4094, .fallback = "0",
	 .help = "VLAN tag on the device; 0: untagged"},
	{NODE("priority", NUMBER, priority), .max = 100, .fallback = "50",
	 .help = "of this node for leading, 0..100; higher ones stand for election earlier"},

	{LOG("partitions", NUMBER, partitions), .min = 1, .max = 1024, .fallback = "1",
	 .help = "partitions; each is one consensus group with its own order"},
	{LOG("replicas", NODES, replicas), .computed = "all nodes, seven at most",
	 .help = "nodes that hold the log"},
	{LOG("durability", WORD, durability), .words = durability_words, .fallback = "quorum",
	 .help = "quorum: acknowledged when on the disks of a majority; memory: for comparison "
		 "only"},
	{LOG("retention_bytes", SIZE, retention_bytes), .min = 0, .max = 1024 * TIB, .multiple = 1,
	 .fallback = "0",
	 .help = "what lies further back in a partition's log than this is given up; 0: nothing "
		 "is, for its size"},
	{LOG("retention_age", DURATION, retention_ns), .max = 36500 * DAY, .fallback = "0",
	 .help = "what is older than this is given up; 0: nothing is, for its age"},
};

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

_Static_assert(KEY_COUNT <= DP_CONFIG_KEYS_MAX, "a set of keys is one word of bits");

const struct dp_config_key *dp_config_keys(uint32_t *ret_count)
{
	*ret_count = (uint32_t)KEY_COUNT;
	return keys;
}

const struct dp_config_key *dp_config_key_find(const char *section, const char *name)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/** Levenshtein's distance, one row at a time; names longer than COMPARED_MAX are far apart. */
static unsigned distance(const char *a, const char *b)
{
	size_t a_length = strlen(a);
	size_t b_length = strlen(b);
	unsigned row[COMPARED_MAX + 1];

	if (a_length > COMPARED_MAX || b_length > COMPARED_MAX)
		return COMPARED_MAX;
	for (unsigned j = 0; j <= b_length; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_length; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b_length; j++) {
			unsigned substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);

			diagonal = row[j];
			row[j] = least(substituted, row[j] + 1, row[j - 1] + 1);
		}
	}
	return row[b_length];
}

static bool is_nearer(const char *candidate, const char *name, unsigned *best)
{
	unsigned edits = distance(candidate, name);

	if (edits > DISTANCE_MAX || edits >= strlen(candidate) || edits >= *best)
		return false;
	*best = edits;
	return true;
}

const char *dp_config_key_nearest(const char *section, const char *name)
{
	const char *nearest = NULL;
	unsigned best = COMPARED_MAX;

	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].section, section) == 0 && is_nearer(keys[i].name, name, &best))
			nearest = keys[i].name;
	}
	return nearest;
}

const char *dp_config_section_nearest(const char *section)
{
	const char *nearest = NULL;
	unsigned best = COMPARED_MAX;

	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (is_nearer(keys[i].section, section, &best))
			nearest = keys[i].section;
	}
	return nearest;
}
