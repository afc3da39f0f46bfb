/*
 * Questions to nodes over UDP: many at once, each repeated until it is answered or time is up.
 *
 * A question that takes several pages is asked again with the next `first` by whoever takes the
 * answer. An address that the kernel reports as closed counts as refused at once.
 */
#ifndef CTL_CLI_QUERY_H
#define CTL_CLI_QUERY_H

#include "consensus/wire/client.h"

struct ctl_ask {
	/* by the caller */
	uint32_t ipv4;
	uint16_t port;
	qr_node node;	     /* 0: whoever is there */
	enum wire_type type; /* WIRE_DESCRIBE, WIRE_STATUS, WIRE_TAIL */
	qr_group group;	     /* WIRE_TAIL */
	uint32_t first;	     /* page; moved on by the taker */
	void *context;	     /* the taker's */
	/* filled here, `done` by the taker */
	bool done;
	bool refused;
	qr_ns sent;
	uint32_t tries;
};

/** An answer in the form of the question's type; everything borrows until the taker returns. */
struct ctl_answer {
	enum wire_type type;
	union {
		struct wire_description description;
		struct wire_status_reply status;
		struct wire_tail_reply tail;
	};
};

/** Takes one answer: sets ask->done, or moves ask->first on to ask for the next page. */
typedef void (*ctl_query_taker)(struct ctl_ask *ask, const struct ctl_answer *answer);

/**
 * Ask, until every ask is done or refused, or `timeout` has passed: that is not an error, the asks
 * tell. Errors: QR_IO  no socket; the cause has been told.
 */
QR_MUST_USE enum qr_error ctl_query(const char *cluster, struct ctl_ask *asks, size_t ask_count,
				    qr_ns timeout, ctl_query_taker take);

#endif
