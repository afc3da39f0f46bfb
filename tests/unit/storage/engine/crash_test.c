/*
 * Crash images: random work, power loss with any subset of the sectors in flight, recovery, again.
 * What was durable is never lost, nothing is invented, recovery never takes a torn tail for damage.
 */
#include "tests/unit/storage/rig.h"

#include "tests/unit/unit.h"

#include <stdlib.h>

#define CRASHES_PER_LOG 24

struct acked {
	qr_index index;
	uint64_t digest;
};

/** What the test remembers beside the rig: digests of the accepted log, and how far it is durable.
 */
struct truth {
	uint64_t digests[RIG_ENTRIES_MAX];
	qr_index durable;
	qr_index released;
	qr_index settled_floor; /* entries that may not be cut off any more */
	uint64_t state_durable;
	uint64_t state_generation;
	qr_term state_term;
};

static struct rig rig;
static struct truth truth;

static uint32_t random_size(void)
{
	static const uint32_t sizes[] = {10, 200, 3000, 4000, 8000, 12000, 20000, 30000};

	return sizes[qr_prng_below(&rig.prng, 8)] + (uint32_t)qr_prng_below(&rig.prng, 300);
}

static void note_durable(void)
{
	struct raft_position durable = store_log_durable(rig.log);

	if (durable.generation == rig.generation && durable.index > truth.durable)
		truth.durable = durable.index;
	truth.state_durable = store_log_state_durable(rig.log);
}

static void lay_some(void)
{
	for (uint64_t n = qr_prng_below(&rig.prng, 4); n > 0; n--) {
		qr_index last;

		if (rig_append(&rig, random_size()) != QR_OK)
			return;
		last = store_log_last(rig.log);
		truth.digests[last] = rig.laid[rig.laid_count - 1].digest;
	}
}

static void save_state(void)
{
	const struct raft_hard_state state = {
		.term = rig.term, .vote = 1, .generation = ++truth.state_generation};

	truth.state_term = rig.term;
	store_save_state(rig.log, &state);
}

static void cut_some(void)
{
	qr_index last = store_log_last(rig.log);
	qr_index to = truth.released + qr_prng_below(&rig.prng, last - truth.released + 1);

	rig_truncate(&rig, to);
	save_state();
	if (truth.durable > to)
		truth.durable = to;
}

static void release_some(void)
{
	qr_index to = truth.durable;

	truth.released += qr_prng_below(&rig.prng, to - truth.released + 1);
	store_release(rig.log, truth.released);
}

static void work(unsigned steps)
{
	while (steps-- > 0) {
		uint64_t dice = qr_prng_below(&rig.prng, 100);

		if (dice < 30) {
			lay_some();
		} else if (dice < 33) {
			cut_some();
		} else if (dice < 43) {
			release_some();
		} else if (dice < 45) {
			rig.term++;
			save_state();
		} else if (dice < 47) {
			store_log_retry(rig.log);
		} else if (dice < 70) {
			(void)rig_poll(&rig);
		} else if (rig.disk.pending_count > 0) {
			rig_finish(&rig,
				   (uint32_t)qr_prng_below(&rig.prng, rig.disk.pending_count));
		}
		note_durable();
	}
}

static void check_recovered(uint64_t seed)
{
	qr_index last = store_log_last(rig.log);

	if (rig.recovered != QR_NOT_FOUND || last < truth.durable) {
		print_error("seed %lu: recovery %s, last %lu, durable before the crash %lu\n",
			    (unsigned long)seed, qr_error_name(rig.recovered), (unsigned long)last,
			    (unsigned long)truth.durable);
		fail();
	}
	assert_true(store_log_state_durable(rig.log) >= truth.state_durable);
	assert_true(store_log_slot(rig.log)->state.term >= rig.recovered_term);
	for (qr_index index = 1; index <= last; index++) {
		uint64_t digest = rig.recovered_digests[index];

		if (index <= truth.durable) {
			assert_true(digest == truth.digests[index]);
		} else {
			assert_true(rig_was_laid(&rig, index, digest));
		}
		truth.digests[index] = digest;
	}
	truth.durable = last;
	truth.state_generation = store_log_slot(rig.log)->state.generation;
	truth.state_term = store_log_slot(rig.log)->state.term;
	truth.state_durable = 0;
	rig.term = truth.state_term + 1;
	save_state();
	store_release(rig.log, truth.released);
}

static void run_log(uint64_t seed, bool deep)
{
	struct store_log_parameters parameters = rig_parameters();

	parameters.write_depth = deep ? 8 : 1 + (uint32_t)(seed % 4);
	parameters.write_max_blocks = 1 + (uint32_t)(seed % 9);
	parameters.window_blocks = 16 + 8 * (uint32_t)(seed % 7);
	rig_init(&rig, &parameters, seed);
	truth = (struct truth){0};
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	save_state();
	for (unsigned i = 0; i < CRASHES_PER_LOG && rig.disk.extent.count < 48; i++) {
		work(10 + (unsigned)qr_prng_below(&rig.prng, 80));
		rig_crash_and_open(&rig);
		check_recovered(seed);
	}
	rig_fini(&rig);
}

static void crash_images(void **state)
{
	unsigned long logs = 900; /* times 24 crashes */
	const char *more = secure_getenv("QUORATE_CRASH_LOGS");

	(void)state;
	if (more != NULL)
		logs = strtoul(more, NULL, 10);
	for (uint64_t seed = 1; seed <= logs; seed++)
		run_log(seed, seed % 2 == 0);
	print_message("# %lu crash images, seeds 1..%lu\n", logs * CRASHES_PER_LOG, logs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crash_images),
	};

	return cmocka_run_group_tests_name("storage/engine/crash", tests, NULL, NULL);
}
