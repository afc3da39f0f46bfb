/*
 * SIGINT and SIGTERM as a wish to stop, for loops that have something to finish first. A second one
 * ends the process at once.
 */
#ifndef CTL_CLI_INTERRUPT_H
#define CTL_CLI_INTERRUPT_H

#include "consensus/base/types.h"

/** From now on signals are caught; a broken pipe is an error of write(2) and no signal. */
void ctl_interrupt_catch(void);
bool ctl_interrupt_is_wanted(void);
/** A descriptor that becomes readable with the first signal, for poll(2). */
int ctl_interrupt_fd(void);
/** Wait until an instant of the monotonic clock. True when a signal came instead. */
bool ctl_interrupt_wait_until(qr_ns until);

#endif
