/*
 * What the disk itself can do, measured just before a load on the same file system: the yardstick
 * that the figures of the appliance are divided by.
 */
#ifndef DP_BENCH_DEVICE_H
#define DP_BENCH_DEVICE_H

#include "consensus/base/error.h"
#include "consensus/base/types.h"

struct dp_bench_device {
	double quorum_write_4k_us_p50; /* until the second of three parallel writes is durable */
	double quorum_write_4k_us_p99;
	double write_256k_qd4_mib_per_s; /* one of three parallel writers */
	bool volatile_cache;
	bool fua;
};

struct dp_bench_problem {
	char text[512]; /* the cause and the next step */
};

/**
 * Measure the file system of a directory for about three seconds, each figure for `seconds_max` at
 * most. Makes three files of 64 MiB there and removes their names before it measures, so that
 * nothing stays whatever happens.
 *
 * Errors: QR_NOT_FOUND, QR_NO_DIRECT_IO, QR_NO_SPACE, QR_IO; ret_problem says which and what to do.
 */
QR_MUST_USE enum qr_error dp_bench_device_measure(const char *directory, double seconds_max,
						  struct dp_bench_device *ret_device,
						  struct dp_bench_problem *ret_problem);

#endif
