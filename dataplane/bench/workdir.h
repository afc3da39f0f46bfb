/*
 * Where an embedded cluster keeps its data: a directory of the benchmark's own, removed afterwards
 * with all that is in it.
 */
#ifndef DP_BENCH_WORKDIR_H
#define DP_BENCH_WORKDIR_H

#include "dataplane/bench/device.h"

#define DP_BENCH_PATH_MAX 160 /* leaves room for what nodes put behind it */

struct dp_bench_workdir {
	char path[DP_BENCH_PATH_MAX]; /* empty: none */
};

/**
 * Make a new directory below `parent`; NULL: below TMPDIR or /var/tmp, whichever is on a disk.
 * Errors: QR_NOT_FOUND, QR_TOO_LARGE (path), QR_UNSUPPORTED (no directory on a disk), QR_IO.
 */
QR_MUST_USE enum qr_error dp_bench_workdir_create(struct dp_bench_workdir *workdir,
						  const char *parent,
						  struct dp_bench_problem *ret_problem);
/** Bytes that may be written there; 0 when unknown. */
uint64_t dp_bench_workdir_free_bytes(const struct dp_bench_workdir *workdir);
/** Remove it and everything in it; a workdir that was never made is fine. */
void dp_bench_workdir_remove(struct dp_bench_workdir *workdir);

#endif
