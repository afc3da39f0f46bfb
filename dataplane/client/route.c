/*
 * Steering. A hint of who leads is followed at once, but only so often without progress: two nodes
 * that name each other would be asked for ever. Who knows no leader is asked again later, with a
 * back-off that doubles and is jittered, so that clients do not march in step through an election.
 *
 * Pure. Nothing here can fail.
 */
#include "dataplane/client/internal.h"

#define REDIRECTS_MAX 3 /* hints followed at once */
#define TIMEOUTS_MAX 2	/* then another replica is asked */
#define RTO_INITIAL 8	/* times the smallest timer, before a round trip was seen */
#define LATER_MAX_US 1000000u
#define LATERS_MAX 7 /* doublings of what a busy node asks for */

static qr_ns rto_initial(const struct dp_client *client)
{
	return RTO_INITIAL * client->config.retransmit_min_ns;
}

void dp_route_init(const struct dp_client *client, struct dp_route *route, qr_group group,
		   qr_nodes replicas, qr_node first)
{
	QR_ASSERT(replicas != 0 && (replicas & 1) == 0);

	*route = (struct dp_route){
		.group = group,
		.replicas = replicas,
		.target = first,
		.backoff = client->config.backoff_min_ns,
		.rto = rto_initial(client),
	};
	if (first == 0 || !qr_nodes_has(replicas, first))
		route->target = qr_nodes_take(&replicas);
}

/** The timer that the round trips seen so far call for. */
static qr_ns rto_of(const struct dp_client *client, const struct dp_route *route)
{
	qr_ns rto = route->srtt == 0 ? rto_initial(client) : route->srtt + 4 * route->rttvar;

	if (rto < client->config.retransmit_min_ns)
		return client->config.retransmit_min_ns;
	return rto < client->config.retransmit_max_ns ? rto : client->config.retransmit_max_ns;
}

void dp_route_sample(const struct dp_client *client, struct dp_route *route, qr_ns rtt)
{
	qr_ns error = rtt > route->srtt ? rtt - route->srtt : route->srtt - rtt;

	if (route->srtt == 0) {
		route->srtt = rtt != 0 ? rtt : 1;
		route->rttvar = rtt / 2;
	} else {
		route->rttvar = (3 * route->rttvar + error) / 4;
		route->srtt = (7 * route->srtt + rtt) / 8;
	}
	route->rto = rto_of(client, route);
}

void dp_route_progress(const struct dp_client *client, struct dp_route *route)
{
	route->confirmed = true;
	route->redirects = 0;
	route->timeouts = 0;
	route->laters = 0;
	route->trouble = QR_OK;
	route->backoff = client->config.backoff_min_ns;
	route->rto = rto_of(client, route);
}

/** Long round trips to one node, through an outage perhaps, say nothing of another. */
static void aim(const struct dp_client *client, struct dp_route *route, qr_node target)
{
	if (target != route->target && rto_of(client, route) > rto_initial(client)) {
		route->srtt = 0;
		route->rttvar = 0;
	}
	route->target = target;
	route->confirmed = false;
	route->timeouts = 0;
	route->laters = 0;
	route->timer_at = 0;
	route->rto = rto_of(client, route);
}

static qr_node next_replica(const struct dp_route *route)
{
	qr_nodes above = route->replicas & ~((qr_nodes_of(route->target) << 1) - 1);
	qr_nodes from = above != 0 ? above : route->replicas;

	return qr_nodes_take(&from);
}

/** Half to whole of the back-off from now; then it doubles. */
static void back_off(struct dp_client *client, struct dp_route *route, qr_ns now_ns)
{
	qr_ns half = route->backoff / 2;

	route->hold_until = now_ns + half + qr_prng_below(&client->prng, half + 1);
	route->backoff *= 2;
	if (route->backoff > client->config.backoff_max_ns)
		route->backoff = client->config.backoff_max_ns;
}

void dp_route_timeout(struct dp_client *client, struct dp_route *route, qr_ns now_ns)
{
	client->stats.timeouts++;
	route->timer_at = 0;
	route->confirmed = false;
	route->rto *= 2;
	if (route->rto > client->config.retransmit_max_ns)
		route->rto = client->config.retransmit_max_ns;
	if (++route->timeouts < TIMEOUTS_MAX)
		return;
	route->redirects = 0;
	if (route->trouble == QR_OK || route->trouble == QR_BUSY)
		route->trouble = QR_TIMED_OUT;
	aim(client, route, next_replica(route));
	back_off(client, route, now_ns);
}

bool dp_route_not_leader(struct dp_client *client, struct dp_route *route, qr_node from,
			 qr_node leader, qr_ns now_ns)
{
	if (from != route->target)
		return false;
	client->stats.redirects++;
	route->trouble = QR_NO_QUORUM;
	if (leader != 0 && leader != from && client->nodes[leader].cores != 0)
		route->replicas |= qr_nodes_of(leader); /* members change */
	if (leader == 0 || leader == from || !qr_nodes_has(route->replicas, leader)) {
		aim(client, route, next_replica(route));
		back_off(client, route, now_ns);
		return true;
	}
	aim(client, route, leader);
	if (++route->redirects > REDIRECTS_MAX) {
		route->redirects = 0;
		back_off(client, route, now_ns);
	}
	return true;
}

void dp_route_refused(struct dp_client *client, struct dp_route *route, enum qr_error why,
		      qr_ns now_ns)
{
	route->trouble = why;
	aim(client, route, next_replica(route));
	back_off(client, route, now_ns);
}

void dp_route_later(struct dp_client *client, struct dp_route *route, enum qr_error why,
		    uint32_t retry_us, qr_ns now_ns)
{
	route->trouble = why;
	route->timer_at = 0;
	if (retry_us == 0) {
		back_off(client, route, now_ns);
	} else {
		/* A node that stays busy is asked less and less often. */
		qr_ns hold_us = (qr_ns)retry_us << route->laters;

		if (route->laters < LATERS_MAX)
			route->laters++;
		route->hold_until =
			now_ns + (hold_us < LATER_MAX_US ? hold_us : LATER_MAX_US) * 1000;
	}
}

enum qr_error dp_route_verdict(const struct dp_route *route)
{
	return route->trouble != QR_OK ? route->trouble : QR_TIMED_OUT;
}

uint8_t dp_route_core(const struct dp_client *client, const struct dp_route *route)
{
	uint8_t cores = client->nodes[route->target].cores;

	return (uint8_t)(cores == 0 ? 0 : route->group % cores);
}
