/*
 * Runs. A violation ends the process that found it: nothing that it holds can be believed any more.
 * What processes share is one page of counters; the first to fail says so there.
 */
#include "tests/sim/runner.h"

#include "consensus/base/assert.h"
#include "tests/sim/git.h"
#include "tests/sim/memory.h"
#include "tests/sim/report.h"
#include "tests/sim/world.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CPU_SECONDS_MAX 120 /* of one seed: beyond it something loops */
#define SHOWN_STEPS 40

/** What the processes share. */
struct sim_shared {
	uint64_t next;	 /* seed */
	uint64_t failed; /* seeds */
	struct sim_count counts[SIM_JOBS_MAX];
};

/* ---- one run in this process ---- */

/* What a failure is told with; a process runs one world at a time. */
static struct sim_world *running;
static struct sim_plan plan;
static struct sim_shared *shared;
static bool shows_steps;
static unsigned failed_property; /* of a run that is shrunk: told to the parent */

/* NOLINTBEGIN(bugprone-signal-handler): the last words of a process that ends with them */

static void tell(const struct sim_world *world, const char *property, const char *text)
{
	uint64_t first = world->step_count > SHOWN_STEPS ? world->step_count - SHOWN_STEPS : 0;

	printf("seed %" PRIu64 ": property %s: %s\n", world->plan->seed, property, text);
	printf("  at %.3f ms, commit %s; again: quorate-sim --seed %" PRIu64 "\n",
	       (double)(world->now_ns - world->start_ns) / 1e6, sim_git, world->plan->seed);
	if (shows_steps) {
		sim_world_print(world);
		printf("  the last steps:\n");
		for (uint64_t s = first; s < world->step_count; s++)
			sim_trace_print(world, &world->history[s % SIM_HISTORY]);
	}
	(void)fflush(stdout);
	if (shared != NULL)
		(void)__atomic_fetch_add(&shared->failed, 1, __ATOMIC_RELAXED);
}

static void violated(const struct sim_world *world, unsigned property, const char *text)
{
	char word[16];

	(void)snprintf(word, sizeof(word), "%u", property);
	tell(world, word, text);
	failed_property = property;
	_exit(1);
}

static void asserted(const char *expression, const char *file, int line)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "%s:%d: %s", file, line, expression);
	tell(running, "assertion", text);
	_exit(1);
}

static void looped(int signal_number)
{
	(void)signal_number;
	tell(running, "19", "a run that takes for ever: something loops");
	_exit(1);
}

static void crashed(int signal_number)
{
	(void)signal_number;
	tell(running, "crash", "the code under test has crashed (a signal)");
	_exit(1);
}

/* NOLINTEND(bugprone-signal-handler) */

static void bound_cpu_time(void)
{
	const struct itimerval bound = {.it_value.tv_sec = CPU_SECONDS_MAX};

	(void)setitimer(ITIMER_PROF, &bound, NULL);
}

static void listen_for(int signal_number, void (*handler)(int))
{
	const struct sigaction action = {.sa_handler = handler};

	(void)sigaction(signal_number, &action, NULL);
}

static void prepare(void)
{
	sim_set_observer(violated);
	qr_assert_set_hook(asserted);
	listen_for(SIGPROF, looped);
	listen_for(SIGSEGV, crashed);
	listen_for(SIGBUS, crashed);
	/* The worlds' memory comes back seed after seed: keep it. */
	/* NOLINTBEGIN(concurrency-mt-unsafe): one thread */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
	(void)mallopt(M_TOP_PAD, 64 << 20);
	/* NOLINTEND(concurrency-mt-unsafe) */
	if (running == NULL)
		running = sim_take(sizeof(*running));
}

/** Run `plan` as it is. */
static void run(bool tracing)
{
	bound_cpu_time();
	sim_world_init(running, &plan, tracing);
	sim_world_run(running);
	sim_world_fini(running);
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static double cpu_seconds(int who)
{
	struct rusage usage;

	(void)getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int sim_run_one(const struct sim_request *request)
{
	struct timespec start;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	prepare();
	shows_steps = true;
	sim_plan_make(&plan, request->first, request->seconds);
	if (request->plan)
		sim_plan_print(&plan);
	run(request->trace);
	sim_report_print(&running->count, seconds_since(&start), cpu_seconds(RUSAGE_SELF));
	printf("seed %" PRIu64 ": trace hash %016" PRIx64 "\n", request->first, running->hash);
	return 0;
}

/* ---- many ---- */

static _Noreturn void work(const struct sim_request *request, uint32_t job,
			   const struct timespec *start)
{
	prepare();
	for (;;) {
		uint64_t seed = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);

		if (seed > request->last ||
		    __atomic_load_n(&shared->failed, __ATOMIC_RELAXED) != 0 ||
		    (request->minutes != 0 && seconds_since(start) > (double)request->minutes * 60))
			_exit(0);
		sim_plan_make(&plan, seed, request->seconds);
		run(false);
		sim_count_add(&shared->counts[job], &running->count);
	}
}

static bool start_workers(const struct sim_request *request, const struct timespec *start)
{
	for (uint32_t job = 0; job < request->jobs; job++) {
		pid_t pid = fork();

		if (pid == 0)
			work(request, job, start);
		if (pid < 0) {
			perror("quorate-sim: fork");
			return false;
		}
	}
	return true;
}

/** A worker that died without a word has failed, too. */
static bool await_workers(void)
{
	bool well = true;
	int status;

	while (wait(&status) > 0)
		well = well && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return well;
}

int sim_run_many(const struct sim_request *request)
{
	struct timespec start;
	struct sim_count sum = {0};
	uint32_t rate_min = request->rate_min;
	bool well;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		perror("quorate-sim: mmap");
		return 1;
	}
	shared->next = request->first;
	(void)fflush(stdout);
	well = start_workers(request, &start);
	well = await_workers() && well;
	for (uint32_t job = 0; job < request->jobs; job++)
		sim_count_add(&sum, &shared->counts[job]);
	sim_report_print(&sum, seconds_since(&start), cpu_seconds(RUSAGE_CHILDREN));
	if (!well) {
		printf("FAILED after %" PRIu64 " clean seeds\n", sum.seeds);
		return 1;
	}
	if (rate_min == UINT32_MAX)
		rate_min = sum.seeds >= 100 ? 50 : 0;
	if (sim_report_rate(&sum) < rate_min) {
		printf("FAILED: only %.1f appends per simulated second: idle hours prove nothing\n",
		       sim_report_rate(&sum));
		return 1;
	}
	printf("%" PRIu64 " seeds, nothing found\n", sum.seeds);
	return 0;
}

/* ---- shrinking ---- */

/** Whether the plan as it is now still fails, in a process of its own and in silence. */
static bool still_fails(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(0);
		run(false);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/** Leave out faults first..first + count - 1 of those still in; take back when it runs clean. */
static bool leave_out(uint32_t first, uint32_t count)
{
	bool was[SIM_FAULTS_MAX];
	uint32_t changed = 0;

	for (uint32_t f = first; f < first + count && f < plan.fault_count; f++) {
		was[f] = plan.faults[f].left_out;
		changed += !was[f];
		plan.faults[f].left_out = true;
	}
	if (changed == 0 || still_fails())
		return changed != 0;
	for (uint32_t f = first; f < first + count && f < plan.fault_count; f++)
		plan.faults[f].left_out = was[f];
	return false;
}

int sim_shrink(const struct sim_request *request)
{
	uint32_t left = 0;

	prepare();
	sim_plan_make(&plan, request->first, request->seconds);
	if (!still_fails()) {
		printf("seed %" PRIu64 " does not fail\n", request->first);
		return 0;
	}
	/* Halves, quarters, ... single ones, again until nothing more can go. */
	for (uint32_t size = plan.fault_count; size >= 1;) {
		bool shrunk = false;

		for (uint32_t first = 0; first < plan.fault_count; first += size)
			shrunk = leave_out(first, size) || shrunk;
		if (!shrunk || size > 1)
			size /= 2;
	}
	for (uint32_t f = 0; f < plan.fault_count; f++)
		left += !plan.faults[f].left_out;
	printf("%u of %u faults are enough:\n", left, plan.fault_count);
	sim_plan_print(&plan);
	(void)fflush(stdout);
	shows_steps = true;
	run(request->trace);
	return 0;
}
