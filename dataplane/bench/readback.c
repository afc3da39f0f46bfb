/*
 * Reading back: one group after the other, each record is held against its ledger as it comes, and
 * nothing is kept.
 */
#include "dataplane/bench/internal.h"

#include "dataplane/bench/content.h"

#define READ_BYTES (1u << 20)
#define REORDER_SLOTS 256

/** Records of others in an opaque chunk: offsets are counted, content is not ours to read. */
static bool pass_over(struct dp_bench_group *group, const struct dp_batch *batch)
{
	bool held = true;

	for (uint32_t i = 0; i < batch->count && held; i++) {
		held = dp_bench_verify_record(&group->verify, batch->offset + i,
					      (struct qr_span){0});
	}
	return held;
}

static bool compare(struct dp_bench_group *group, const struct dp_batch *batch)
{
	struct qr_reader body = qr_reader_over(batch->body.data, batch->body.size_bytes);
	bool held = true;

	for (uint32_t i = 0; i < batch->count && held; i++) {
		struct qr_span record = {.size_bytes = qr_read_u32(&body)};

		record.data = qr_read_bytes(&body, record.size_bytes);
		if (record.data == NULL)
			record.size_bytes = 0;
		held = dp_bench_verify_record(&group->verify, batch->offset + i, record);
	}
	return held;
}

static void on_batch(void *context, const struct dp_batch *batch)
{
	struct dp_bench_group *group = context;
	struct dp_bench_load *load = group->load;
	bool held;

	if (load->problem[0] != '\0')
		return;
	if (batch->kind == WIRE_CHUNK_RECORDS) {
		held = compare(group, batch);
	} else {
		held = pass_over(group, batch);
	}
	if (!held)
		dp_bench_load_fail(load, "group %u: %s", group->group, group->verify.problem);
	__atomic_store_n(&load->records_read, load->records_read + batch->count, __ATOMIC_RELAXED);
}

struct dp_consumer_config dp_bench_readback_config(const struct dp_bench_load *load)
{
	struct dp_consumer_config consumer = dp_consumer_config_default();

	consumer.read_bytes = READ_BYTES;
	consumer.reorder_slots = REORDER_SLOTS;
	if (load->config.options->record_bytes > consumer.record_max_bytes)
		consumer.record_max_bytes = load->config.options->record_bytes;
	consumer.on_batch = on_batch;
	consumer.timeout_ns = DP_BENCH_TIMEOUT_NS;
	return consumer;
}

static bool begin(struct dp_bench_load *load, struct dp_bench_group *group)
{
	struct dp_consumer_config config = dp_bench_readback_config(load);

	if (!dp_bench_verify_begin(&group->verify, group->start)) {
		dp_bench_load_fail(load, "group %u: %s", group->group, group->verify.problem);
		return false;
	}
	if (group->tail == group->start)
		return true;
	config.group = group->group;
	config.replicas = group->replicas;
	config.prefer = group->leader;
	config.from = group->start;
	config.until = group->tail;
	config.context = group;
	group->consumer = dp_consumer_create(&load->arena, load->client, &config);
	if (group->consumer == NULL)
		dp_bench_load_fail(load, "too many groups to read back: use fewer --groups");
	return group->consumer != NULL;
}

/** @return whether the group is through. */
static bool read_on(struct dp_bench_load *load, struct dp_bench_group *group)
{
	enum qr_error error;

	if (group->consumer == NULL && !begin(load, group))
		return false;
	if (group->consumer != NULL) {
		error = dp_consumer_error(group->consumer);
		if (error != QR_OK) {
			dp_bench_load_fail(load, "group %u: reading back at offset %llu: %s",
					   group->group,
					   (unsigned long long)dp_consumer_next(group->consumer),
					   qr_error_text(error));
		}
		if (error != QR_OK || !dp_consumer_is_done(group->consumer))
			return false;
		dp_consumer_remove(group->consumer);
		group->consumer = NULL;
	}
	if (!dp_bench_verify_end(&group->verify))
		dp_bench_load_fail(load, "group %u: %s", group->group, group->verify.problem);
	return true;
}

bool dp_bench_readback_turn(struct dp_bench_load *load)
{
	while (load->problem[0] == '\0' && load->reading < load->group_count &&
	       read_on(load, &load->groups[load->reading]))
		load->reading++;
	return load->problem[0] != '\0' || load->reading == load->group_count;
}
