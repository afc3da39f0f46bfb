/*
 * The public interface: clients, descriptions, questions. Owns the memory of a client.
 *
 * Everything that decides anything is in the state machine; here is waiting, and the translation of
 * names. Nothing is kept across processes: a crash of the user loses what was not acknowledged, and
 * nothing else.
 */
#include "dataplane/client/quorate.h"

#include "consensus/base/assert.h"
#include "dataplane/client/admin.h"
#include "dataplane/client/library.h"

#include <stdlib.h>

#define DATAGRAM_DEFAULT 1452
#define TIMEOUT_DEFAULT_MS 30000u
#define PARTITIONS_MAX 65536u

/* The two lists of errors are one. */
#define SAME(name) _Static_assert((int)QUORATE_##name == (int)QR_##name, "the lists differ")
SAME(OK);
SAME(BUSY);
SAME(NOT_LEADER);
SAME(NO_QUORUM);
SAME(TIMED_OUT);
SAME(AGAIN);
SAME(MALFORMED);
SAME(CHECKSUM);
SAME(FOREIGN);
SAME(UNKNOWN_GROUP);
SAME(STALE);
SAME(GAP);
SAME(EXPIRED);
SAME(DENIED);
SAME(TOO_LARGE);
SAME(OUT_OF_RANGE);
SAME(CONFIG);
SAME(LOCKED);
SAME(NOT_FOUND);
SAME(NO_DIRECT_IO);
SAME(PORT_TAKEN);
SAME(UNSUPPORTED);
SAME(NO_SPACE);
SAME(NO_MEMORY);
SAME(IO);
SAME(CORRUPT);
SAME(POISONED);
#undef SAME
_Static_assert((int)QUORATE_WRONG_VERSION == (int)QR_VERSION, "the lists differ");
_Static_assert((int)QUORATE_POISONED + 1 == (int)QR_ERROR_COUNT, "the lists differ");

const char *quorate_strerror(int error)
{
	return qr_error_text((enum qr_error)error);
}

struct qr_arena quorate_arena(const struct qr_arena *measured)
{
	size_t size_bytes = (measured->used_bytes + 63) & ~(size_t)63;
	struct qr_arena arena;

	qr_arena_init(&arena, aligned_alloc(64, size_bytes), size_bytes);
	return arena;
}

/* ---- questions ---- */

struct waiting {
	bool done;
	struct dp_answer *answer;
};

static void on_answer(void *context, const struct dp_answer *answer)
{
	struct waiting *waiting = context;

	*waiting->answer = *answer;
	waiting->done = true;
}

int quorate_ask(struct quorate_client *client,
		enum qr_error (*ask)(struct dp_client *client, const struct dp_question *question),
		const struct dp_question *question, struct dp_answer *ret_answer)
{
	struct waiting waiting = {.answer = ret_answer};
	struct dp_question own = *question;
	enum qr_error error;

	own.on_answer = on_answer;
	own.context = &waiting;
	if (own.timeout_ns == 0)
		own.timeout_ns = client->timeout_ns;
	error = ask(client->machine, &own);
	if (error != QR_OK)
		return (int)error;
	/*
	 * The question holds a pointer into this frame until it is answered or its time is over, so
	 * an error of the socket does not end the wait: it shows as a question without an answer.
	 */
	while (!waiting.done)
		(void)!dp_udp_turn(&client->udp, UINT64_MAX);
	return (int)ret_answer->error;
}

/* ---- descriptions ---- */

static void copy_partition(struct quorate_partition *to, const struct wire_partition *from)
{
	_Static_assert(sizeof(to->log) == sizeof(from->name), "names fit");
	memcpy(to->log, from->name, sizeof(to->log));
	to->partition = from->partition;
	to->group = from->group;
	to->replicas = from->replicas;
	to->leader = from->leader;
	to->durable = from->durability == WIRE_DURABLE_QUORUM;
}

/** Take a page of the description in. Errors: QR_NO_MEMORY. */
static enum qr_error take_page(struct quorate_client *client, const struct wire_description *page)
{
	size_t total = page->total < PARTITIONS_MAX ? page->total : PARTITIONS_MAX;

	if (page->first == 0) {
		struct quorate_partition *partitions =
			realloc(client->partitions, (total != 0 ? total : 1) * sizeof(*partitions));
		struct quorate_node *nodes =
			realloc(client->nodes, WIRE_DESCRIPTION_NODES * sizeof(*nodes));

		client->partitions = partitions != NULL ? partitions : client->partitions;
		client->nodes = nodes != NULL ? nodes : client->nodes;
		client->partition_count = 0;
		client->node_count = 0;
		if (partitions == NULL || nodes == NULL)
			return QR_NO_MEMORY;
		QR_ASSERT(page->node_count <= WIRE_DESCRIPTION_NODES);
		for (; client->node_count < page->node_count; client->node_count++) {
			const struct wire_endpoint *node = &page->nodes[client->node_count];

			client->nodes[client->node_count] = (struct quorate_node){
				node->node, node->cores, node->port, node->ipv4};
		}
	}
	for (uint32_t i = 0; i < page->partition_count; i++) {
		copy_partition(&client->partitions[client->partition_count++],
			       &page->partitions[i]);
	}
	return QR_OK;
}

static int describe(struct quorate_client *client)
{
	struct dp_question question = {.first = 0};
	struct dp_answer answer;
	uint32_t total = 0;

	do {
		int error = quorate_ask(client, dp_client_ask_describe, &question, &answer);

		if (error != QUORATE_OK)
			return error;
		if (question.first == 0) {
			total = answer.description.total < PARTITIONS_MAX ? answer.description.total
									  : PARTITIONS_MAX;
		}
		/* Pages of one answer agree on the total, or the logs are changing: go by the
		 * first. */
		if (answer.description.first + answer.description.partition_count > total)
			break;
		error = (int)take_page(client, &answer.description);
		if (error != QUORATE_OK)
			return error;
		question.first += answer.description.partition_count;
	} while (answer.description.partition_count != 0 && question.first < total);
	return QUORATE_OK;
}

int quorate_describe(struct quorate_client *client, struct quorate_description *ret_description)
{
	int error = describe(client);

	if (error != QUORATE_OK)
		return error;
	*ret_description = (struct quorate_description){
		.partitions = client->partitions,
		.partition_count = client->partition_count,
		.nodes = client->nodes,
		.node_count = client->node_count,
	};
	return QUORATE_OK;
}

static const struct quorate_partition *look_up(const struct quorate_client *client, const char *log,
					       uint32_t partition)
{
	for (size_t i = 0; i < client->partition_count; i++) {
		const struct quorate_partition *found = &client->partitions[i];

		if (found->partition == partition && strcmp(found->log, log) == 0)
			return found;
	}
	return NULL;
}

int quorate_find(struct quorate_client *client, const char *log, uint32_t partition,
		 const struct quorate_partition **ret_partition)
{
	const struct quorate_partition *found = look_up(client, log, partition);

	if (found == NULL) {
		int error = describe(client); /* it may be new */

		if (error != QUORATE_OK)
			return error;
		found = look_up(client, log, partition);
	}
	if (found == NULL || (found->replicas & ~(uint64_t)1) == 0)
		return QUORATE_NOT_FOUND;
	*ret_partition = found;
	return QUORATE_OK;
}

int quorate_tail(struct quorate_client *client, const char *log, uint32_t partition,
		 uint64_t *ret_start, uint64_t *ret_end)
{
	const struct quorate_partition *found;
	struct dp_question question;
	struct dp_answer answer;
	int error = quorate_find(client, log, partition, &found);

	if (error != QUORATE_OK)
		return error;
	question = (struct dp_question){
		.group = found->group, .replicas = found->replicas, .node = found->leader};
	error = quorate_ask(client, dp_client_ask_tail, &question, &answer);
	if (error != QUORATE_OK)
		return error;
	*ret_start = answer.tail.start;
	*ret_end = answer.tail.end;
	return QUORATE_OK;
}

int dp_admin_status(struct quorate_client *client, const struct dp_admin_target *target,
		    struct wire_status_reply *ret_status)
{
	const struct dp_question question = {
		.node = target->node,
		.core = target->core,
		.first = target->first,
		.timeout_ns = (qr_ns)target->timeout_ms * 1000000u,
	};
	struct dp_answer answer;
	int error;

	if (target->node == 0 || target->node > QR_NODE_MAX ||
	    target->core >= dp_client_node(client->machine, target->node)->cores)
		return QUORATE_NOT_FOUND;
	error = quorate_ask(client, dp_client_ask_status, &question, &answer);
	if (error == QUORATE_OK)
		*ret_status = answer.status;
	return error;
}

/* ---- clients ---- */

static enum qr_error create_machine(struct quorate_client *client,
				    const struct quorate_options *options)
{
	struct dp_client_config config = dp_client_config_default();
	struct qr_arena arena;
	enum qr_error error;

	config.cluster = wire_cluster_id(options->cluster);
	config.datagram_max = client->udp.datagram_max;
	config.seed_count = client->udp.seed_count;
	error = dp_udp_random(&config.random_seed, sizeof(config.random_seed));
	if (error == QR_OK)
		error = dp_udp_random(&config.incarnation, sizeof(config.incarnation));
	if (error != QR_OK)
		return error;
	qr_arena_init(&arena, NULL, 0);
	(void)dp_client_create(&arena, &config, 0);
	arena = quorate_arena(&arena);
	if (arena.base == NULL)
		return QR_NO_MEMORY;
	client->machine = dp_client_create(&arena, &config, dp_udp_now());
	client->udp.client = client->machine;
	return QR_OK;
}

static bool options_are_sound(const struct quorate_options *options)
{
	return options->endpoints != NULL && options->cluster != NULL &&
	       options->ticket_bytes <= WIRE_TICKET_MAX &&
	       (options->ticket != NULL || options->ticket_bytes == 0) &&
	       (options->datagram_bytes == 0 || (options->datagram_bytes >= WIRE_DATAGRAM_MIN &&
						 options->datagram_bytes <= WIRE_DATAGRAM_MAX));
}

int quorate_connect(const struct quorate_options *options, struct quorate_client **ret_client)
{
	struct quorate_client *client;
	uint32_t timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
	int error;

	if (!options_are_sound(options))
		return QUORATE_CONFIG;
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		return QUORATE_NO_MEMORY;
	client->udp.fd = -1;
	client->timeout_ns = (qr_ns)timeout_ms * 1000000u;
	client->ticket_bytes = options->ticket_bytes;
	if (options->ticket_bytes != 0)
		memcpy(client->ticket, options->ticket, options->ticket_bytes);

	error = (int)dp_udp_resolve(&client->udp, options->endpoints);
	if (error != QUORATE_OK)
		goto failed;
	error = (int)dp_udp_open(&client->udp, options->datagram_bytes != 0
						       ? options->datagram_bytes
						       : DATAGRAM_DEFAULT);
	if (error != QUORATE_OK)
		goto failed;
	error = (int)create_machine(client, options);
	if (error != QUORATE_OK)
		goto failed;
	error = describe(client);
	if (error != QUORATE_OK)
		goto failed;
	*ret_client = client;
	return QUORATE_OK;

failed:
	quorate_close(client);
	return error;
}

void quorate_close(struct quorate_client *client)
{
	if (client == NULL)
		return;
	while (client->producers != NULL)
		quorate_producer_close(client->producers);
	while (client->readers != NULL)
		quorate_reader_close(client->readers);
	dp_udp_close(&client->udp);
	free(client->machine); /* the arena's memory begins with it */
	free(client->partitions);
	free(client->nodes);
	explicit_bzero(client->ticket, sizeof(client->ticket));
	free(client);
}

int quorate_poll(struct quorate_client *client, int timeout_ms)
{
	qr_ns timeout_ns = timeout_ms < 0 ? UINT64_MAX : (qr_ns)timeout_ms * 1000000u;

	return (int)dp_udp_turn(&client->udp, timeout_ns);
}

int quorate_fd(const struct quorate_client *client)
{
	return client->udp.fd;
}

int quorate_next_timeout(const struct quorate_client *client)
{
	qr_ns deadline_ns = dp_client_next_deadline(client->machine);
	qr_ns now_ns = dp_udp_now();
	qr_ns wait_ms;

	if (deadline_ns == UINT64_MAX)
		return -1;
	wait_ms = deadline_ns > now_ns ? (deadline_ns - now_ns + 999999u) / 1000000u : 0;
	return wait_ms < 1000000u ? (int)wait_ms : 1000000;
}
