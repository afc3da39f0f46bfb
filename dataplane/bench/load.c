/*
 * The load of one thread: its memory, and the order of its phases.
 *
 * Memory is measured by building everything over an arena without memory first; nothing is
 * allocated once the load turns.
 */
#include "dataplane/bench/internal.h"

#include "consensus/base/assert.h"
#include "dataplane/bench/content.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN_BYTES 4096u
#define GRACE_NS 1000000000u
#define PRODUCER_BUFFER_BYTES (8u << 20)

void dp_bench_load_fail(struct dp_bench_load *load, const char *format, ...)
{
	va_list arguments;

	if (load->problem[0] != '\0')
		return;
	va_start(arguments, format);
	(void)vsnprintf(load->problem, sizeof(load->problem), format, arguments);
	va_end(arguments);
}

/* ---- memory ---- */

static size_t whole_pages(size_t bytes)
{
	return (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

static struct dp_producer_config producer_config(const struct dp_bench_load *load)
{
	const struct dp_bench_options *options = load->config.options;
	struct dp_producer_config config = dp_producer_config_default();

	config.record_max_bytes = options->record_bytes;
	config.buffer_bytes = PRODUCER_BUFFER_BYTES;
	if (config.buffer_bytes / 4 < options->record_bytes)
		config.buffer_bytes = (uint32_t)whole_pages((size_t)options->record_bytes * 4);
	config.window_bytes = load->config.window_bytes;
	config.timeout_ns = DP_BENCH_TIMEOUT_NS;
	config.on_done = dp_bench_lane_done;
	return config;
}

/** Memory for what `arena` has measured, and the arena over it. */
static void *give_memory(struct qr_arena *arena)
{
	size_t bytes = whole_pages(arena->used_bytes + ALIGN_BYTES);
	void *memory = aligned_alloc(ALIGN_BYTES, bytes);

	if (memory != NULL)
		qr_arena_init(arena, memory, bytes);
	return memory;
}

/** The client, in memory of its own: the rest can only be measured with it. */
static enum qr_error create_client(struct dp_bench_load *load, qr_ns now)
{
	struct qr_arena arena;

	qr_arena_init(&arena, NULL, 0);
	(void)dp_client_create(&arena, &load->config.client, now);
	load->client_memory = give_memory(&arena);
	if (load->client_memory == NULL)
		return QR_NO_MEMORY;
	load->client = dp_client_create(&arena, &load->config.client, now);
	return QR_OK;
}

/** Take the arrays from the arena; they stay unset while it measures. */
static void take_groups(struct dp_bench_load *load)
{
	struct qr_arena *arena = &load->arena;
	uint32_t sessions = load->config.options->sessions;
	size_t lanes = (size_t)load->group_count * sessions;
	struct dp_bench_group *groups =
		qr_arena_take(arena, load->group_count * sizeof(*groups), _Alignof(max_align_t));
	struct dp_bench_lane *lane =
		qr_arena_take(arena, lanes * sizeof(*lane), _Alignof(max_align_t));
	struct dp_bench_stream *stream =
		qr_arena_take(arena, lanes * sizeof(*stream), _Alignof(max_align_t));

	if (groups == NULL)
		return;
	load->groups = groups;
	for (uint32_t i = 0; i < load->group_count; i++) {
		groups[i].load = load;
		groups[i].lanes = lane + (size_t)i * sessions;
		groups[i].streams = stream + (size_t)i * sessions;
	}
}

static enum qr_error create_groups(struct dp_bench_load *load)
{
	struct dp_producer_config producer = producer_config(load);
	struct dp_consumer_config consumer = dp_bench_readback_config(load);

	qr_arena_init(&load->arena, NULL, 0);
	take_groups(load);
	for (uint32_t i = 0; i < load->group_count * load->config.options->sessions; i++)
		(void)dp_producer_create(&load->arena, load->client, &producer);
	for (uint32_t i = 0; i < load->group_count; i++)
		(void)dp_consumer_create(&load->arena, load->client, &consumer);
	load->memory = give_memory(&load->arena);
	if (load->memory == NULL)
		return QR_NO_MEMORY;
	take_groups(load);
	return QR_OK;
}

static struct dp_bench_lane_config lane_config(struct dp_bench_load *load, uint32_t group,
					       uint32_t session)
{
	const struct dp_bench_load_config *config = &load->config;
	uint32_t partition = group * config->load_count + config->number;

	return (struct dp_bench_lane_config){
		.options = config->options,
		.times = &load->times,
		.tally = &load->tally,
		.run = config->run,
		.number = partition * config->options->sessions + session,
		.lane_count = load->lane_count,
	};
}

static enum qr_error init_lanes(struct dp_bench_load *load, uint32_t number)
{
	struct dp_bench_group *group = &load->groups[number];
	uint32_t sessions = load->config.options->sessions;

	for (uint32_t s = 0; s < sessions; s++) {
		struct dp_bench_lane_config config = lane_config(load, number, s);
		struct dp_bench_lane *lane = &group->lanes[s];
		enum qr_error error = dp_bench_lane_init(lane, &config);

		if (error != QR_OK)
			return error;
		group->streams[s] = (struct dp_bench_stream){
			.token = lane->token,
			.pattern = {lane->record, lane->record_bytes},
			.ledger = &lane->ledger,
		};
	}
	group->verify = (struct dp_bench_verify){
		.streams = group->streams,
		.stream_count = sessions,
		.first_number = lane_config(load, number, 0).number,
		.shared = !load->config.options->embedded,
	};
	return QR_OK;
}

enum qr_error dp_bench_load_create(const struct dp_bench_load_config *config, qr_ns now,
				   struct dp_bench_load **ret_load)
{
	const struct dp_bench_options *options = config->options;
	struct dp_bench_load *load = calloc(1, sizeof(*load));
	enum qr_error error;

	QR_ASSERT(config->number < config->load_count && config->load_count <= options->groups);

	if (load == NULL)
		return QR_NO_MEMORY;
	load->config = *config;
	load->lane_count = options->groups * options->sessions;
	load->group_count =
		(options->groups - config->number + config->load_count - 1) / config->load_count;
	error = create_client(load, now);
	if (error == QR_OK)
		error = create_groups(load);
	for (uint32_t i = 0; i < load->group_count && error == QR_OK; i++)
		error = init_lanes(load, i);
	if (error != QR_OK) {
		dp_bench_load_destroy(load);
		return error;
	}
	*ret_load = load;
	return QR_OK;
}

void dp_bench_load_destroy(struct dp_bench_load *load)
{
	if (load == NULL)
		return;
	for (uint32_t i = 0; load->groups != NULL && i < load->group_count; i++) {
		for (uint32_t s = 0; s < load->config.options->sessions; s++)
			dp_bench_lane_fini(&load->groups[i].lanes[s]);
	}
	free(load->memory);
	free(load->client_memory);
	free(load);
}

/* ---- phases ---- */

static void enter(struct dp_bench_load *load, enum dp_bench_phase phase)
{
	/* Pairs with the acquire in dp_bench_load_phase: what the phase promises is visible. */
	__atomic_store_n(&load->phase, phase, __ATOMIC_RELEASE);
}

/** @return whether all producers are there and open. */
static bool open_producers(struct dp_bench_load *load)
{
	struct dp_producer_config config = producer_config(load);
	bool all = true;

	for (uint32_t i = 0; i < load->group_count * load->config.options->sessions; i++) {
		struct dp_bench_group *group = &load->groups[i / load->config.options->sessions];
		struct dp_bench_lane *lane = &group->lanes[i % load->config.options->sessions];

		if (lane->producer == NULL) {
			config.group = group->group;
			config.replicas = group->replicas;
			config.leader = group->leader;
			config.context = lane;
			lane->producer = dp_producer_create(&load->arena, load->client, &config);
			group->start = group->tail;
		}
		if (lane->producer == NULL) {
			dp_bench_load_fail(load, "too many producers: use fewer --sessions");
		} else if (dp_producer_error(lane->producer) != QR_OK) {
			dp_bench_load_fail(load, "group %u: no session: %s", group->group,
					   qr_error_text(dp_producer_error(lane->producer)));
		}
		all = all && lane->producer != NULL && dp_producer_is_open(lane->producer);
	}
	return all;
}

static void start_lanes(struct dp_bench_load *load)
{
	for (uint32_t i = 0; i < load->group_count; i++) {
		for (uint32_t s = 0; s < load->config.options->sessions; s++) {
			struct dp_bench_lane_config config = lane_config(load, i, s);

			dp_bench_lane_start(&load->groups[i].lanes[s], &config);
		}
	}
}

static bool generate(struct dp_bench_load *load, qr_ns now)
{
	bool any = false;

	for (uint32_t i = 0; i < load->group_count; i++) {
		for (uint32_t s = 0; s < load->config.options->sessions; s++)
			any |= dp_bench_lane_generate(&load->groups[i].lanes[s], now);
	}
	return any;
}

/** Open loop: what was due before the end is still sent, unless there is far too much of it. */
static bool owes(const struct dp_bench_load *load, qr_ns now)
{
	uint64_t unsent = 0;

	if (now > load->times.end + GRACE_NS)
		return false;
	for (uint32_t i = 0; i < load->group_count; i++) {
		for (uint32_t s = 0; s < load->config.options->sessions; s++)
			unsent += dp_bench_lane_unsent(&load->groups[i].lanes[s]);
	}
	return unsent != 0;
}

static bool is_drained(const struct dp_bench_load *load)
{
	bool drained = true;

	for (uint32_t i = 0; i < load->group_count; i++) {
		for (uint32_t s = 0; s < load->config.options->sessions; s++) {
			const struct dp_bench_lane *lane = &load->groups[i].lanes[s];

			drained = drained && (lane->answered == lane->appended ||
					      dp_producer_error(lane->producer) != QR_OK);
		}
	}
	return drained;
}

static bool find_and_open(struct dp_bench_load *load)
{
	return dp_bench_find_groups(load) && load->problem[0] == '\0' &&
	       dp_bench_find_tails(load) && open_producers(load);
}

/** Pairs with the release in dp_bench_load_begin: the times are there. */
static bool may_begin(const struct dp_bench_load *load)
{
	return __atomic_load_n(&load->begun, __ATOMIC_ACQUIRE);
}

bool dp_bench_load_turn(struct dp_bench_load *load, qr_ns now)
{
	bool loading = load->phase == DP_BENCH_LOADING;

	switch (load->phase) {
	case DP_BENCH_FINDING:
		if (find_and_open(load))
			enter(load, DP_BENCH_READY);
		break;
	case DP_BENCH_READY:
		if (may_begin(load)) {
			start_lanes(load);
			enter(load, DP_BENCH_LOADING);
		}
		break;
	case DP_BENCH_LOADING:
		if (now < load->times.end || owes(load, now))
			return generate(load, now);
		enter(load, DP_BENCH_DRAINING);
		break;
	case DP_BENCH_DRAINING:
		if (is_drained(load)) {
			dp_bench_forget_tails(load);
			enter(load, DP_BENCH_ENDING);
		}
		break;
	case DP_BENCH_ENDING:
		if (dp_bench_find_tails(load) && dp_bench_find_stages(load))
			enter(load, DP_BENCH_READING);
		break;
	case DP_BENCH_READING:
		if (dp_bench_readback_turn(load))
			enter(load, DP_BENCH_FINISHED);
		break;
	case DP_BENCH_FINISHED:
		return false;
	}
	if (load->problem[0] != '\0' && load->phase != DP_BENCH_FINISHED)
		enter(load, DP_BENCH_FINISHED);
	return loading;
}

qr_ns dp_bench_load_next_due(const struct dp_bench_load *load)
{
	qr_ns earliest = UINT64_MAX;

	if (load->phase != DP_BENCH_LOADING)
		return earliest;
	for (uint32_t i = 0; i < load->group_count; i++) {
		for (uint32_t s = 0; s < load->config.options->sessions; s++) {
			qr_ns due = dp_bench_lane_next_due(&load->groups[i].lanes[s]);

			earliest = due < earliest ? due : earliest;
		}
	}
	return earliest < load->times.end ? earliest : load->times.end;
}

void dp_bench_load_abandon(struct dp_bench_load *load, const char *why)
{
	dp_bench_load_fail(load, "%s", why);
	enter(load, DP_BENCH_FINISHED);
}

/* ---- for the main thread ---- */

struct dp_client *dp_bench_load_client(struct dp_bench_load *load)
{
	return load->client;
}

enum dp_bench_phase dp_bench_load_phase(const struct dp_bench_load *load)
{
	/* Pairs with the release in enter. */
	return __atomic_load_n(&load->phase, __ATOMIC_ACQUIRE);
}

void dp_bench_load_begin(struct dp_bench_load *load, const struct dp_bench_times *times)
{
	load->times = *times;
	/* Pairs with the acquire in may_begin. */
	__atomic_store_n(&load->begun, true, __ATOMIC_RELEASE);
}

uint64_t dp_bench_load_acked(const struct dp_bench_load *load)
{
	return __atomic_load_n(&load->tally.acked_total, __ATOMIC_RELAXED);
}

uint64_t dp_bench_load_read(const struct dp_bench_load *load)
{
	return __atomic_load_n(&load->records_read, __ATOMIC_RELAXED);
}

struct dp_bench_result dp_bench_load_result(const struct dp_bench_load *load)
{
	struct dp_bench_result result = {
		.tally = &load->tally,
		.replicas = load->replicas,
		.durability = load->durability,
		.cores = load->cores,
		.problem = load->problem,
	};

	QR_ASSERT(dp_bench_load_phase(load) == DP_BENCH_FINISHED);
	memcpy(result.stages, load->stages, sizeof(result.stages));
	for (uint32_t i = 0; i < load->group_count; i++) {
		result.verified += load->groups[i].verify.verified;
		for (uint32_t s = 0; s < load->config.options->sessions; s++)
			result.unsent += dp_bench_lane_unsent(&load->groups[i].lanes[s]);
	}
	return result;
}
