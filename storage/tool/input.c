/*
 * Reading a backup from a file or a pipe, through a buffer that grows to the largest item. The
 * parser (storage/format/backup_parser.c) judges; here is said where it stumbled, and what to do.
 */
#include "storage/tool/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)2 << 20)

static enum qr_error told(const struct tool_input *input, enum qr_error error, const char *text,
			  struct store_problem *problem)
{
	(void)snprintf(problem->text, sizeof(problem->text), "%.120s: byte %llu: %s", input->name,
		       (unsigned long long)input->passed_bytes, text);
	return error;
}

enum qr_error tool_input_open(struct tool_input *ret_input, const char *path,
			      struct store_problem *ret_problem)
{
	struct tool_input *input = ret_input;
	bool is_standard = strcmp(path, "-") == 0;

	*input = (struct tool_input){.fd = STDIN_FILENO, .name = "standard input"};
	if (!is_standard) {
		input->name = path;
		input->fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (input->fd < 0) {
		(void)snprintf(ret_problem->text, sizeof(ret_problem->text), "%.200s: %s", path,
			       strerrordesc_np(errno));
		return QR_IO;
	}
	(void)posix_fadvise(input->fd, 0, 0,
			    POSIX_FADV_SEQUENTIAL); /* of a pipe: an error, no loss */
	input->buffer = malloc(BUFFER_BYTES);
	input->room_bytes = BUFFER_BYTES;
	if (input->buffer == NULL) {
		tool_input_close(input);
		return told(input, QR_NO_MEMORY, qr_error_text(QR_NO_MEMORY), ret_problem);
	}
	return QR_OK;
}

void tool_input_close(struct tool_input *input)
{
	free(input->buffer);
	input->buffer = NULL;
	if (input->fd != STDIN_FILENO)
		(void)close(input->fd);
}

static bool make_room(struct tool_input *input, size_t size_bytes)
{
	uint8_t *larger;

	memmove(input->buffer, input->buffer + input->at_bytes, input->end_bytes - input->at_bytes);
	input->end_bytes -= input->at_bytes;
	input->at_bytes = 0;
	if (size_bytes <= input->room_bytes)
		return true;
	larger = realloc(input->buffer, size_bytes);
	if (larger == NULL)
		return false;
	input->buffer = larger;
	input->room_bytes = size_bytes;
	return true;
}

/** Have so many bytes at hand. Errors: QR_AGAIN  the input ends before; QR_IO; QR_NO_MEMORY. */
static enum qr_error need(struct tool_input *input, size_t size_bytes)
{
	if (input->end_bytes - input->at_bytes >= size_bytes)
		return QR_OK;
	if (!make_room(input, size_bytes))
		return QR_NO_MEMORY;
	while (input->end_bytes < size_bytes) {
		ssize_t got = read(input->fd, input->buffer + input->end_bytes,
				   input->room_bytes - input->end_bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return QR_IO;
		if (got == 0)
			return QR_AGAIN;
		input->end_bytes += (size_t)got;
	}
	return QR_OK;
}

static uint8_t *next_of(const struct tool_input *input)
{
	return input->buffer + input->at_bytes;
}

/** What a person should know about bytes that are not what they should be. */
static const char *text_of(const struct tool_input *input, enum qr_error error)
{
	if (error == QR_AGAIN)
		return "it ends too soon: the backup is not whole, use another one";
	if (error == QR_VERSION)
		return "written in another format version: use the release that wrote it";
	if (error == QR_NOT_FOUND && input->parser.phase == STORE_BACKUP_BEGINS)
		return "this is no backup of Quorate";
	if (error == QR_IO || error == QR_NO_MEMORY)
		return qr_error_text(error);
	return "damaged: use another backup, or a copy of this one";
}

static enum qr_error check_nothing_follows(struct tool_input *input, struct store_problem *problem)
{
	enum qr_error error = need(input, 1);

	if (error == QR_AGAIN)
		return QR_NOT_FOUND;
	return told(input, error == QR_OK ? QR_MALFORMED : error,
		    error == QR_OK ? "something follows the end of the backup: use another one"
				   : qr_error_text(error),
		    problem);
}

enum qr_error tool_input_next(struct tool_input *input, struct store_backup_item *ret_item,
			      uint8_t **ret_bytes, struct store_problem *ret_problem)
{
	size_t size_bytes = 0;
	enum qr_error error;

	if (input->parser.phase == STORE_BACKUP_DONE)
		return check_nothing_follows(input, ret_problem);
	error = need(input, STORE_BACKUP_BLOCK_BYTES);
	if (error == QR_OK)
		error = store_backup_look(&input->parser, next_of(input), ret_item);
	if (error == QR_OK) {
		size_bytes = (size_t)ret_item->blocks * STORE_BACKUP_BLOCK_BYTES;
		error = need(input, size_bytes);
	}
	if (error == QR_OK)
		error = store_backup_take(&input->parser, next_of(input), ret_item);
	if (error != QR_OK) {
		return told(input, error == QR_NOT_FOUND ? QR_MALFORMED : error,
			    text_of(input, error), ret_problem);
	}
	*ret_bytes = next_of(input);
	input->at_bytes += size_bytes;
	input->passed_bytes += size_bytes;
	return QR_OK;
}
