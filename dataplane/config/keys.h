/*
 * The one table of keys. The file, the environment, --set, the printed configuration and the
 * reference page all come from it; a test holds docs/operations/configuration.md against it.
 */
#ifndef DP_CONFIG_KEYS_H
#define DP_CONFIG_KEYS_H

#include "dataplane/config/config.h"

enum dp_config_kind {
	DP_KIND_NAME,	  /* letters, digits, '.', '_', '-' */
	DP_KIND_PATH,	  /* a file name */
	DP_KIND_TEXT,	  /* anything without blanks */
	DP_KIND_WORD,	  /* one of `words` */
	DP_KIND_SWITCH,	  /* on, off */
	DP_KIND_NUMBER,	  /* min..max */
	DP_KIND_SIZE,	  /* bytes with suffix K, M, G, T; min..max, a multiple of `multiple` */
	DP_KIND_DURATION, /* with suffix s, m, h, d, or 0; ns in the field, up to max */
	DP_KIND_CPUS,	  /* such as 2,3 or 2-5 */
	DP_KIND_IPV4,	  /* A.B.C.D */
	DP_KIND_ENDPOINT, /* A.B.C.D:PORT */
	DP_KIND_NETWORK,  /* A.B.C.D/BITS */
	DP_KIND_NODES,	  /* such as 1,2,3 */
};

/** What a key's field is part of. */
enum dp_config_scope { DP_SCOPE_PROCESS, DP_SCOPE_NODE, DP_SCOPE_LOG };

struct dp_config_field {
	uint32_t offset;
	uint32_t size_bytes; /* 0: there is none */
};

struct dp_config_key {
	const char *section; /* "node" stands for [node N], "log" for [log NAME] */
	const char *name;
	enum dp_config_scope scope;
	enum dp_config_kind kind;
	struct dp_config_field field;
	struct dp_config_field second; /* ENDPOINT: the port; NETWORK: the bits; else "is set" */
	uint64_t min;
	uint64_t max;
	uint64_t multiple;
	const char *const *words; /* ends with NULL; the value is the position */
	const char *fallback;	  /* as it would stand in the file; NULL: required, or `computed` */
	const char *computed;	  /* how the value comes about when none is given */
	const char *help;
};

#define DP_CONFIG_KEYS_MAX 64

/** The table; `ret_count` keys, those of a section next to each other. */
const struct dp_config_key *dp_config_keys(uint32_t *ret_count);
/** NULL when there is none. */
const struct dp_config_key *dp_config_key_find(const char *section, const char *name);
/** The known name with the smallest edit distance, at most 3 and less than its length; or NULL. */
const char *dp_config_key_nearest(const char *section, const char *name);
const char *dp_config_section_nearest(const char *section);

/**
 * Parse `text` into the key's field of `object` (the configuration, a node or a log).
 * Errors: QR_CONFIG  ret_problem says what is wrong and what is allowed; the field is untouched.
 */
QR_MUST_USE enum qr_error dp_config_value_parse(const struct dp_config_key *key, void *object,
						const char *text,
						struct dp_config_problem *ret_problem);
/** The field as it would stand in the file; an empty string when it is not set. */
void dp_config_value_format(const struct dp_config_key *key, const void *object, char *text,
			    size_t text_bytes);

/** Fill `problem` by a format. @return QR_CONFIG, so that a caller can return it. */
enum qr_error dp_config_complain(struct dp_config_problem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/** Put "WHERE: " in front of what is there. */
void dp_config_locate(struct dp_config_problem *problem, const char *where);

/** What a section stands for. */
struct dp_config_target {
	const char *section; /* as in the table */
	void *object;	     /* what its keys are fields of */
	uint32_t number;     /* process, then nodes, then logs: below DP_CONFIG_TARGETS_MAX */
};

#define DP_CONFIG_TARGETS_MAX (1 + DP_CONFIG_NODES_MAX + DP_CONFIG_LOGS_MAX)
#define DP_CONFIG_SECTION_MAX (WIRE_NAME_MAX + 8) /* "log " and a name */

/** A section's text, such as "node 1" (separator ' ') or "node.1" ('.'). Errors: QR_CONFIG. */
QR_MUST_USE enum qr_error dp_config_target_find(struct dp_config *config, const char *section,
						char separator, struct dp_config_target *ret_target,
						struct dp_config_problem *ret_problem);
QR_MUST_USE enum qr_error dp_config_target_key(const struct dp_config_target *target,
					       const char *name,
					       const struct dp_config_key **ret_key,
					       struct dp_config_problem *ret_problem);

/** The node, made with its defaults when it is new; NULL when there is no room. */
struct dp_node_config *dp_config_node_add(struct dp_config *config, qr_node node);
struct dp_log_config *dp_config_log_add(struct dp_config *config, const char *name);
/** A log's or cluster's name: 1..WIRE_NAME_MAX of letters, digits, '.', '_', '-', not '.' first. */
bool dp_config_name_is_valid(const char *name);
/** Bytes, with an optional suffix K, M, G or T. @return false: it is no size. */
QR_MUST_USE bool dp_config_size(const char *text, uint64_t *ret_bytes);
/** 1..QR_NODE_MAX in plain decimal; 0 when it is none. */
qr_node dp_config_node_number(const char *text);

#endif
