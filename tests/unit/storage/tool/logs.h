/* Real directories with logs, and the tool over them: what the tests of quorate-log share. */
#ifndef QR_TESTS_STORAGE_TOOL_LOGS_H
#define QR_TESTS_STORAGE_TOOL_LOGS_H

#include "storage/engine/log.h"

#include <limits.h>
#include <sys/types.h>

#define LOGS_DIRECTORIES 3
#define LOGS_OUTPUT_BYTES 65536
#define LOGS_STATE_BYTES 5000 /* of a snapshot */

extern char logs_base[PATH_MAX]; /* everything lies below */
extern char logs_paths[LOGS_DIRECTORIES][PATH_MAX + 8];
extern char logs_output[LOGS_OUTPUT_BYTES]; /* of the last run, errors included */

extern const struct store_log_parameters logs_parameters; /* of every one of them */

int logs_set_up(void **state);
int logs_tear_down(void **state);

/** Run quorate-log; its exit status. */
int logs_run(const char *command, const char *const arguments[]);
#define LOGS_RUN(command, ...) logs_run(command, (const char *const[]){__VA_ARGS__, NULL})

/** A log of `count` entries; those above `common` are filled differently in each directory. */
void logs_make(unsigned number, qr_index common, qr_index count);
/** One of which the slots say `settled`, and the headers behind it `committed`. */
void logs_make_settled(unsigned number, qr_index settled, qr_index committed, qr_index count);
/** As logs_make with `common` = `count`, a snapshot for each segment, and the last few of them
 * kept. */
void logs_make_trimmed(unsigned number, qr_index count);

/** A bit of a segment's file. */
void logs_flip(unsigned number, unsigned segment, off_t at);
int logs_open_snapshot(unsigned number, uint32_t file);
/** The file with the snapshot that has `newer` newer ones. */
uint32_t logs_snapshot_file(unsigned number, unsigned newer);
void logs_flip_snapshot(unsigned number, uint32_t file, off_t at);

#endif
