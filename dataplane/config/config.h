/*
 * The configuration: one INI file, shared by quorated and the CLI. Flag over environment over file.
 * An unknown key or a bad value is an error that names the file, the line, the cause and the mend.
 *
 * Reference with every key, its unit and default: docs/operations/configuration.md.
 */
#ifndef DP_CONFIG_CONFIG_H
#define DP_CONFIG_CONFIG_H

#include "consensus/base/error.h"
#include "consensus/base/types.h"
#include "consensus/wire/client.h"

#define DP_CONFIG_NODES_MAX 16
#define DP_CONFIG_LOGS_MAX 256
#define DP_CONFIG_PATH_MAX 256
#define DP_CONFIG_DIRECTORY_MAX 184 /* as a value: a line of the file, of 198 bytes, holds it */
#define DP_CONFIG_VOTERS_MAX 7 /* of a log; dataplane/lcore holds it against consensus' bound */

enum dp_profile { DP_PROFILE_DEV, DP_PROFILE_LAB, DP_PROFILE_BARE_METAL };
enum dp_idle { DP_IDLE_ADAPTIVE, DP_IDLE_POLL };
enum dp_link {
	DP_LINK_RING,	   /* nodes of one process */
	DP_LINK_MEMIF,	   /* processes of one machine */
	DP_LINK_AF_PACKET, /* a kernel interface */
	DP_LINK_AF_XDP,
	DP_LINK_PCI, /* a NIC on vfio-pci */
};

/** [node N] */
struct dp_node_config {
	bool lost_data; /* of a start, not of the file: its directory held more once */
	qr_node node;
	char data[DP_CONFIG_DIRECTORY_MAX]; /* data directory */
	uint32_t host_ipv4; /* host = ADDRESS:PORT, for clients; core c at PORT + c */
	uint16_t host_port;
	char device[64]; /* lab: interface name; bare-metal: PCI address */
	uint32_t ipv4;	 /* address = A.B.C.D/BITS on that device */
	uint8_t prefix_bits;
	uint32_t gateway;
	uint16_t vlan;
	uint8_t priority; /* for leading, 0..100 */
};

/** [log NAME] */
struct dp_log_config {
	char name[WIRE_NAME_MAX + 1];
	uint32_t partitions;
	qr_nodes replicas;
	enum wire_durability durability;
	uint64_t retention_bytes; /* what is kept at least; 0: no bound */
	uint64_t retention_ns;	  /* likewise by age; with neither everything is kept */
	qr_group first_group;	  /* assigned in the order of the file, from 1 */
};

struct dp_config {
	/* [cluster] */
	char cluster[WIRE_NAME_MAX + 1];
	enum dp_profile profile;

	/* [dataplane] */
	enum dp_idle idle;
	bool idle_is_set;  /* else the profile's default */
	enum dp_link link; /* within `profile` */
	bool link_is_set;
	uint8_t cores;	     /* replication cores per node, 1..16 */
	uint8_t lcores;	     /* threads of the process; 0: cores x nodes hosted here */
	char lcore_list[64]; /* CPUs to pin to, such as 2,3; empty: not pinned (dev) */
	uint16_t peer_port;  /* UDP base between nodes */
	char run_dir[DP_CONFIG_DIRECTORY_MAX]; /* sockets: memif, telemetry, admin */
	uint32_t datagram_max_bytes;	       /* 0: by link */
	uint32_t election_timeout_ms;
	uint32_t heartbeat_ms;

	/* [storage] */
	bool direct_io;
	uint64_t segment_bytes;
	uint64_t stride_bytes;
	uint64_t window_bytes;
	uint32_t segments_ahead;
	uint32_t write_depth;
	uint32_t write_max_bytes;
	uint32_t entry_max_bytes;
	uint32_t record_max_bytes;
	uint32_t sessions_max;
	uint64_t snapshot_bytes;
	uint64_t fill_bytes;  /* a second */
	uint32_t scrub_bytes; /* a second */

	uint32_t node_count;
	struct dp_node_config nodes[DP_CONFIG_NODES_MAX];
	uint32_t log_count;
	struct dp_log_config logs[DP_CONFIG_LOGS_MAX];

	char source[DP_CONFIG_PATH_MAX]; /* the file it came from */
};

struct dp_config_problem {
	char text[512]; /* "quorate.ini:12: unknown key 'segmnt': did you mean 'segment'?" */
};

void dp_config_defaults(struct dp_config *config);
/** Read a file over what is there. Errors: QR_NOT_FOUND, QR_CONFIG. */
QR_MUST_USE enum qr_error dp_config_load(struct dp_config *config, const char *path,
					 struct dp_config_problem *ret_problem);
/** Parse INI text: what dp_config_load does with a file's content; `name` stands in errors. */
QR_MUST_USE enum qr_error dp_config_parse(struct dp_config *config, const char *text,
					  const char *name, struct dp_config_problem *ret_problem);
/** One setting, as "section.key" = value: flags and environment (QUORATE_SECTION_KEY). */
QR_MUST_USE enum qr_error dp_config_set(struct dp_config *config, const char *key,
					const char *value, struct dp_config_problem *ret_problem);
/** Apply the environment. */
QR_MUST_USE enum qr_error dp_config_environment(struct dp_config *config,
						struct dp_config_problem *ret_problem);
/** Check everything that needs more than one key, and fill what profiles decide. */
QR_MUST_USE enum qr_error dp_config_finish(struct dp_config *config,
					   struct dp_config_problem *ret_problem);
/** Where to look when no --config is given: ./quorate.ini, then /etc/quorate/quorate.ini; NULL. */
const char *dp_config_find(void);

/** NULL when there is no such node. */
const struct dp_node_config *dp_config_node(const struct dp_config *config, qr_node node);

/** The link when a process hosts `hosted`: rings, unless configured, when these are all nodes. */
enum dp_link dp_config_link(const struct dp_config *config, qr_nodes hosted);

const char *dp_profile_name(enum dp_profile profile);
const char *dp_link_name(enum dp_link link);
const char *dp_idle_name(enum dp_idle idle);

/** The effective configuration as a file that says the same. @return bytes needed without the 0. */
size_t dp_config_print(const struct dp_config *config, char *text, size_t text_bytes);

#endif
