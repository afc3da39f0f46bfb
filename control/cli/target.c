/*
 * Resolving whom to talk to. Flag over environment over file; names of hosts go through the
 * resolver, addresses do not.
 */
#include "control/cli/target.h"
#include "control/cli/heap.h"
#include "control/cli/units.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

static const char *config_path(const struct ctl_options *options)
{
	const char *path = options->config;

	if (path == NULL)
		path = secure_getenv("QUORATE_CONFIG");
	if (path == NULL || path[0] == '\0')
		path = dp_config_find();
	return path;
}

struct dp_config *ctl_target_config(const struct ctl_options *options, bool needed,
				    enum ctl_exit *ret_exit)
{
	const char *path = config_path(options);
	struct dp_config_problem problem = {.text = ""};
	struct dp_config *config;
	enum qr_error error;

	*ret_exit = CTL_EXIT_OK;
	if (path == NULL) {
		if (!needed)
			return NULL;
		ctl_complain("no configuration: neither ./quorate.ini nor "
			     "/etc/quorate/quorate.ini is there; give --config FILE, or "
			     "--endpoints HOST:PORT with --cluster NAME");
		*ret_exit = CTL_EXIT_USAGE;
		return NULL;
	}
	config = ctl_heap_take(1, sizeof(*config));
	dp_config_defaults(config);
	error = dp_config_load(config, path, &problem);
	if (error == QR_OK)
		error = dp_config_environment(config, &problem);
	if (error == QR_OK)
		error = dp_config_finish(config, &problem);
	if (error == QR_OK)
		return config;
	free(config);
	*ret_exit = CTL_EXIT_USAGE;
	if (problem.text[0] != '\0') {
		ctl_complain("%s", problem.text);
	} else {
		ctl_complain("%s: %s", path, qr_error_text(error));
	}
	return NULL;
}

static enum qr_error resolve(const char *host, uint32_t *ret_ipv4)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;
	struct in_addr literal;
	struct sockaddr_in address;

	if (inet_pton(AF_INET, host, &literal) == 1) {
		*ret_ipv4 = ntohl(literal.s_addr);
		return QR_OK;
	}
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return QR_NOT_FOUND;
	memcpy(&address, found->ai_addr, sizeof(address));
	*ret_ipv4 = ntohl(address.sin_addr.s_addr);
	freeaddrinfo(found);
	return QR_OK;
}

static enum ctl_exit parse_endpoint(char *text, struct wire_endpoint *ret_endpoint)
{
	char *colon = strrchr(text, ':');
	uint64_t port;

	*ret_endpoint = (struct wire_endpoint){0};
	if (colon == NULL || colon == text ||
	    ctl_units_parse_u64(colon + 1, UINT16_MAX, &port) != QR_OK || port == 0) {
		ctl_complain("'%s' is no endpoint: give HOST:PORT, such as 127.0.0.1:7001", text);
		return CTL_EXIT_USAGE;
	}
	*colon = '\0';
	ret_endpoint->port = (uint16_t)port;
	if (resolve(text, &ret_endpoint->ipv4) == QR_OK)
		return CTL_EXIT_OK;
	ctl_complain("host '%s' is not known: check its spelling, or give its IPv4 address", text);
	return CTL_EXIT_FAILED;
}

static enum ctl_exit take_endpoints(struct ctl_target *target, const char *list)
{
	char *copy = strdup(list);
	char *rest = copy;
	char *word;
	enum ctl_exit result = CTL_EXIT_OK;

	if (copy == NULL)
		return CTL_EXIT_FAILED;
	target->node_count = 0;
	target->discovered = false;
	while (result == CTL_EXIT_OK && (word = strsep(&rest, ",")) != NULL) {
		if (target->node_count == CTL_TARGET_NODES_MAX) {
			ctl_complain("more than %u endpoints: some of them suffice",
				     CTL_TARGET_NODES_MAX);
			result = CTL_EXIT_USAGE;
		} else {
			result = parse_endpoint(word, &target->nodes[target->node_count++]);
		}
	}
	free(copy);
	return result;
}

static void take_config(struct ctl_target *target, const struct dp_config *config)
{
	(void)snprintf(target->cluster, sizeof(target->cluster), "%s", config->cluster);
	target->discovered = true;
	target->node_count = config->node_count;
	for (uint32_t i = 0; i < config->node_count; i++) {
		const struct dp_node_config *node = &config->nodes[i];

		target->nodes[i] = (struct wire_endpoint){
			.node = node->node,
			.cores = config->cores,
			.port = node->host_port,
			.ipv4 = node->host_ipv4,
		};
	}
}

enum ctl_exit ctl_target_init(struct ctl_target *ret_target, const struct ctl_options *options)
{
	enum ctl_exit result = CTL_EXIT_OK;

	*ret_target = (struct ctl_target){0};
	if (options->cluster != NULL && strlen(options->cluster) > WIRE_NAME_MAX) {
		ctl_complain("the name of a cluster has at most %d bytes", WIRE_NAME_MAX);
		return CTL_EXIT_USAGE;
	}
	if (options->endpoints == NULL || options->cluster == NULL) {
		ret_target->config =
			ctl_target_config(options, options->endpoints == NULL, &result);
		if (result != CTL_EXIT_OK)
			return result;
		if (ret_target->config == NULL) {
			ctl_complain("--endpoints needs the cluster's name: give --cluster NAME");
			return CTL_EXIT_USAGE;
		}
		take_config(ret_target, ret_target->config);
	}
	if (options->cluster != NULL) {
		(void)snprintf(ret_target->cluster, sizeof(ret_target->cluster), "%s",
			       options->cluster);
	}
	if (options->endpoints != NULL)
		result = take_endpoints(ret_target, options->endpoints);
	if (result != CTL_EXIT_OK)
		ctl_target_fini(ret_target);
	return result;
}

void ctl_target_fini(struct ctl_target *target)
{
	free(target->config);
	target->config = NULL;
}
