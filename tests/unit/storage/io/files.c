#include "tests/unit/storage/io/files.h"

#include "consensus/base/assert.h"
#include "storage/engine/reader.h"

#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FILES_OPS 32
#define FILES_READER_TAG 77

void files_make(char path[PATH_MAX])
{
	const char *base = secure_getenv("QUORATE_BUILD");

	if (base == NULL)
		base = secure_getenv("TMPDIR");
	(void)snprintf(path, PATH_MAX, "%s/store-test-XXXXXX", base != NULL ? base : "/var/tmp");
	QR_ASSERT(mkdtemp(path) != NULL);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

void files_remove(const char *path)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void take_memory(struct files_log *files, const struct store_log_parameters *parameters)
{
	struct qr_arena arena;

	qr_arena_init(&arena, NULL, 0);
	(void)store_log_create(&arena, parameters);
	(void)store_reader_create(&arena, 2 * parameters->geometry.stride_blocks);
	files->memory_bytes = (arena.used_bytes + (2u << 20) - 1) / (2u << 20) * (2u << 20);
	files->memory = aligned_alloc(2u << 20, files->memory_bytes);
	QR_ASSERT(files->memory != NULL);
	qr_arena_init(&arena, files->memory, files->memory_bytes);
	files->log = store_log_create(&arena, parameters);
	files->reader = store_reader_create(&arena, 2 * parameters->geometry.stride_blocks);
}

static enum qr_error open_ring(struct files_log *files, struct store_problem *problem)
{
	const struct qr_span buffers[] = {store_log_window(files->log),
					  store_reader_buffer(files->reader)};
	const qr_group group = FILES_GROUP;
	const struct store_io_parameters parameters = {
		.directory = &files->directory,
		.depth = 64,
		.buffers = buffers,
		.buffer_count = 2,
		.groups = &group,
		.group_count = 1,
	};

	return store_io_create(&parameters, &files->io, problem);
}

enum qr_error files_open(struct files_log *files, const char *path,
			 const struct store_log_parameters *parameters,
			 struct store_problem *problem)
{
	struct store_recovered_entry entry;
	struct store_extent segments = {0};
	enum qr_error error;

	memset(files, 0, sizeof(*files));
	error = store_directory_open(path, FILES_CLUSTER, FILES_NODE, true, &files->directory,
				     problem);
	if (error == QR_NO_DIRECT_IO) {
		error = store_directory_open(path, FILES_CLUSTER, FILES_NODE, false,
					     &files->directory, problem);
	}
	if (error == QR_OK)
		error = store_directory_group(&files->directory, FILES_GROUP, &segments, problem);
	if (error != QR_OK)
		return error;
	take_memory(files, parameters);
	error = open_ring(files, problem);
	if (error != QR_OK)
		return error;
	store_recover_begin(files->log, segments, NULL);
	do {
		files->recovered = store_recover_next(files->log, &entry);
		if (files->recovered == QR_AGAIN)
			files_turn(files);
	} while (files->recovered == QR_OK || files->recovered == QR_AGAIN);
	return QR_OK;
}

void files_close(struct files_log *files)
{
	store_io_destroy(files->io);
	store_directory_close(&files->directory);
	free(files->memory);
}

void files_turn(struct files_log *files)
{
	struct store_op ops[FILES_OPS];
	struct store_completion completions[FILES_OPS];
	unsigned asked = store_log_poll(files->log, ops, FILES_OPS);
	unsigned done;

	if (asked > 0)
		QR_ASSERT(store_io_submit(files->io, ops, asked) == asked);
	done = store_io_reap(files->io, completions, FILES_OPS);
	for (unsigned i = 0; i < done; i++) {
		if ((completions[i].tag & STORE_TAG_LOG) != 0) {
			store_log_complete(files->log, &completions[i], 0);
		} else {
			store_reader_complete(files->reader, &completions[i]);
		}
	}
	if (asked + done == 0)
		(void)sched_yield();
}

void files_drain(struct files_log *files)
{
	do {
		files_turn(files);
	} while (store_log_pending(files->log) > 0 || store_io_inflight(files->io) > 0);
}

/** The term of all entries here; they are written once it is on stable media. */
static void save_term(struct files_log *files)
{
	struct raft_hard_state state = store_log_slot(files->log)->state;

	if (state.term != 0)
		return;
	state.term = 1;
	state.generation++;
	store_save_state(files->log, &state);
}

enum qr_error files_append(struct files_log *files, uint32_t payload_bytes, uint8_t fill)
{
	return files_append_saying(files, payload_bytes, fill, 0);
}

enum qr_error files_append_saying(struct files_log *files, uint32_t payload_bytes, uint8_t fill,
				  qr_index commit)
{
	enum qr_error error = store_entry_open(files->log, 1, RAFT_ENTRY_DATA, payload_bytes);
	qr_index last;

	if (error != QR_OK)
		return error;
	save_term(files);
	memset(store_entry_take(files->log, payload_bytes), fill, payload_bytes);
	(void)store_entry_close(files->log, 1, commit, 0);
	last = store_log_last(files->log);
	store_write(files->log, last, last, 1);
	return QR_OK;
}
