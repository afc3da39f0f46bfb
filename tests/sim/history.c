/*
 * What clients were told, as a history for an independent judge: quorate-check's model of a log
 * decides whether it is linearizable. The oracle compares with the log that it knows; the judge
 * knows only when each operation was called and answered, and with what.
 *
 * Times are counts of events.
 */
#include "tests/check/log_model.h"
#include "tests/sim/memory.h"
#include "tests/sim/world.h"

#include <stdio.h>

static void note(struct sim_log *log, struct sim_told told)
{
	if (log->told_count == log->told_room) {
		log->told_room = log->told_room == 0 ? 1024 : 2 * log->told_room;
		log->told = sim_resize(log->told, log->told_room * sizeof(*log->told));
	}
	log->told[log->told_count++] = told;
}

void sim_history_read(struct sim_world *world, qr_group group, uint64_t since, qr_offset offset,
		      uint32_t count)
{
	note(&world->oracle.logs[group],
	     (struct sim_told){since, world->count.events, offset, count});
}

void sim_history_tail(struct sim_world *world, qr_group group, uint64_t since, qr_offset end)
{
	note(&world->oracle.logs[group], (struct sim_told){since, world->count.events, end, 0});
}

static void add_appends(struct sim_world *world, qr_group group, struct check_log *history)
{
	for (uint32_t r = 0; r < world->oracle.record_count; r++) {
		const struct sim_record *record = &world->oracle.records[r];
		uint64_t value = r;

		if (record->group != group)
			continue;
		check_log_append(
			history,
			&(struct check_append){
				.when = {record->invoked,
					 record->acked ? record->answered : CHECK_NEVER, r},
				.offset = record->acked ? record->offset : CHECK_UNTOLD,
				.count = 1,
				.values = &value,
			});
	}
}

static void add_told(const struct sim_log *log, struct check_log *history, uint64_t first_name)
{
	uint64_t values[1024];

	for (uint32_t t = 0; t < log->told_count; t++) {
		const struct sim_told *told = &log->told[t];
		struct check_when when = {told->since, told->at, first_name + t};

		if (told->count == 0)
			check_log_tail(history, &when, told->offset);
		for (uint32_t done = 0; done < told->count;) {
			uint32_t count = told->count - done < 1024 ? told->count - done : 1024;

			for (uint32_t r = 0; r < count; r++)
				values[r] = log->records[told->offset + done + r];
			check_log_read(history, &(struct check_read){.when = when,
								     .offset = told->offset + done,
								     .count = count,
								     .values = values,
								     .tail = CHECK_UNTOLD,
								     .at_most = CHECK_UNTOLD});
			done += count;
		}
	}
}

static void name(uint64_t number, uint64_t first_name, char text[64])
{
	bool append = number < first_name;

	(void)snprintf(text, 64, "%s %lu", append ? "the append of record" : "read",
		       (unsigned long)(append ? number : number - first_name));
}

void sim_history_check(struct sim_world *world)
{
	struct check_log *history = check_log_create(0);
	uint64_t first_name = world->oracle.record_count;

	for (qr_group group = 1; group <= world->plan->group_count; group++) {
		struct check_problem problem = {0};
		enum check_verdict verdict;

		check_log_reset(history, 0);
		add_appends(world, group, history);
		add_told(&world->oracle.logs[group], history, first_name);
		verdict = check_log_decide(history, CHECK_BUDGET, &problem);
		if (verdict == CHECK_VIOLATED) {
			char first[64];
			char second[64];
			char text[256];

			name(problem.first, first_name, first);
			name(problem.second, first_name, second);
			(void)check_problem_describe(&problem, first, second, text, sizeof(text));
			sim_fail(world, 15, "the history of group %u is not linearizable: %s",
				 group, text);
		}
		world->count.undecided += verdict == CHECK_UNDECIDED;
	}
	check_log_destroy(history);
}
