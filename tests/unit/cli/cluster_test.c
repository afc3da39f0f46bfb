#include "control/cli/cluster.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PARTITIONS 20 /* more than a page of either answer */
#define SECOND 1000000000ull

/* A node on a socket of its own that answers from a thread. */
struct fake {
	int socket;
	uint16_t port;
	uint64_t cluster;
	unsigned ignored; /* datagrams at the beginning that are lost */
	atomic_bool stop;
	pthread_t thread;
};

static void describe(struct fake *fake, const struct wire_message *message,
		     struct qr_writer *writer)
{
	struct wire_description answer = {.total = PARTITIONS, .node_count = 1};
	struct wire_describe question;

	assert_int_equal(wire_get_describe(message, &question), QR_OK);
	answer.request = question.request;
	answer.first = question.first;
	answer.nodes[0] = (struct wire_endpoint){
		.node = 1, .cores = 1, .port = fake->port, .ipv4 = INADDR_LOOPBACK};
	while (question.first + answer.partition_count < PARTITIONS &&
	       answer.partition_count < WIRE_DESCRIPTION_PARTITIONS) {
		uint32_t at = question.first + answer.partition_count;

		answer.partitions[answer.partition_count++] = (struct wire_partition){
			.group = at + 1, .partition = at, .replicas = 2, .name = "events"};
	}
	wire_put_description(writer, &answer);
}

static void status(const struct wire_message *message, struct qr_writer *writer)
{
	struct wire_status_reply answer = {.node = 1, .cores = 1, .total = PARTITIONS};
	struct wire_status question;

	assert_int_equal(wire_get_status(message, &question), QR_OK);
	answer.request = question.request;
	answer.first = question.first;
	while (question.first + answer.group_count < PARTITIONS &&
	       answer.group_count < WIRE_STATUS_GROUPS) {
		qr_group group = question.first + answer.group_count + 1;

		answer.groups[answer.group_count++] = (struct wire_status_group){
			.group = group, .role = CTL_ROLE_LEADER, .leader = 1, .term = 2};
	}
	wire_put_status_reply(writer, &answer);
}

static void answer(struct fake *fake, const uint8_t *data, size_t size,
		   const struct sockaddr_in *asker)
{
	uint8_t out[WIRE_DATAGRAM_MAX];
	struct qr_writer writer = qr_writer_over(out, sizeof(out));
	struct wire_message message;
	struct wire_header header;
	struct qr_reader messages;

	assert_int_equal(wire_open((struct qr_span){data, size}, &header, &messages), QR_OK);
	assert_int_equal(wire_next(&messages, &message), QR_OK);
	if (header.cluster != fake->cluster)
		return;
	wire_begin(&writer);
	if (message.type == WIRE_DESCRIBE) {
		describe(fake, &message, &writer);
	} else {
		status(&message, &writer);
	}
	header =
		(struct wire_header){.source = WIRE_FROM_PEER, .from = 1, .cluster = fake->cluster};
	(void)sendto(fake->socket, out, wire_finish(&writer, &header), 0,
		     (const struct sockaddr *)asker, sizeof(*asker));
}

static void *serve(void *context)
{
	struct fake *fake = context;
	uint8_t data[2048];

	while (!atomic_load(&fake->stop)) {
		struct sockaddr_in asker;
		socklen_t asker_bytes = sizeof(asker);
		ssize_t got = recvfrom(fake->socket, data, sizeof(data), 0,
				       (struct sockaddr *)&asker, &asker_bytes);

		if (got <= 0)
			continue;
		if (fake->ignored > 0) {
			fake->ignored--;
		} else {
			answer(fake, data, (size_t)got, &asker);
		}
	}
	return NULL;
}

static void start(struct fake *fake, unsigned ignored)
{
	struct timeval patience = {.tv_usec = 20000};
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t address_bytes = sizeof(address);

	*fake = (struct fake){.cluster = wire_cluster_id("demo"), .ignored = ignored};
	fake->socket = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(fake->socket >= 0);
	assert_int_equal(bind(fake->socket, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fake->socket, (struct sockaddr *)&address, &address_bytes), 0);
	fake->port = ntohs(address.sin_port);
	assert_int_equal(
		setsockopt(fake->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(pthread_create(&fake->thread, NULL, serve, fake), 0);
}

static void stop(struct fake *fake)
{
	atomic_store(&fake->stop, true);
	assert_int_equal(pthread_join(fake->thread, NULL), 0);
	assert_int_equal(close(fake->socket), 0);
}

static struct ctl_target target_of(const struct fake *fake, const char *cluster)
{
	struct ctl_target target = {.node_count = 1};

	(void)snprintf(target.cluster, sizeof(target.cluster), "%s", cluster);
	target.nodes[0] = (struct wire_endpoint){.ipv4 = INADDR_LOOPBACK, .port = fake->port};
	return target;
}

static void expect_whole(struct ctl_cluster *cluster, const struct ctl_target *target)
{
	assert_int_equal(ctl_cluster_discover(cluster, target, 5 * SECOND), CTL_EXIT_OK);
	assert_int_equal(cluster->member_count, 1);
	assert_int_equal(cluster->partition_count, PARTITIONS);
	assert_int_equal(ctl_cluster_ask(cluster, 5 * SECOND), CTL_EXIT_OK);
	assert_int_equal(ctl_cluster_present(&cluster->members[0]), 1);
	assert_int_equal(cluster->replica_count, PARTITIONS);
	for (qr_group group = 1; group <= PARTITIONS; group++)
		assert_non_null(ctl_cluster_leader(cluster, group));
}

static void pages_are_put_together(void **state)
{
	struct ctl_cluster *cluster = ctl_cluster_create();
	struct ctl_target target;
	struct fake fake;

	(void)state;
	start(&fake, 0);
	target = target_of(&fake, "demo");
	expect_whole(cluster, &target);
	expect_whole(cluster, &target); /* again: nothing is counted twice */
	stop(&fake);
	ctl_cluster_destroy(cluster);
}

static void what_was_lost_is_asked_again(void **state)
{
	struct ctl_cluster *cluster = ctl_cluster_create();
	struct ctl_target target;
	struct fake fake;

	(void)state;
	start(&fake, 2);
	target = target_of(&fake, "demo");
	expect_whole(cluster, &target);
	stop(&fake);
	ctl_cluster_destroy(cluster);
}

static void another_cluster_does_not_answer(void **state)
{
	struct ctl_cluster *cluster = ctl_cluster_create();
	struct ctl_target target;
	struct fake fake;

	(void)state;
	start(&fake, 0);
	target = target_of(&fake, "other");
	assert_int_equal(ctl_cluster_discover(cluster, &target, SECOND / 10), CTL_EXIT_UNHEALTHY);
	stop(&fake);
	ctl_cluster_destroy(cluster);
}

static void a_closed_port_is_refused_at_once(void **state)
{
	struct ctl_cluster *cluster = ctl_cluster_create();
	struct fake fake;

	(void)state;
	start(&fake, 0);
	stop(&fake); /* its port is free now */
	cluster->member_count = 1;
	cluster->members[0].endpoint = (struct wire_endpoint){
		.node = 1, .cores = 1, .port = fake.port, .ipv4 = INADDR_LOOPBACK};
	assert_int_equal(ctl_cluster_ask(cluster, 60 * SECOND), CTL_EXIT_OK);
	assert_int_equal(ctl_cluster_present(&cluster->members[0]), 0);
	assert_true(cluster->members[0].cores[0].refused);
	ctl_cluster_destroy(cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_put_together),
		cmocka_unit_test(what_was_lost_is_asked_again),
		cmocka_unit_test(another_cluster_does_not_answer),
		cmocka_unit_test(a_closed_port_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
