/*
 * The configuration as a value: defaults, nodes and logs by number and name, where the file is
 * looked for. Owns no state.
 */
#include "dataplane/config/config.h"

#include "consensus/base/assert.h"
#include "dataplane/config/keys.h"

#include <string.h>
#include <unistd.h>

/** Give every field of `scope` the value that its row of the table says. */
static void apply_fallbacks(enum dp_config_scope scope, void *object)
{
	uint32_t count;
	const struct dp_config_key *keys = dp_config_keys(&count);

	for (uint32_t i = 0; i < count; i++) {
		struct dp_config_problem problem;
		enum qr_error error;

		if (keys[i].scope != scope || keys[i].fallback == NULL)
			continue;
		error = dp_config_value_parse(&keys[i], object, keys[i].fallback, &problem);
		QR_ASSERT(error == QR_OK);
	}
}

void dp_config_defaults(struct dp_config *config)
{
	memset(config, 0, sizeof(*config));
	apply_fallbacks(DP_SCOPE_PROCESS, config);
}

struct dp_node_config *dp_config_node_add(struct dp_config *config, qr_node node)
{
	struct dp_node_config *added;

	for (uint32_t i = 0; i < config->node_count; i++) {
		if (config->nodes[i].node == node)
			return &config->nodes[i];
	}
	if (config->node_count == DP_CONFIG_NODES_MAX)
		return NULL;
	added = &config->nodes[config->node_count++];
	memset(added, 0, sizeof(*added));
	added->node = node;
	apply_fallbacks(DP_SCOPE_NODE, added);
	return added;
}

struct dp_log_config *dp_config_log_add(struct dp_config *config, const char *name)
{
	struct dp_log_config *added;

	QR_ASSERT(dp_config_name_is_valid(name));
	for (uint32_t i = 0; i < config->log_count; i++) {
		if (strcmp(config->logs[i].name, name) == 0)
			return &config->logs[i];
	}
	if (config->log_count == DP_CONFIG_LOGS_MAX)
		return NULL;
	added = &config->logs[config->log_count++];
	memset(added, 0, sizeof(*added));
	memcpy(added->name, name, strlen(name) + 1);
	apply_fallbacks(DP_SCOPE_LOG, added);
	return added;
}

const struct dp_node_config *dp_config_node(const struct dp_config *config, qr_node node)
{
	for (uint32_t i = 0; i < config->node_count; i++) {
		if (config->nodes[i].node == node)
			return &config->nodes[i];
	}
	return NULL;
}

const char *dp_config_find(void)
{
	static const char *const places[] = {"./quorate.ini", "/etc/quorate/quorate.ini"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (access(places[i], R_OK) == 0)
			return places[i];
	}
	return NULL;
}
