/* The command line of quorated. Owns no state; argp prints and exits where people expect it to. */
#include "dataplane/admin/options.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_key {
	OPTION_PROFILE = 256,
	OPTION_SET,
	OPTION_CHECK,
	OPTION_DIRECT_IO,
	OPTION_DATA,
	OPTION_LOST_DATA
};

static const struct argp_option descriptions[] = {
	{"config", 'c', "FILE", 0,
	 "Configuration; without it ./quorate.ini, then /etc/quorate/quorate.ini", 0},
	{"node", 'n', "N", 0, "Host this node; can be given several times", 0},
	{"profile", OPTION_PROFILE, "NAME", 0, "dev, lab or bare-metal", 0},
	{"set", OPTION_SET, "SECTION.KEY=VALUE", 0,
	 "Override a setting, as storage.segment=32M or node.1.data=/srv/1", 0},
	{"data", OPTION_DATA, "DIRECTORY", 0, "Data directory, with exactly one --node", 0},
	{"lost-data", OPTION_LOST_DATA, NULL, 0,
	 "The node's disk was replaced: it counts for nothing until all others have filled it. "
	 "Until it is ready once; with exactly one --node",
	 0},
	{"direct-io", OPTION_DIRECT_IO, "on|off", 0,
	 "off: for file systems without O_DIRECT; shown in every banner", 0},
	{"check", OPTION_CHECK, NULL, 0,
	 "Check the configuration, print it as it would take effect and the memory it needs", 0},
	{"version", 'V', NULL, 0, "Print the version", 0},
	{0},
};

/* NOLINTBEGIN(concurrency-mt-unsafe): argp_error exits; there is one thread yet */

static void add_setting(struct argp_state *state, const char *key, size_t key_bytes,
			const char *value)
{
	struct dp_options *options = state->input;

	if (options->setting_count == DP_SETTINGS_MAX)
		argp_error(state, "more than %d settings: put them into the file", DP_SETTINGS_MAX);
	if (key_bytes >= sizeof(options->settings[0].key))
		argp_error(state, "the name of a setting is too long");
	memcpy(options->settings[options->setting_count].key, key, key_bytes);
	options->settings[options->setting_count].key[key_bytes] = '\0';
	options->settings[options->setting_count++].value = value;
}

static void add_node(struct argp_state *state, const char *text)
{
	struct dp_options *options = state->input;
	char *end;
	unsigned long node = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || node < 1 || node > QR_NODE_MAX)
		argp_error(state, "--node %s is not a number from 1 to %d", text, QR_NODE_MAX);
	options->nodes |= qr_nodes_of((qr_node)node);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct dp_options *options = state->input;
	const char *equals;

	switch (key) {
	case 'c':
		options->config = argument;
		return 0;
	case 'n':
		add_node(state, argument);
		return 0;
	case 'V':
		options->version = true;
		return 0;
	case OPTION_PROFILE:
		add_setting(state, "cluster.profile", strlen("cluster.profile"), argument);
		return 0;
	case OPTION_DIRECT_IO:
		add_setting(state, "storage.direct_io", strlen("storage.direct_io"), argument);
		return 0;
	case OPTION_SET:
		equals = strchr(argument, '=');
		if (equals == NULL) {
			argp_error(state, "--set %s has no '=': as storage.segment=32M", argument);
		} else {
			add_setting(state, argument, (size_t)(equals - argument), equals + 1);
		}
		return 0;
	case OPTION_DATA:
		options->data = argument;
		return 0;
	case OPTION_LOST_DATA:
		options->lost_data = true;
		return 0;
	case OPTION_CHECK:
		options->check = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not an option", argument);
		return 0;
	case ARGP_KEY_END:
		if (options->data != NULL && qr_nodes_count(options->nodes) != 1)
			argp_error(state, "--data needs exactly one --node");
		if (options->lost_data && qr_nodes_count(options->nodes) != 1)
			argp_error(state, "--lost-data needs exactly one --node");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void dp_options_parse(int argc, char **argv, struct dp_options *ret_options)
{
	static const struct argp argp = {
		.options = descriptions,
		.parser = parse_option,
		.doc = "The dataplane of Quorate: hosts nodes of a replicated, durable, ordered "
		       "log."
		       "\vExit status: 0 stopped in order, 1 failed, 2 usage or configuration.",
	};

	memset(ret_options, 0, sizeof(*ret_options));
	argp_err_exit_status = DP_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, ret_options) != 0)
		exit(DP_EXIT_USAGE);
}

/* NOLINTEND(concurrency-mt-unsafe) */

/* ---- the configuration ---- */

static enum qr_error apply_flags(const struct dp_options *options, struct dp_config *config,
				 struct dp_config_problem *problem)
{
	char key[32];
	qr_nodes nodes = options->nodes;
	enum qr_error error = QR_OK;

	for (uint32_t i = 0; i < options->setting_count && error == QR_OK; i++) {
		error = dp_config_set(config, options->settings[i].key, options->settings[i].value,
				      problem);
	}
	if (error != QR_OK || options->data == NULL)
		return error;
	(void)snprintf(key, sizeof(key), "node.%u.data", qr_nodes_take(&nodes));
	return dp_config_set(config, key, options->data, problem);
}

/** One node says that it has lost what it had. */
static void mark_lost(const struct dp_options *options, struct dp_config *config)
{
	for (uint32_t i = 0; i < config->node_count; i++) {
		struct dp_node_config *node = &config->nodes[i];

		node->lost_data = options->lost_data && qr_nodes_has(options->nodes, node->node);
	}
}

/** Fill in the nodes when no --node was given. */
static enum qr_error choose_nodes(struct dp_options *options, const struct dp_config *config,
				  struct dp_config_problem *problem)
{
	if (options->nodes == 0 && config->profile != DP_PROFILE_DEV && config->node_count > 1) {
		(void)snprintf(problem->text, sizeof(problem->text),
			       "the configuration has %u nodes: say which this machine hosts, with "
			       "--node N",
			       config->node_count);
		return QR_CONFIG;
	}
	if (options->nodes != 0)
		return QR_OK;
	for (uint32_t i = 0; i < config->node_count; i++)
		options->nodes |= qr_nodes_of(config->nodes[i].node);
	return QR_OK;
}

enum qr_error dp_options_load(struct dp_options *options, struct dp_config *ret_config,
			      struct dp_config_problem *ret_problem)
{
	const char *path = options->config != NULL ? options->config : dp_config_find();
	enum qr_error error;

	if (path == NULL) {
		(void)snprintf(
			ret_problem->text, sizeof(ret_problem->text),
			"no configuration: name one with --config; neither ./quorate.ini nor "
			"/etc/quorate/quorate.ini is there");
		return QR_NOT_FOUND;
	}
	dp_config_defaults(ret_config);
	error = dp_config_load(ret_config, path, ret_problem);
	if (error == QR_OK)
		error = dp_config_environment(ret_config, ret_problem);
	if (error == QR_OK)
		error = apply_flags(options, ret_config, ret_problem);
	if (error == QR_OK)
		error = dp_config_finish(ret_config, ret_problem);
	if (error == QR_OK)
		error = choose_nodes(options, ret_config, ret_problem);
	mark_lost(options, ret_config);
	return error;
}
