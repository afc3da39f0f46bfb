/*
 * The socket edge. A thread turns the load and the socket, and waits in the kernel for whichever
 * comes first: a datagram, a timer of the client, or the next record that is due.
 */
#include "dataplane/bench/socket.h"

#include "dataplane/lcore/host.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define WAIT_NS_MAX 1000000u  /* looks at the stop flag and the phases this often */
#define WAIT_NS_WORTH 20000u  /* a shorter wait costs more than polling on */
#define TIMER_SLACK_NS 1000ul /* instead of 50 us */

struct dp_bench_socket {
	struct dp_bench_load *load;
	struct dp_udp udp;
	pthread_t thread;
	bool running;
	bool stop; /* set by the main thread (relaxed) */
};

static qr_ns wait_for(const struct dp_bench_socket *edge)
{
	qr_ns due = dp_bench_load_next_due(edge->load);
	qr_ns now = dp_clock_now();
	qr_ns wait = due > now ? due - now : 0;

	if (wait < WAIT_NS_WORTH)
		return 0;
	return wait < WAIT_NS_MAX ? wait : WAIT_NS_MAX;
}

static void *run(void *context)
{
	struct dp_bench_socket *edge = context;

	(void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	while (!__atomic_load_n(&edge->stop, __ATOMIC_RELAXED)) {
		bool busy = dp_bench_load_turn(edge->load, dp_clock_now());

		if (dp_udp_turn(&edge->udp, busy ? 0 : wait_for(edge)) != QR_OK) {
			dp_bench_load_abandon(edge->load, "the socket is broken");
			break;
		}
	}
	return NULL;
}

enum qr_error dp_bench_socket_start(struct dp_bench_load *load, const struct dp_udp *seeds,
				    uint32_t datagram_max, struct dp_bench_socket **ret_socket)
{
	struct dp_bench_socket *edge = calloc(1, sizeof(*edge));
	enum qr_error error;

	if (edge == NULL)
		return QR_NO_MEMORY;
	edge->load = load;
	edge->udp.fd = -1;
	edge->udp.client = dp_bench_load_client(load);
	edge->udp.seed_count = seeds->seed_count;
	memcpy(edge->udp.seeds, seeds->seeds, sizeof(seeds->seeds));
	error = dp_udp_open(&edge->udp, datagram_max);
	if (error == QR_OK && pthread_create(&edge->thread, NULL, run, edge) != 0)
		error = QR_NO_MEMORY;
	if (error != QR_OK) {
		dp_bench_socket_stop(edge);
		return error;
	}
	edge->running = true;
	*ret_socket = edge;
	return QR_OK;
}

void dp_bench_socket_stop(struct dp_bench_socket *edge)
{
	if (edge == NULL)
		return;
	__atomic_store_n(&edge->stop, true, __ATOMIC_RELAXED);
	if (edge->running)
		(void)pthread_join(edge->thread, NULL);
	dp_udp_close(&edge->udp);
	free(edge);
}
