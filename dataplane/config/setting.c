/*
 * Settings by name: what a section stands for, one setting as a flag gives it, and the environment.
 * Owns no state.
 */
#include "dataplane/config/config.h"

#include "dataplane/config/keys.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- sections ---- */

static enum qr_error find_node(struct dp_config *config, const char *number,
			       struct dp_config_target *target, struct dp_config_problem *problem)
{
	qr_node node = dp_config_node_number(number);
	struct dp_node_config *found;

	if (node == 0) {
		return dp_config_complain(problem,
					  "node '%.40s' is not a number from 1 to %u, as in "
					  "[node 1]",
					  number, QR_NODE_MAX);
	}
	found = dp_config_node_add(config, node);
	if (found == NULL) {
		return dp_config_complain(problem, "more than %d nodes: remove some",
					  DP_CONFIG_NODES_MAX);
	}
	*target = (struct dp_config_target){"node", found, 1 + (uint32_t)(found - config->nodes)};
	return QR_OK;
}

static enum qr_error find_log(struct dp_config *config, const char *name,
			      struct dp_config_target *target, struct dp_config_problem *problem)
{
	struct dp_log_config *found;

	if (!dp_config_name_is_valid(name)) {
		return dp_config_complain(
			problem,
			"log '%.80s' is not a name: 1 to %u letters, digits, '.', "
			"'_', '-', not beginning with '.', as in [log orders]",
			name, WIRE_NAME_MAX);
	}
	found = dp_config_log_add(config, name);
	if (found == NULL) {
		return dp_config_complain(problem, "more than %d logs: remove some",
					  DP_CONFIG_LOGS_MAX);
	}
	*target = (struct dp_config_target){
		"log", found, 1 + DP_CONFIG_NODES_MAX + (uint32_t)(found - config->logs)};
	return QR_OK;
}

/** `section` is what stands in brackets, with one separator between kind and name. */
enum qr_error dp_config_target_find(struct dp_config *config, const char *section, char separator,
				    struct dp_config_target *target,
				    struct dp_config_problem *problem)
{
	const char *gap = strchr(section, separator);
	const char *nearest;
	uint32_t count;
	const struct dp_config_key *keys = dp_config_keys(&count);

	if (strncmp(section, "node", 4) == 0 && (section[4] == separator || section[4] == '\0'))
		return find_node(config, gap != NULL ? gap + 1 : "", target, problem);
	if (strncmp(section, "log", 3) == 0 && (section[3] == separator || section[3] == '\0'))
		return find_log(config, gap != NULL ? gap + 1 : "", target, problem);
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(keys[i].section, section) == 0) {
			*target = (struct dp_config_target){keys[i].section, config, 0};
			return QR_OK;
		}
	}
	nearest = dp_config_section_nearest(section);
	if (nearest != NULL) {
		return dp_config_complain(problem, "unknown section [%.60s]: did you mean [%s]?",
					  section, nearest);
	}
	return dp_config_complain(problem,
				  "unknown section [%.60s]: there are [cluster], [dataplane], "
				  "[storage], [node N] and [log NAME]",
				  section);
}

enum qr_error dp_config_target_key(const struct dp_config_target *target, const char *name,
				   const struct dp_config_key **ret_key,
				   struct dp_config_problem *problem)
{
	const struct dp_config_key *key = dp_config_key_find(target->section, name);
	const char *nearest = dp_config_key_nearest(target->section, name);

	if (key != NULL) {
		*ret_key = key;
		return QR_OK;
	}
	if (nearest != NULL) {
		return dp_config_complain(problem, "unknown key '%.60s': did you mean '%s'?", name,
					  nearest);
	}
	return dp_config_complain(problem,
				  "unknown key '%.60s' in [%s]: docs/operations/configuration.md "
				  "lists the keys",
				  name, target->section);
}

/* ---- one setting ---- */

enum qr_error dp_config_set(struct dp_config *config, const char *key, const char *value,
			    struct dp_config_problem *ret_problem)
{
	const char *dot = strrchr(key, '.');
	const struct dp_config_key *found = NULL;
	struct dp_config_target target = {NULL, NULL, 0};
	char section[DP_CONFIG_SECTION_MAX + 1];
	enum qr_error error;

	if (dot == NULL || (size_t)(dot - key) > DP_CONFIG_SECTION_MAX) {
		error = dp_config_complain(ret_problem,
					   "not of the form section.key, such as storage.segment, "
					   "node.1.data or log.orders.partitions");
		goto out;
	}
	memcpy(section, key, (size_t)(dot - key));
	section[dot - key] = '\0';
	error = dp_config_target_find(config, section, '.', &target, ret_problem);
	if (error == QR_OK)
		error = dp_config_target_key(&target, dot + 1, &found, ret_problem);
	if (error == QR_OK)
		error = dp_config_value_parse(found, target.object, value, ret_problem);
out:
	if (error != QR_OK)
		dp_config_locate(ret_problem, key);
	return error;
}

/* ---- the environment ---- */

#define ENVIRONMENT_PREFIX "QUORATE_"

static int upper(int c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 'A';
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

static char lower(char c)
{
	if (c < 'A' || c > 'Z')
		return c;
	return (char)((unsigned char)c | 0x20u); /* 'A' and 'a' differ by one bit */
}

/** Whether `variable` begins with `word` in capitals; moves behind it and the '_' that follows. */
static bool skip_word(const char **variable, const char *word)
{
	const char *at = *variable;

	for (; *word != '\0'; word++, at++) {
		if (*at != upper(*word))
			return false;
	}
	if (*at != '_')
		return false;
	*variable = at + 1;
	return true;
}

/** The log with the longest name that fits: one name can be the beginning of another. */
static bool log_section_of(const struct dp_config *config, const char **variable, char *section,
			   size_t section_bytes)
{
	const char *behind = NULL;

	for (uint32_t i = 0; i < config->log_count; i++) {
		const char *at = *variable;

		if (!skip_word(&at, config->logs[i].name) || (behind != NULL && at <= behind))
			continue;
		behind = at;
		if (snprintf(section, section_bytes, "log.%s.", config->logs[i].name) < 0)
			return false;
	}
	*variable = behind;
	return behind != NULL;
}

/** Writes "section." of the variable and moves behind it; false when it is none of ours. */
static bool section_of(const struct dp_config *config, const char **variable, char *section,
		       size_t section_bytes)
{
	static const char *const plain[] = {"cluster", "dataplane", "storage"};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (skip_word(variable, plain[i]))
			return snprintf(section, section_bytes, "%s.", plain[i]) > 0;
	}
	if (skip_word(variable, "node")) {
		size_t digits = strspn(*variable, "0123456789");

		if (snprintf(section, section_bytes, "node.%.*s.", (int)digits, *variable) < 0)
			return false;
		*variable += digits;
		*variable += **variable == '_' ? 1 : 0;
		return true;
	}
	return skip_word(variable, "log") &&
	       log_section_of(config, variable, section, section_bytes);
}

/** One variable without the prefix, as "STORAGE_SEGMENT=64M". */
static enum qr_error apply_variable(struct dp_config *config, const char *variable,
				    struct dp_config_problem *problem)
{
	char key[DP_CONFIG_SECTION_MAX + 64];
	const char *at = variable;
	const char *equals;
	size_t used;

	if (!section_of(config, &at, key, sizeof(key)))
		return QR_OK;
	equals = strchr(at, '=');
	used = strlen(key);
	if (equals == NULL || (size_t)(equals - at) >= sizeof(key) - used)
		return QR_OK;
	for (; at < equals; at++)
		key[used++] = lower(*at);
	key[used] = '\0';
	if (dp_config_set(config, key, equals + 1, problem) == QR_OK)
		return QR_OK;
	dp_config_locate(problem, "environment variable " ENVIRONMENT_PREFIX "*");
	return QR_CONFIG;
}

enum qr_error dp_config_environment(struct dp_config *config, struct dp_config_problem *ret_problem)
{
	size_t prefix = strlen(ENVIRONMENT_PREFIX);

	for (char **variable = environ; *variable != NULL; variable++) {
		if (strncmp(*variable, ENVIRONMENT_PREFIX, prefix) == 0 &&
		    apply_variable(config, *variable + prefix, ret_problem) != QR_OK)
			return QR_CONFIG;
	}
	return QR_OK;
}
