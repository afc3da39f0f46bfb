#include "dataplane/bench/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct dp_bench_report report;

static int setup(void **state)
{
	(void)state;
	report = (struct dp_bench_report){
		.git = "abc",
		.profile = "dev",
		.embedded = true,
		.replicas = 3,
		.groups = 1,
		.sessions = 1,
		.cores = 1,
		.record_bytes = 1024,
		.inflight = 100,
		.seconds = 2.0,
		.acked = 2048000,
		.acked_total = 3000000,
		.verified = 3000000,
		.cpu_seconds = 3.5,
		.has_device = true,
		.device = {100.0, 200.0, 1000.0, true, false},
	};
	qr_histogram_reset(&report.latency);
	qr_histogram_record_many(&report.latency, 150000, 99);
	qr_histogram_record_many(&report.latency, 900000, 1);
	return 0;
}

static json_t *parse(void)
{
	char *text = dp_bench_report_json(&report);
	json_t *object;

	assert_non_null(text);
	object = json_loads(text, 0, NULL);
	free(text);
	assert_non_null(object);
	return object;
}

/** Every name that readers of the object rely on, with its type. */
static void the_object_has_its_names(void **state)
{
	json_t *object = parse();
	char *git, *profile, *durability, *mode;
	json_int_t replicas, groups, cores, bytes, inflight, acked, errors, verified;
	double rate, seconds, per_s, mib, cpu;
	json_t *latency, *stages, *device, *ratio;
	json_error_t error;

	(void)state;
	assert_int_equal(json_unpack_ex(object, &error, 0,
					"{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:I, s:F}", "git",
					&git, "profile", &profile, "durability", &durability,
					"replicas", &replicas, "groups", &groups, "cores", &cores,
					"record_bytes", &bytes, "mode", &mode, "inflight",
					&inflight, "rate", &rate),
			 0);
	assert_int_equal(json_unpack_ex(object, &error, 0,
					"{s:F, s:I, s:I, s:F, s:F, s:o, s:o, s:o, s:o, s:F, s:I}",
					"seconds", &seconds, "acked", &acked, "errors", &errors,
					"throughput_per_s", &per_s, "mib_per_s", &mib, "latency_us",
					&latency, "stages_us", &stages, "device", &device, "ratio",
					&ratio, "cpu_seconds", &cpu, "verified", &verified),
			 0);
	assert_string_equal(durability, "quorum");
	assert_string_equal(mode, "closed");
	assert_true(replicas == 3 && inflight == 100 && verified == 3000000);
	json_decref(object);
}

static void every_stage_has_its_quantiles(void **state)
{
	static const char *const names[] = {"rx", "batch", "disk", "quorum", "ack"};
	json_t *object;
	double p50, p99;

	(void)state;
	for (unsigned i = 0; i < WIRE_STAGES; i++)
		report.stages[i] = (struct dp_bench_stage){1.5 * (i + 1), 10.0 * (i + 1)};
	object = parse();
	for (unsigned i = 0; i < WIRE_STAGES; i++) {
		assert_int_equal(json_unpack(object, "{s:{s:{s:F, s:F}}}", "stages_us", names[i],
					     "p50", &p50, "p99", &p99),
				 0);
		assert_true(p50 == 1.5 * (i + 1) && p99 == 10.0 * (i + 1));
	}
	json_decref(object);
}

static void rates_and_ratios_follow_from_the_counts(void **state)
{
	json_t *object = parse();
	double per_s, mib, p50, max, latency_ratio, throughput_ratio;

	(void)state;
	assert_int_equal(json_unpack(object, "{s:F, s:F, s:{s:F, s:F}, s:{s:F, s:F}}",
				     "throughput_per_s", &per_s, "mib_per_s", &mib, "latency_us",
				     "p50", &p50, "max", &max, "ratio", "latency_p50",
				     &latency_ratio, "throughput", &throughput_ratio),
			 0);
	assert_true(per_s == 1024000.0);
	assert_true(mib == 1000.0);
	assert_true(p50 >= 150.0 && p50 <= 160.0); /* bucket bounds are 6 % apart */
	assert_true(max == 900.0);
	assert_true(throughput_ratio == 1.0);
	assert_true(latency_ratio >= 1.5 && latency_ratio <= 1.6);
	json_decref(object);
}

static void what_was_not_measured_is_null(void **state)
{
	json_t *object;

	(void)state;
	report.has_device = false;
	object = parse();
	assert_true(json_is_null(json_object_get(object, "device")));
	assert_true(json_is_null(json_object_get(object, "ratio")));
	json_decref(object);
}

static void an_open_loop_has_a_rate_and_no_inflight(void **state)
{
	json_t *object;
	char *mode;
	json_int_t inflight;
	double rate;

	(void)state;
	report.mode = DP_BENCH_OPEN;
	report.rate = 5000.0;
	report.durability = WIRE_DURABLE_MEMORY;
	object = parse();
	assert_int_equal(json_unpack(object, "{s:s, s:I, s:F}", "mode", &mode, "inflight",
				     &inflight, "rate", &rate),
			 0);
	assert_string_equal(mode, "open");
	assert_true(inflight == 0 && rate == 5000.0);
	assert_string_equal(json_string_value(json_object_get(object, "durability")), "memory");
	json_decref(object);
}

static void a_problem_is_in_the_object(void **state)
{
	json_t *object = parse();

	(void)state;
	assert_null(json_object_get(object, "problem"));
	json_decref(object);
	strcpy(report.problem, "record 5 is missing");
	object = parse();
	assert_string_equal(json_string_value(json_object_get(object, "problem")),
			    "record 5 is missing");
	json_decref(object);
}

static void the_table_warns_of_what_is_not_durable(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	assert_non_null(to);
	report.durability = WIRE_DURABLE_MEMORY;
	dp_bench_report_table(&report, to);
	assert_int_equal(fclose(to), 0);
	assert_non_null(strstr(text, "NOT DURABLE"));
	assert_non_null(strstr(text, "1024000 records/s, 1000.0 MiB/s"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_object_has_its_names, setup),
		cmocka_unit_test_setup(every_stage_has_its_quantiles, setup),
		cmocka_unit_test_setup(rates_and_ratios_follow_from_the_counts, setup),
		cmocka_unit_test_setup(what_was_not_measured_is_null, setup),
		cmocka_unit_test_setup(an_open_loop_has_a_rate_and_no_inflight, setup),
		cmocka_unit_test_setup(a_problem_is_in_the_object, setup),
		cmocka_unit_test_setup(the_table_warns_of_what_is_not_durable, setup),
	};

	return cmocka_run_group_tests_name("bench/report", tests, NULL, NULL);
}
