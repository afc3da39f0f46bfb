/*
 * A stream and an assembly against each other over a channel that loses 30 % of the datagrams,
 * doubles half of them and reorders them by delay, in simulated time. Every entry must arrive,
 * once, in order and byte-identical, within a bounded time, and the sender must fall silent then.
 *
 * On the way, by the seed: the follower restarts as a new incarnation and forgets what it had not
 * on stable media; bytes arrive damaged, so that a whole entry does not validate; the credit is
 * tight.
 *
 * One seed, one run: a failure prints it. QUORATE_SEEDS=N runs more of them, QUORATE_SEED=S only
 * one.
 */
#include "consensus/base/assert.h"
#include "consensus/base/prng.h"
#include "dataplane/transport/assembly.h"
#include "dataplane/transport/stream.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 3000
#define ENTRIES_MAX 64
#define FRAGMENT_BYTES 1216u
#define ENTRY_BYTES_MAX (2u * 1024 * 1024)
#define POOL_BYTES (ENTRY_BYTES_MAX + 65536)
#define PACKETS_MAX 65536
#define TIME_MAX_NS ((qr_ns)600 * 1000 * 1000 * 1000)
#define TERM 5
#define CREDIT_BLOCKS_MIN 600 /* the largest entry fits */

struct packet {
	qr_ns at_ns;
	bool is_ack;
	bool damaged;
	uint32_t incarnation;
	union {
		struct wire_fragment fragment;
		struct wire_ack ack;
	};
};

struct faults {
	unsigned loss_percent;
	unsigned twice_percent;
	unsigned damages_left;	/* fragments that will arrive damaged */
	unsigned restarts_left; /* of the receiver */
	qr_ns delay_ns;
	qr_ns jitter_ns;
};

struct channel {
	struct qr_prng prng;
	struct faults faults;
	qr_ns now_ns;
	uint32_t packet_count;
	uint32_t *heap; /* positions in `packets`: a heap of those on the way, then the free ones */
	struct packet *packets;
	uint64_t sent;
};

struct entry {
	uint32_t bytes;
	uint32_t pool_offset;
	qr_block block;
};

struct sender {
	struct dp_stream stream;
	qr_index last;
	struct entry entries[ENTRIES_MAX + 1];
};

struct receiver {
	struct dp_assembly *assembly;
	uint32_t incarnation;
	qr_index accepted;
	qr_index durable;
	qr_block window_blocks;
	qr_ns echo_ns;
	bool ack_due;
	bool forgot_at_end; /* restarted with everything acknowledged */
	bool damaged[ENTRIES_MAX + 1];
	uint8_t *bytes[ENTRIES_MAX + 1];
};

static uint8_t *pool;
static struct channel channel;
static struct sender sender;
static struct receiver receiver;
static uint64_t current_seed;

static bool chance(unsigned part, unsigned whole)
{
	return qr_prng_below(&channel.prng, whole) < part;
}

/* ---- the channel: a heap of packets by time of arrival ---- */

static bool is_earlier(uint32_t a, uint32_t b)
{
	const struct packet *left = &channel.packets[channel.heap[a]];
	const struct packet *right = &channel.packets[channel.heap[b]];

	return left->at_ns < right->at_ns;
}

static void swap(uint32_t a, uint32_t b)
{
	uint32_t kept = channel.heap[a];

	channel.heap[a] = channel.heap[b];
	channel.heap[b] = kept;
}

static void put_packet(const struct packet *packet)
{
	uint32_t at = channel.packet_count;

	if (at == PACKETS_MAX)
		return; /* a full link drops */
	channel.packets[channel.heap[at]] = *packet;
	channel.packet_count++;
	for (; at > 0 && is_earlier(at, (at - 1) / 2); at = (at - 1) / 2)
		swap(at, (at - 1) / 2);
}

static struct packet take_packet(void)
{
	struct packet packet = channel.packets[channel.heap[0]];
	uint32_t at = 0;

	channel.packet_count--;
	swap(0, channel.packet_count);
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < channel.packet_count && is_earlier(child + 1, child))
			child++;
		if (child >= channel.packet_count || !is_earlier(child, at))
			return packet;
		swap(at, child);
		at = child;
	}
}

static void transmit(struct packet *packet)
{
	unsigned copies = chance(channel.faults.twice_percent, 100) ? 2 : 1;

	channel.sent++;
	while (copies-- > 0) {
		if (chance(channel.faults.loss_percent, 100))
			continue;
		packet->at_ns = channel.now_ns + channel.faults.delay_ns +
				qr_prng_below(&channel.prng, channel.faults.jitter_ns + 1);
		packet->damaged = false;
		if (!packet->is_ack && channel.faults.damages_left > 0 && chance(1, 100)) {
			packet->damaged = true;
			channel.faults.damages_left--;
		}
		put_packet(packet);
	}
}

/* ---- the sender ---- */

static void send_fragment(const struct dp_stream_want *want, const struct entry *entry)
{
	uint32_t until =
		want->until == 0 || want->until > entry->bytes ? entry->bytes : want->until;
	uint32_t bytes = until - want->from;
	struct packet packet = {0};

	assert_true(want->from < until); /* this follower never lies */
	if (bytes > FRAGMENT_BYTES)
		bytes = FRAGMENT_BYTES;
	packet.fragment = (struct wire_fragment){
		.term = TERM,
		.index = want->index,
		.entry_term = TERM,
		.prev_term = TERM - 1,
		.block = entry->block,
		.entry_bytes = entry->bytes,
		.offset = want->from,
		.sent_ns = channel.now_ns,
		.bulk = {pool + entry->pool_offset + want->from, bytes},
	};
	transmit(&packet);
	dp_stream_sent(&sender.stream, want, bytes, entry->bytes, channel.now_ns);
}

static void send_turn(void)
{
	struct dp_stream_want want;

	/* At most a burst of a port in one turn. */
	for (unsigned i = 0; i < 64; i++) {
		const struct entry *entry;

		if (dp_stream_next(&sender.stream, channel.now_ns, &want) != QR_OK)
			return;
		assert_in_range(want.index, 1, sender.last);
		entry = &sender.entries[want.index];
		if (!want.probe &&
		    entry->block + qr_blocks_for(entry->bytes) > sender.stream.credit)
			return;
		send_fragment(&want, entry);
	}
}

/* ---- the receiver ---- */

static qr_block limit(void)
{
	return sender.entries[receiver.accepted].block +
	       qr_blocks_for(sender.entries[receiver.accepted].bytes) + receiver.window_blocks;
}

static void restart_receiver(void)
{
	receiver.incarnation++;
	receiver.forgot_at_end = sender.stream.received == sender.last;
	for (qr_index index = receiver.durable + 1; index <= sender.last; index++)
		memset(receiver.bytes[index], 0xee, sender.entries[index].bytes);
	memset(receiver.damaged, 0, sizeof(receiver.damaged));
	receiver.accepted = receiver.durable;
	receiver.echo_ns = 0;
	dp_assembly_reset(receiver.assembly, TERM, receiver.accepted + 1);
}

static void accept_entries(void)
{
	struct dp_assembled head;

	while (dp_assembly_head(receiver.assembly, &head) == QR_OK) {
		const struct entry *entry = &sender.entries[head.index];

		assert_int_equal(head.index, receiver.accepted + 1);
		assert_int_equal(head.entry_bytes, entry->bytes);
		assert_int_equal(head.block, entry->block);
		if (receiver.damaged[head.index]) {
			receiver.damaged[head.index] = false;
			dp_assembly_spoil(receiver.assembly);
			return;
		}
		assert_memory_equal(receiver.bytes[head.index], pool + entry->pool_offset,
				    entry->bytes);
		dp_assembly_pop(receiver.assembly);
		receiver.accepted = head.index;
		if (chance(1, 2))
			receiver.durable = receiver.accepted;
	}
}

static void receive_fragment(const struct packet *packet)
{
	const struct wire_fragment *fragment = &packet->fragment;
	const struct entry *entry = &sender.entries[fragment->index];

	if (channel.faults.restarts_left > 0 && chance(1, 200)) {
		channel.faults.restarts_left--;
		restart_receiver();
	}
	receiver.ack_due = true;
	receiver.echo_ns = fragment->sent_ns;
	if (fragment->block + qr_blocks_for(entry->bytes) > limit())
		return;
	if (dp_assembly_add(receiver.assembly, fragment) != QR_OK)
		return;
	memcpy(receiver.bytes[fragment->index] + fragment->offset, fragment->bulk.data,
	       fragment->bulk.size_bytes);
	receiver.damaged[fragment->index] |= packet->damaged;
	accept_entries();
}

static void acknowledge(void)
{
	struct packet packet = {.is_ack = true, .incarnation = receiver.incarnation};

	if (!receiver.ack_due)
		return;
	packet.ack.term = TERM;
	packet.ack.credit = limit();
	packet.ack.echo_ns = receiver.echo_ns;
	dp_assembly_report(receiver.assembly, &packet.ack);
	receiver.echo_ns = 0;
	receiver.ack_due = false;
	transmit(&packet);
}

/* ---- a run ---- */

static void draw_entries(uint32_t bytes_max)
{
	qr_block block = 1 + qr_prng_below(&channel.prng, 1000);

	sender.last = 1 + qr_prng_below(&channel.prng, ENTRIES_MAX);
	sender.entries[0] = (struct entry){.block = block};
	for (qr_index index = 1; index <= sender.last; index++) {
		struct entry *entry = &sender.entries[index];
		uint64_t most = 128 + qr_prng_below(&channel.prng, bytes_max - 127);

		/* Small ones are likelier than large ones. */
		entry->bytes = 128 + (uint32_t)qr_prng_below(&channel.prng, most - 127);
		if (chance(1, 16))
			entry->bytes = chance(1, 2) ? 128 : bytes_max;
		entry->pool_offset = (uint32_t)qr_prng_below(&channel.prng, 65536);
		entry->block = block;
		block += qr_blocks_for(entry->bytes) + qr_prng_below(&channel.prng, 2);
		free(receiver.bytes[index]);
		receiver.bytes[index] = calloc(1, entry->bytes);
		assert_non_null(receiver.bytes[index]);
	}
}

static void draw(uint64_t seed)
{
	static const uint32_t sizes[] = {2000, 8000, 60000};

	qr_prng_init(&channel.prng, seed);
	channel.faults = (struct faults){
		.loss_percent = chance(3, 4) ? 30 : 0,
		.twice_percent = chance(3, 4) ? 50 : 0,
		.damages_left = chance(1, 4) ? 5 : 0,
		.restarts_left = chance(1, 2) ? 3 : 0,
		.delay_ns = 1 + qr_prng_below(&channel.prng, 100000),
		.jitter_ns = qr_prng_below(&channel.prng, 500000),
	};
	channel.now_ns = 1 + qr_prng_below(&channel.prng, 1000000);
	channel.packet_count = 0;
	channel.sent = 0;
	for (uint32_t i = 0; i < PACKETS_MAX; i++)
		channel.heap[i] = i;
	draw_entries(seed % 100 == 0 ? ENTRY_BYTES_MAX : sizes[seed % 3]);

	receiver.incarnation = 1;
	receiver.accepted = 0;
	receiver.durable = 0;
	receiver.ack_due = false;
	receiver.forgot_at_end = false;
	receiver.echo_ns = 0;
	receiver.window_blocks = CREDIT_BLOCKS_MIN + qr_prng_below(&channel.prng, 1000);
	memset(receiver.damaged, 0, sizeof(receiver.damaged));
	dp_assembly_reset(receiver.assembly, TERM, 1);
	dp_stream_init(&sender.stream, 50000);
	dp_stream_start(&sender.stream, 0, chance(1, 2) ? limit() : 0, channel.now_ns);
}

/** One step of time: what arrives next, or a deadline, or new entries. @return false: silence. */
static bool advance(void)
{
	qr_ns deadline = dp_stream_deadline(&sender.stream);
	qr_ns arrival =
		channel.packet_count == 0 ? UINT64_MAX : channel.packets[channel.heap[0]].at_ns;
	qr_ns next = deadline < arrival ? deadline : arrival;

	if (next == UINT64_MAX && sender.stream.end == sender.last)
		return false;
	if (next != UINT64_MAX && next > channel.now_ns)
		channel.now_ns = next;
	if (sender.stream.end < sender.last && (next == UINT64_MAX || chance(1, 4)))
		dp_stream_extend(&sender.stream, sender.stream.end + 1);
	while (channel.packet_count != 0 &&
	       channel.packets[channel.heap[0]].at_ns <= channel.now_ns) {
		struct packet packet = take_packet();

		if (!packet.is_ack) {
			receive_fragment(&packet);
		} else if (packet.incarnation ==
			   receiver.incarnation) { /* else: the replay window */
			dp_stream_ack(&sender.stream, &packet.ack, packet.incarnation,
				      channel.now_ns);
		}
	}
	acknowledge();
	send_turn();
	return true;
}

static uint64_t run_seed(uint64_t seed)
{
	qr_ns start;

	draw(seed);
	start = channel.now_ns;
	while (advance()) {
		if (channel.now_ns - start > TIME_MAX_NS)
			fail_msg("not done in time");
	}
	/* What the receiver forgot after its last ACK had left is for consensus to notice. */
	assert_int_equal(sender.stream.received, sender.last);
	if (!receiver.forgot_at_end)
		assert_int_equal(receiver.accepted, sender.last);
	return channel.sent;
}

static uint64_t seeds_wanted(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void all_arrives_whatever_the_channel_does(void **state)
{
	uint64_t only = seeds_wanted("QUORATE_SEED", 0);
	uint64_t first = only != 0 ? only : 1;
	uint64_t last = only != 0 ? only : seeds_wanted("QUORATE_SEEDS", SEEDS_DEFAULT);
	uint64_t sent = 0;

	(void)state;
	for (uint64_t seed = first; seed <= last; seed++) {
		current_seed = seed;
		sent += run_seed(seed);
	}
	assert_true(sent > 0);
}

static void name_the_seed(const char *expression, const char *file, int line)
{
	print_message("# seed %lu: %s:%d: %s\n", (unsigned long)current_seed, file, line,
		      expression);
}

static int set_up(void **state)
{
	struct qr_arena arena;
	struct qr_prng prng;

	(void)state;
	qr_assert_set_hook(name_the_seed);
	pool = malloc(POOL_BYTES);
	channel.heap = calloc(PACKETS_MAX, sizeof(uint32_t));
	channel.packets = calloc(PACKETS_MAX, sizeof(struct packet));
	qr_arena_init(&arena, aligned_alloc(64, 1 << 20), 1 << 20);
	if (pool == NULL || channel.packets == NULL || arena.base == NULL)
		return -1;
	receiver.assembly = dp_assembly_create(&arena);
	qr_prng_init(&prng, 42);
	for (uint32_t i = 0; i < POOL_BYTES; i++)
		pool[i] = (uint8_t)qr_prng_next(&prng);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	print_message("# last seed: %lu\n", (unsigned long)current_seed);
	for (uint32_t i = 0; i <= ENTRIES_MAX; i++)
		free(receiver.bytes[i]);
	free(pool);
	free(channel.heap);
	free(channel.packets);
	free(receiver.assembly);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_arrives_whatever_the_channel_does, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("transport/channel", tests, NULL, NULL);
}
