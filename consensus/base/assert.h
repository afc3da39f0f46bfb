/*
 * Assertions stay on in release builds: a consensus core that no longer believes itself must stop
 * before it tells anybody else. Input from network, disk, command line or token is never asserted.
 */
#ifndef QR_BASE_ASSERT_H
#define QR_BASE_ASSERT_H

/** Called once with what failed, then the process aborts. Set by mains that want it in a log. */
typedef void (*qr_assert_hook)(const char *expression, const char *file, int line);

void qr_assert_set_hook(qr_assert_hook hook);
_Noreturn void qr_assert_failed(const char *expression, const char *file, int line);

#define QR_ASSERT(expression)                                                                      \
	((expression) ? (void)0 : qr_assert_failed(#expression, __FILE__, __LINE__))

#endif
