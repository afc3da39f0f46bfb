#include "consensus/base/assert.h"

#include "tests/unit/unit.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static jmp_buf escape;
static const char *seen_expression;
static int seen_line;

static void remember_and_escape(const char *expression, const char *file, int line)
{
	(void)file;
	seen_expression = expression;
	seen_line = line;
	longjmp(escape, 1);
}

static void fail_again(const char *expression, const char *file, int line)
{
	(void)expression;
	(void)file;
	(void)line;
	QR_ASSERT(0 && "a hook that does not hold either");
}

static void a_true_claim_does_nothing(void **state)
{
	(void)state;

	qr_assert_set_hook(remember_and_escape);
	QR_ASSERT(1 + 1 == 2);
	qr_assert_set_hook(NULL);
}

static void the_hook_learns_what_failed(void **state)
{
	(void)state;

	qr_assert_set_hook(remember_and_escape);
	if (setjmp(escape) == 0) {
		QR_ASSERT(1 + 1 == 3);
		fail();
	}
	assert_string_equal(seen_expression, "1 + 1 == 3");
	assert_true(seen_line > 0);
}

/* In a child, since the process ends. */
static int signal_of_failing(qr_assert_hook hook)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		(void)signal(SIGABRT, SIG_DFL); /* cmocka catches it */
		(void)close(STDERR_FILENO);
		qr_assert_set_hook(hook);
		QR_ASSERT(0 && "this one");
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void a_false_claim_aborts(void **state)
{
	(void)state;

	assert_int_equal(signal_of_failing(NULL), SIGABRT);
}

static void a_hook_that_fails_is_not_called_again(void **state)
{
	(void)state;

	assert_int_equal(signal_of_failing(fail_again), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_true_claim_does_nothing),
		cmocka_unit_test(the_hook_learns_what_failed),
		cmocka_unit_test(a_false_claim_aborts),
		cmocka_unit_test(a_hook_that_fails_is_not_called_again),
	};

	return cmocka_run_group_tests_name("base/assert", tests, NULL, NULL);
}
