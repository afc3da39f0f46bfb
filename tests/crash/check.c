/*
 * The walk along a tape. Each job walks all of it, since media and truth are cheap to keep up, and
 * makes the images of the places that are its own: every jobs-th. Jobs are processes, so that a
 * failed assertion of the engine is a finding and not the end of the check; what they found is in
 * memory that they share with the parent.
 */
#include "tests/crash/check.h"

#include "consensus/base/assert.h"
#include "tests/crash/folder.h"
#include "tests/crash/plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64

/** One job's, shared. */
struct report {
	struct judge_counts counts;
	bool done;
	bool failed;
	struct check_failure failure; /* kept up to date while at work, should the process abort */
};

struct walk {
	const struct tape *tape;
	const struct check_options *options;
	const struct plan *plan;
	struct report *report;
	uint32_t job;
	uint64_t before; /* weights so far */
	struct media media[TAPE_NODES + 1];
	struct truth *truth; /* of the round; NULL before the first */
	struct judge *judge;
	char folder[PATH_MAX];
};

/* ---- rounds ---- */

static void add_counts(struct judge_counts *to, const struct judge_counts *from)
{
	to->images += from->images;
	to->disks += from->disks;
	to->logs += from->logs;
	to->restored += from->restored;
	to->trimmed += from->trimmed;
	to->exchanged += from->exchanged;
	to->entries += from->entries;
	to->again += from->again;
	to->folders += from->folders;
	to->promises += from->promises;
}

static void end_round(struct walk *walk)
{
	if (walk->judge != NULL) {
		add_counts(&walk->report->counts, &walk->judge->counts);
		judge_fini(walk->judge);
	}
	if (walk->truth != NULL)
		truth_fini(walk->truth);
	free(walk->judge);
	free(walk->truth);
	walk->judge = NULL;
	walk->truth = NULL;
}

static void begin_round(struct walk *walk, const struct tape_round *round, bool judged)
{
	end_round(walk);
	walk->truth = malloc(sizeof(*walk->truth));
	QR_ASSERT(walk->truth != NULL);
	truth_init(walk->truth, round, walk->media);
	if (!judged)
		return;
	walk->judge = malloc(sizeof(*walk->judge));
	QR_ASSERT(walk->judge != NULL);
	judge_init(walk->judge, walk->truth, walk->options->folder != NULL ? walk->folder : NULL);
}

/** A tape that this tool can follow at all. */
static bool is_round(const struct tape_round *round)
{
	return round->group_count >= 1 && round->group_count <= CLUSTER_GROUPS_MAX &&
	       round->stride_blocks > 0 && round->segment_blocks > 0 &&
	       round->segment_blocks % round->stride_blocks == 0;
}

/* ---- before anything is made: promises on the tape, and the plan ---- */

static void fail(struct check_outcome *outcome, uint64_t position, uint64_t number,
		 const char *text)
{
	if (outcome->failed)
		return;
	outcome->failed = true;
	outcome->failure.position = position;
	outcome->failure.number = number;
	(void)snprintf(outcome->failure.text, sizeof(outcome->failure.text), "%s", text);
}

static void count_round(struct check_outcome *outcome, const struct truth *truth)
{
	if (truth == NULL)
		return;
	outcome->answered += truth->answered_records;
	outcome->snapshots += truth->snapshots;
	outcome->trims += truth->trims;
	outcome->installs += truth->installs;
}

static void read_tape(const struct tape *tape, const struct check_options *options,
		      struct plan *plan, struct check_outcome *outcome)
{
	struct report nobodys = {0};
	struct walk walk = {.tape = tape, .options = options, .report = &nobodys};

	for (uint64_t p = 0; p < tape->count && !outcome->failed; p++) {
		const struct tape_event *event = &tape->events[p];

		if (event->kind == TAPE_ROUND && is_round(&event->round)) {
			count_round(outcome, walk.truth);
			begin_round(&walk, &event->round, false);
			outcome->rounds++;
		}
		if (walk.truth == NULL) {
			fail(outcome, p, CHECK_ALL, "the tape does not begin with a round");
			break;
		}
		truth_take(walk.truth, event);
		plan_add(plan, event, walk.media);
		if (walk.truth->problem.text[0] != '\0')
			fail(outcome, p, CHECK_ALL, walk.truth->problem.text);
	}
	count_round(outcome, walk.truth);
	outcome->events = tape->count;
	end_round(&walk);
}

/* ---- a job ---- */

static bool is_wanted(const struct walk *walk, uint64_t position)
{
	if (walk->options->position != CHECK_ALL)
		return position == walk->options->position && walk->job == 0;
	return position % walk->options->jobs == walk->job;
}

/** All images behind one event. @return false: one was bad. */
static bool judge_place(struct walk *walk, uint64_t position)
{
	struct plan_image image = {
		.position = position,
		.share = plan_share(walk->plan, position, walk->before),
	};

	for (; image.number < image.share; image.number++) {
		struct judge_fate fates[TAPE_NODES + 1];
		qr_node folder;

		if (walk->options->number != CHECK_ALL && walk->options->number != image.number)
			continue;
		walk->report->failure.position = position;
		walk->report->failure.number = image.number;
		plan_fates(walk->plan, &image, walk->media, fates, &folder);
		if (!judge_image(walk->judge, fates, folder))
			return false;
	}
	return true;
}

static void work(struct walk *walk)
{
	bool well = true;

	for (uint64_t p = 0; p < walk->tape->count && well; p++) {
		const struct tape_event *event = &walk->tape->events[p];

		if (event->kind == TAPE_ROUND)
			begin_round(walk, &event->round, true);
		truth_take(walk->truth, event);
		if (event->node != 0)
			judge_stale(walk->judge, event->node);
		if (is_wanted(walk, p))
			well = judge_place(walk, p);
		walk->before += walk->plan->weights[p];
	}
	if (!well) {
		(void)snprintf(walk->report->failure.text, sizeof(walk->report->failure.text), "%s",
			       walk->judge->problem.text);
	}
	end_round(walk);
	walk->report->failed = !well;
	walk->report->done = true;
}

static _Noreturn void run_job(const struct walk *plain, uint32_t job, struct report *report)
{
	struct walk walk = *plain;

	walk.job = job;
	walk.report = report;
	if (walk.options->folder != NULL) {
		QR_ASSERT(snprintf(walk.folder, sizeof(walk.folder), "%s/%d-%u",
				   walk.options->folder, (int)getpid(), job) < PATH_MAX);
	}
	work(&walk);
	if (walk.options->folder != NULL)
		folder_remove(walk.folder);
	_exit(0);
}

/* ---- all jobs ---- */

static void collect(struct report *reports, uint32_t jobs, struct check_outcome *outcome)
{
	for (uint32_t j = 0; j < jobs; j++) {
		const struct report *report = &reports[j];

		add_counts(&outcome->counts, &report->counts);
		if (report->done && !report->failed)
			continue;
		fail(outcome, report->failure.position, report->failure.number,
		     report->done ? report->failure.text
				  : "recovery ended the process: an assertion, see above");
	}
}

void check_tape(const struct tape *tape, const struct check_options *options,
		struct check_outcome *ret_outcome)
{
	struct plan plan = {.seed = options->seed, .images = options->images};
	struct walk walk = {.tape = tape, .options = options, .plan = &plan};
	uint32_t jobs = options->jobs;
	struct report *reports;
	pid_t children[JOBS_MAX];

	QR_ASSERT(jobs >= 1 && jobs <= JOBS_MAX);
	*ret_outcome = (struct check_outcome){0};
	read_tape(tape, options, &plan, ret_outcome);
	if (ret_outcome->failed || plan.weight == 0) {
		plan_fini(&plan);
		return;
	}
	reports = mmap(NULL, jobs * sizeof(*reports), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	QR_ASSERT(reports != MAP_FAILED);
	(void)fflush(NULL);
	for (uint32_t j = 0; j < jobs; j++) {
		children[j] = fork();
		QR_ASSERT(children[j] >= 0);
		if (children[j] == 0)
			run_job(&walk, j, &reports[j]);
	}
	for (uint32_t j = 0; j < jobs; j++)
		(void)waitpid(children[j], NULL, 0);
	collect(reports, jobs, ret_outcome);
	(void)munmap(reports, jobs * sizeof(*reports));
	plan_fini(&plan);
}
