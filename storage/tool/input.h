/* A backup as it is read: item after item, each judged before it is given out. */
#ifndef QR_STORE_TOOL_INPUT_H
#define QR_STORE_TOOL_INPUT_H

#include "storage/format/backup.h"
#include "storage/io/io.h"

struct tool_input {
	int fd;
	const char *name;
	uint8_t *buffer;
	size_t room_bytes;
	size_t at_bytes;       /* of the buffer: what comes next */
	size_t end_bytes;      /* of what was read */
	uint64_t passed_bytes; /* of the backup, in front of `at_bytes` */
	struct store_backup_parser parser;
};

/** @param path  "-": standard input. Errors: QR_IO, QR_NO_MEMORY, with the cause. */
QR_MUST_USE enum qr_error tool_input_open(struct tool_input *ret_input, const char *path,
					  struct store_problem *ret_problem);
void tool_input_close(struct tool_input *input);
/**
 * The next item, which the parser has taken.
 * @param ret_bytes  whole blocks, the caller's to change until the next call.
 * Errors: QR_NOT_FOUND  the trailer was the last one and everything holds;
 *         others        ret_problem says what is wrong, and where.
 */
QR_MUST_USE enum qr_error tool_input_next(struct tool_input *input,
					  struct store_backup_item *ret_item, uint8_t **ret_bytes,
					  struct store_problem *ret_problem);

#endif
