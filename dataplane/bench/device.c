/*
 * The device probe. It owns three pre-written files without a name and, while it measures, their
 * rings. A crash at any line leaves nothing: the files have no name once they are open.
 *
 * Both figures are taken as a server could take them at best, so that they are a hard yardstick:
 * waiting is a poll of the completion ring with sched_yield between (10 to 20 % faster than waiting
 * in the kernel; a loop that never yields keeps the disk's interrupt from its core). Latency uses a
 * ring per file, each submitted at once: in one submission the block layer would hold all three
 * back until the last is prepared (about 125 against 150 us). Throughput uses one ring for all
 * writers, which merges their submissions (about 1.4 against 1.28 GiB/s).
 */
#include "dataplane/bench/device.h"

#include "storage/io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILES 3
#define QUORUM 2
#define FILE_BYTES (64u << 20)
#define FILL_BYTES (1u << 20)
#define SMALL_BYTES 4096u
#define LARGE_BYTES (256u << 10)
#define LARGE_DEPTH 4
#define SMALL_ITERATIONS_MAX 10000
#define SMALL_NS 1500000000ull
#define LARGE_NS 2000000000ull
#define MIB 1048576.0

struct probe {
	struct io_uring rings[FILES];
	unsigned ring_count;
	int files[FILES];
	uint64_t at[FILES];
	uint8_t *data;
	qr_ns time_max; /* for each figure */
	struct dp_bench_problem *problem;
};

static qr_ns now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (qr_ns)time.tv_sec * 1000000000ull + (qr_ns)time.tv_nsec;
}

static enum qr_error refuse(struct probe *probe, const char *what, int code)
{
	enum qr_error error = QR_IO;
	const char *mend = "choose another directory with --dir";

	if (code == ENOSPC || code == EDQUOT) {
		error = QR_NO_SPACE;
		mend = "free 200 MiB, or choose another directory with --dir";
	} else if (code == EINVAL) {
		error = QR_NO_DIRECT_IO;
		mend = "the file system must support O_DIRECT (tmpfs does not): choose another "
		       "directory with --dir";
	} else if (code == ENOENT || code == ENOTDIR) {
		error = QR_NOT_FOUND;
		mend = "create it, or choose another one with --dir";
	}
	(void)snprintf(probe->problem->text, sizeof(probe->problem->text),
		       "device probe: %.256s: %s: %s", what, strerrordesc_np(code), mend);
	return error;
}

/** Pre-write: a merely allocated file would measure its extents' conversion instead. */
static enum qr_error fill(struct probe *probe, int file)
{
	for (uint64_t at = 0; at < FILE_BYTES; at += FILL_BYTES) {
		ssize_t done = pwrite(file, probe->data, FILL_BYTES, (off_t)at);

		if (done < 0)
			return refuse(probe, "writing the test file", errno);
		if (done != FILL_BYTES)
			return refuse(probe, "writing the test file", ENOSPC);
	}
	if (fsync(file) != 0)
		return refuse(probe, "writing the test file", errno);
	return QR_OK;
}

static enum qr_error open_file(struct probe *probe, const char *directory, int *ret_file)
{
	char path[4096];
	enum qr_error error;
	int file;

	if (snprintf(path, sizeof(path), "%s/quorate-bench-device.XXXXXX", directory) >=
	    (int)sizeof(path))
		return refuse(probe, directory, ENAMETOOLONG);
	file = mkostemp(path, O_DIRECT | O_DSYNC | O_CLOEXEC);
	if (file < 0)
		return refuse(probe, directory, errno);
	*ret_file = file;
	if (unlink(path) != 0)
		return refuse(probe, path, errno);
	error = fill(probe, file);
	return error;
}

static void close_rings(struct probe *probe)
{
	while (probe->ring_count > 0)
		io_uring_queue_exit(&probe->rings[--probe->ring_count]);
}

static enum qr_error open_rings(struct probe *probe, unsigned count)
{
	while (probe->ring_count < count) {
		int code = io_uring_queue_init(FILES * LARGE_DEPTH,
					       &probe->rings[probe->ring_count], 0);

		if (code < 0)
			return refuse(probe, "io_uring", -code);
		probe->ring_count++;
	}
	return QR_OK;
}

static void queue_write(struct probe *probe, struct io_uring *ring, unsigned file, uint32_t bytes)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	/* The ring has room for everything that is ever in flight. */
	io_uring_prep_write(sqe, probe->files[file], probe->data, bytes, probe->at[file]);
	io_uring_sqe_set_data64(sqe, file);
	probe->at[file] = (probe->at[file] + bytes) % FILE_BYTES;
}

/** Take one completion of any ring if there is one. */
static enum qr_error reap(struct probe *probe, uint32_t bytes, bool *ret_done, unsigned *ret_file)
{
	struct io_uring_cqe *cqe;

	*ret_done = false;
	for (unsigned i = 0; i < probe->ring_count; i++) {
		int result;

		if (io_uring_peek_cqe(&probe->rings[i], &cqe) != 0)
			continue;
		result = cqe->res;
		*ret_file = (unsigned)cqe->user_data;
		*ret_done = true;
		io_uring_cqe_seen(&probe->rings[i], cqe);
		if (result < 0)
			return refuse(probe, "writing", -result);
		if ((uint32_t)result != bytes)
			return refuse(probe, "writing", EIO);
		return QR_OK;
	}
	(void)sched_yield();
	return QR_OK;
}

/** Three writes at once: the time until a quorum of them is durable. Waits for all of them. */
static enum qr_error one_quorum(struct probe *probe, qr_ns *ret_took)
{
	qr_ns start = now();

	for (unsigned i = 0; i < FILES; i++) {
		int code;

		queue_write(probe, &probe->rings[i], i, SMALL_BYTES);
		code = io_uring_submit(&probe->rings[i]);
		if (code < 0)
			return refuse(probe, "submitting", -code);
	}
	for (unsigned done = 0; done < FILES;) {
		unsigned file;
		bool one;
		enum qr_error error = reap(probe, SMALL_BYTES, &one, &file);

		if (error != QR_OK)
			return error;
		if (!one)
			continue;
		if (++done == QUORUM)
			*ret_took = now() - start;
	}
	return QR_OK;
}

static int compare_ns(const void *left, const void *right)
{
	qr_ns a = *(const qr_ns *)left;
	qr_ns b = *(const qr_ns *)right;

	return a < b ? -1 : a > b;
}

static enum qr_error measure_latency(struct probe *probe, struct dp_bench_device *device)
{
	qr_ns *took = calloc(SMALL_ITERATIONS_MAX, sizeof(*took));
	qr_ns until = now() + (probe->time_max < SMALL_NS ? probe->time_max : SMALL_NS);
	enum qr_error error = QR_OK;
	size_t count = 0;
	size_t median;
	size_t tail;

	if (took == NULL)
		return refuse(probe, "memory", ENOMEM);
	while (error == QR_OK && count < SMALL_ITERATIONS_MAX && now() < until)
		error = one_quorum(probe, &took[count++]);
	if (error == QR_OK) {
		qsort(took, count, sizeof(*took), compare_ns);
		median = count / 2;
		tail = count * 99 / 100;
		device->quorum_write_4k_us_p50 = (double)took[median] / 1e3;
		device->quorum_write_4k_us_p99 = (double)took[tail] / 1e3;
	}
	free(took);
	return error;
}

static enum qr_error drain(struct probe *probe, unsigned inflight)
{
	while (inflight > 0) {
		unsigned file;
		bool one;
		enum qr_error error = reap(probe, LARGE_BYTES, &one, &file);

		if (error != QR_OK)
			return error;
		inflight -= one;
	}
	return QR_OK;
}

static enum qr_error measure_throughput(struct probe *probe, struct dp_bench_device *device)
{
	struct io_uring *ring = &probe->rings[0];
	qr_ns took = probe->time_max < LARGE_NS ? probe->time_max : LARGE_NS;
	qr_ns start = now();
	uint64_t written = 0;

	for (unsigned i = 0; i < FILES * LARGE_DEPTH; i++)
		queue_write(probe, ring, i % FILES, LARGE_BYTES);
	while (now() - start < took) {
		unsigned file;
		bool one;
		enum qr_error error;
		int code = io_uring_submit(ring);

		if (code < 0)
			return refuse(probe, "submitting", -code);
		error = reap(probe, LARGE_BYTES, &one, &file);
		if (error != QR_OK)
			return error;
		if (!one)
			continue;
		written += LARGE_BYTES;
		queue_write(probe, ring, file, LARGE_BYTES);
	}
	device->write_256k_qd4_mib_per_s =
		(double)written / FILES / MIB / ((double)(now() - start) / 1e9);
	if (io_uring_submit(ring) < 0)
		return refuse(probe, "submitting", EIO);
	return drain(probe, FILES * LARGE_DEPTH);
}

static enum qr_error measure(struct probe *probe, const char *directory,
			     struct dp_bench_device *device)
{
	enum qr_error error = QR_OK;

	for (unsigned i = 0; i < FILES && error == QR_OK; i++)
		error = open_file(probe, directory, &probe->files[i]);
	if (error == QR_OK)
		error = open_rings(probe, FILES);
	if (error == QR_OK)
		error = measure_latency(probe, device);
	close_rings(probe);
	if (error == QR_OK)
		error = open_rings(probe, 1);
	if (error == QR_OK)
		error = measure_throughput(probe, device);
	close_rings(probe);
	return error;
}

enum qr_error dp_bench_device_measure(const char *directory, double seconds_max,
				      struct dp_bench_device *ret_device,
				      struct dp_bench_problem *ret_problem)
{
	struct probe probe = {
		.files = {-1, -1, -1},
		.time_max = (qr_ns)(seconds_max * 1e9),
		.problem = ret_problem,
	};
	struct dp_bench_device device = {0};
	struct store_device about;
	enum qr_error error;

	probe.data = aligned_alloc(SMALL_BYTES, FILL_BYTES);
	if (probe.data == NULL)
		return refuse(&probe, "memory", ENOMEM);
	/* Bytes that no layer below can shorten. */
	for (size_t i = 0; i < FILL_BYTES; i++)
		probe.data[i] = (uint8_t)(i * 2654435761u >> 13);

	error = measure(&probe, directory, &device);
	for (unsigned i = 0; i < FILES; i++) {
		if (probe.files[i] >= 0)
			(void)close(probe.files[i]);
	}
	free(probe.data);
	if (error != QR_OK)
		return error;

	store_device_probe(directory, &about);
	device.volatile_cache = about.volatile_cache;
	device.fua = about.fua;
	*ret_device = device;
	return QR_OK;
}
