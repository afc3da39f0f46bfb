/*
 * Catching signals. Owns the process's handlers of SIGINT and SIGTERM, and a pipe that the handler
 * writes to, so that a loop waiting in poll(2) wakes whenever the signal came.
 */
#include "control/cli/interrupt.h"
#include "control/cli/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

static int pipe_ends[2] = {-1, -1};
static volatile sig_atomic_t wanted;

static void on_signal(int number)
{
	int saved = errno;

	(void)number;
	wanted = 1;
	/* full: it is readable already, which is all that is asked of it */
	ssize_t ignored = write(pipe_ends[1], "", 1);
	(void)ignored;
	errno = saved;
}

void ctl_interrupt_catch(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (pipe_ends[0] < 0 && pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return; /* signals end the process then, as they would without us */
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

bool ctl_interrupt_is_wanted(void)
{
	return wanted != 0;
}

int ctl_interrupt_fd(void)
{
	return pipe_ends[0];
}

bool ctl_interrupt_wait_until(qr_ns until)
{
	struct pollfd wait = {.fd = pipe_ends[0], .events = POLLIN};
	qr_ns now = ctl_clock_now();

	while (wanted == 0 && now < until) {
		(void)poll(&wait, 1, ctl_clock_poll_ms(now, until));
		now = ctl_clock_now();
	}
	return wanted != 0;
}
