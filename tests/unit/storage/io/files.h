/* A temporary data directory, and one log over real files with a poll loop that yields. */
#ifndef QR_TESTS_STORAGE_IO_FILES_H
#define QR_TESTS_STORAGE_IO_FILES_H

#include "storage/engine/recover.h"
#include "storage/io/io.h"

#include <limits.h>

#define FILES_CLUSTER 0xabcdef0012345678u
#define FILES_GROUP 3
#define FILES_NODE 1

/** Make an empty directory below the build's, or below $TMPDIR. */
void files_make(char path[PATH_MAX]);
/** Remove it and everything in it. */
void files_remove(const char *path);

struct files_log {
	struct store_directory directory;
	struct store_io *io;
	struct store_log *log;
	struct store_reader *reader;
	uint8_t *memory;
	size_t memory_bytes;
	enum qr_error recovered;
};

/** Open directory, ring and log, and recover. O_DIRECT where the file system has it. */
enum qr_error files_open(struct files_log *files, const char *path,
			 const struct store_log_parameters *parameters,
			 struct store_problem *problem);
void files_close(struct files_log *files);
/** One turn of the poll loop; yields when nothing happened. */
void files_turn(struct files_log *files);
/** Turn until nothing is queued or in flight. */
void files_drain(struct files_log *files);
/** Lay out one entry filled with `fill`, and have it written. */
enum qr_error files_append(struct files_log *files, uint32_t payload_bytes, uint8_t fill);
/** The same, with a header that says what is committed. */
enum qr_error files_append_saying(struct files_log *files, uint32_t payload_bytes, uint8_t fill,
				  qr_index commit);

#endif
