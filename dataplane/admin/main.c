/*
 * quorated: a configuration, a hosting process, and a main thread that waits for signals and for
 * administrators. It prints one "ready" line for each node when all logs are recovered.
 *
 * SIGTERM and SIGINT: leadership is handed over, writes finish, exit 0 within STOP_NS. A second one
 * ends it at once.
 */
#include "consensus/base/assert.h"
#include "dataplane/admin/commands.h"
#include "dataplane/admin/notify.h"
#include "dataplane/admin/options.h"
#include "dataplane/admin/telemetry.h"
#include "dataplane/lcore/observe.h"
#include "dataplane/lcore/plan.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define STOP_NS ((qr_ns)5000000000u)
#define STOP_STEP_NS ((qr_ns)50000000u)
#define RECOVERY_POLL_MS 5
#define PRINTED_MAX ((size_t)1 << 18)

struct daemon {
	struct dp_options options;
	struct dp_config config;
	struct dp_process *process;
	struct dp_command_server commands;
	const char *notify_socket;
	int signals;
	bool ready;
};

static enum dp_exit complain(const char *problem, enum qr_error error)
{
	(void)fprintf(stderr, "quorated: %s\n", problem);
	return qr_error_class(error) == QR_CLASS_CONFIG ? DP_EXIT_USAGE : DP_EXIT_FAILED;
}

/* ---- --check ---- */

static enum dp_exit check(const struct daemon *daemon)
{
	static struct dp_plan plan;
	static struct dp_budget budget;
	char *text = malloc(PRINTED_MAX);
	enum dp_exit result = DP_EXIT_OK;

	if (text == NULL)
		return complain("out of memory", QR_NO_MEMORY);
	(void)dp_config_print(&daemon->config, text, PRINTED_MAX);
	(void)fputs(text, stdout);
	dp_plan_init(&plan, &daemon->config, daemon->options.nodes, 0);
	if (dp_plan_budget(&plan, &budget) == QR_OK) {
		(void)dp_budget_print(&budget, text, PRINTED_MAX);
		(void)printf("\n; memory of this process, link %s\n%s", dp_link_name(plan.link),
			     text);
	} else {
		result = complain("out of memory", QR_NO_MEMORY);
	}
	free(text);
	return result;
}

/* ---- signals ---- */

/** Before any thread is there, so that all of them inherit the mask. */
static bool take_signals(struct daemon *daemon)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)signal(SIGPIPE, SIG_IGN);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return false;
	daemon->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return daemon->signals >= 0;
}

static bool was_signalled(const struct daemon *daemon)
{
	struct signalfd_siginfo info;

	return read(daemon->signals, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

/* ---- running ---- */

static void announce(struct daemon *daemon)
{
	qr_nodes nodes = daemon->options.nodes;

	if (daemon->ready || !dp_process_is_recovered(daemon->process))
		return;
	daemon->ready = true;
	while (nodes != 0) {
		const struct dp_node_config *node =
			dp_config_node(&daemon->config, qr_nodes_take(&nodes));
		uint32_t ipv4 = node->host_ipv4;

		(void)printf("quorated: node %u ready, clients at %u.%u.%u.%u:%u%s\n", node->node,
			     ipv4 >> 24, ipv4 >> 16 & 255, ipv4 >> 8 & 255, ipv4 & 255,
			     node->host_port, daemon->config.direct_io ? "" : ", DIRECT I/O OFF");
	}
	(void)fflush(stdout);
	dp_notify(daemon->notify_socket, "READY=1");
}

/** Serve until a signal comes. */
static void run(struct daemon *daemon)
{
	for (;;) {
		struct pollfd polled[2 + DP_COMMAND_CLIENTS_MAX];
		int fds[1 + DP_COMMAND_CLIENTS_MAX];
		unsigned count = dp_command_descriptors(&daemon->commands, fds);
		int timeout_ms;

		announce(daemon);
		timeout_ms = daemon->ready ? -1 : RECOVERY_POLL_MS;
		for (unsigned i = 0; i < count; i++)
			polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
		polled[count] = (struct pollfd){.fd = daemon->signals, .events = POLLIN};
		if (poll(polled, count + 1, timeout_ms) <= 0)
			continue;
		for (unsigned i = 0; i < count; i++) {
			if (polled[i].revents != 0)
				dp_command_serve(&daemon->commands, fds[i]);
		}
		if (was_signalled(daemon))
			return;
	}
}

static enum dp_exit stop(struct daemon *daemon)
{
	qr_ns until = dp_clock_now() + STOP_NS;

	dp_notify(daemon->notify_socket, "STOPPING=1");
	dp_process_request_stop(daemon->process);
	while (!dp_process_has_ended(daemon->process, STOP_STEP_NS)) {
		if (was_signalled(daemon))
			until = 0;
		if (dp_clock_now() < until)
			continue;
		if (dp_process_join(daemon->process, 0) != QR_OK) {
			return complain("did not stop in time: what was not acknowledged may be "
					"lost, nothing else",
					QR_TIMED_OUT);
		}
	}
	(void)printf("quorated: stopped\n");
	return DP_EXIT_OK;
}

static enum dp_exit serve(struct daemon *daemon)
{
	struct dp_process_options options = {.config = &daemon->config,
					     .nodes = daemon->options.nodes};
	struct dp_problem problem = {""};
	enum dp_exit result;
	enum qr_error error;

	if (!take_signals(daemon))
		return complain("signals cannot be taken", QR_IO);
	error = dp_process_create(&options, &daemon->process, &problem);
	if (error != QR_OK)
		return complain(problem.text, error);
	error = dp_command_open(&daemon->commands, daemon->process, daemon->options.nodes,
				daemon->config.run_dir, &problem);
	if (error == QR_OK)
		error = dp_process_start(daemon->process, &problem);
	if (error != QR_OK) {
		result = complain(problem.text, error);
	} else {
		/* Without telemetry everything works: DPDK has said why it is not there. */
		(void)!dp_telemetry_register(daemon->process);
		run(daemon);
		result = stop(daemon);
		dp_telemetry_forget();
	}
	dp_command_close(&daemon->commands);
	dp_process_destroy(daemon->process);
	return result;
}

int main(int argc, char **argv)
{
	static struct daemon daemon;
	struct dp_config_problem problem = {""};
	enum qr_error error;

	dp_options_parse(argc, argv, &daemon.options);
	if (daemon.options.version) {
		(void)printf("quorated %s\n", QUORATE_VERSION);
		return DP_EXIT_OK;
	}
	error = dp_options_load(&daemon.options, &daemon.config, &problem);
	if (error != QR_OK) {
		(void)fprintf(stderr, "quorated: %s\n", problem.text);
		return DP_EXIT_USAGE;
	}
	if (daemon.options.check)
		return (int)check(&daemon);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
	daemon.notify_socket = getenv("NOTIFY_SOCKET");
	return (int)serve(&daemon);
}
