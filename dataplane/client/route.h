/*
 * Whom to ask: the replica that is believed to answer for a group, how long to wait for it, and
 * where to go when it does not. Shared by producers, consumers and questions. Not for users.
 */
#ifndef DP_CLIENT_ROUTE_H
#define DP_CLIENT_ROUTE_H

#include "dataplane/client/machine.h"

struct dp_route {
	qr_group group;
	qr_nodes replicas;
	qr_node target;
	bool confirmed; /* the target answered as the one that serves: more than a probe may go */
	uint8_t redirects;     /* followed since the last progress */
	uint8_t timeouts;      /* of this target in a row */
	uint8_t laters;	       /* told to come later, since the last progress */
	enum qr_error trouble; /* what stood in the way last; OK since there was progress */

	qr_ns hold_until; /* nothing is sent before */
	qr_ns backoff;
	qr_ns timer_at; /* an answer is due by then; 0 not waiting */
	qr_ns srtt;	/* RFC 6298; 0 before the first sample */
	qr_ns rttvar;
	qr_ns rto;
};

void dp_route_init(const struct dp_client *client, struct dp_route *route, qr_group group,
		   qr_nodes replicas, qr_node first);
/** One round trip took this long; of something sent once only (Karn). */
void dp_route_sample(const struct dp_client *client, struct dp_route *route, qr_ns rtt);
/** The target serves. */
void dp_route_progress(const struct dp_client *client, struct dp_route *route);
/** The timer ran out. */
void dp_route_timeout(struct dp_client *client, struct dp_route *route, qr_ns now_ns);
/** `from` said that it does not lead, and who might (0 unknown). @return whether it was the target.
 */
bool dp_route_not_leader(struct dp_client *client, struct dp_route *route, qr_node from,
			 qr_node leader, qr_ns now_ns);
/** The target cannot serve: to the next replica, after a while. */
void dp_route_refused(struct dp_client *client, struct dp_route *route, enum qr_error why,
		      qr_ns now_ns);
/** The target can serve, but later. */
void dp_route_later(struct dp_client *client, struct dp_route *route, enum qr_error why,
		    uint32_t retry_us, qr_ns now_ns);
/** What to tell the user when the time is over. */
enum qr_error dp_route_verdict(const struct dp_route *route);
/** The core of the target that owns the group. */
uint8_t dp_route_core(const struct dp_client *client, const struct dp_route *route);

/** Start waiting for an answer, unless already waiting. */
static inline void dp_route_wait(struct dp_route *route, qr_ns now_ns)
{
	if (route->timer_at == 0)
		route->timer_at = now_ns + route->rto;
}

static inline bool dp_route_is_late(const struct dp_route *route, qr_ns now_ns)
{
	return route->timer_at != 0 && now_ns >= route->timer_at;
}

#endif
