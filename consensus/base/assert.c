/*
 * The end of a process that no longer believes itself. Owns the hook, the only global of this
 * folder. A crash here is the purpose: nothing is flushed, nothing is sent, recovery does the rest.
 */
#include "consensus/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

static qr_assert_hook current_hook;

void qr_assert_set_hook(qr_assert_hook hook)
{
	__atomic_store_n(&current_hook, hook, __ATOMIC_RELEASE); /* H0 pairs with H1 */
}

_Noreturn void qr_assert_failed(const char *expression, const char *file, int line)
{
	/* Taken, not read: a hook that fails an assertion itself must not be called again. */
	qr_assert_hook hook = __atomic_exchange_n(&current_hook, NULL, __ATOMIC_ACQUIRE); /* H1 */

	if (hook != NULL) {
		hook(expression, file, line);
	} else {
		/* Without a main that listens, say it as assert(3) does: silence helps nobody. */
		(void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
	}
	abort();
}
