/*
 * quorate-log backup: the logs of one node, as far as its directory proves that they are committed,
 * as one stream (docs/formats/backup.md). The node may run: nothing is written, and nothing locked.
 *
 * What an entry needs to be taken is that it is settled, or that a sound entry behind it, in the
 * same chain, says that it was committed. What is above may still lose an election, and nobody was
 * told of it: it is held back until a header behind it speaks for it, and left out if none does.
 *
 * A group begins where the log does, with the snapshot that stands for what was in front of it. If
 * retention moves on and takes what was to be read, the group begins again, in the same stream; a
 * reader forgets what it had of it (a pipe cannot be taken back).
 *
 * A crash leaves a file under its temporary name, or a stream without its trailer: no backup.
 */
#include "storage/format/backup.h"
#include "storage/tool/backup.h"
#include "storage/tool/tool.h"

#include <signal.h>
#include <stdio.h>

#define ATTEMPTS_MAX 5

static struct tool_directory directories[TOOL_DIRECTORIES_MAX];

static void write_header(struct tool_output *output, const struct store_identity *identity)
{
	uint8_t block[STORE_BACKUP_BLOCK_BYTES];
	const struct store_backup_header header = {
		.cluster = identity->cluster, .node = identity->node, .time_ns = tool_wall_ns()};

	store_backup_header_encode(block, &header);
	tool_output_write(output, (struct qr_span){block, sizeof(block)});
}

static void write_trailer(struct tool_output *output, uint64_t cluster, uint32_t group_count)
{
	uint8_t block[STORE_BACKUP_BLOCK_BYTES];
	const struct store_backup_trailer trailer = {
		.cluster = cluster,
		.group_count = group_count,
		.crc = output->crc,
		.blocks = output->size_bytes / STORE_BACKUP_BLOCK_BYTES,
	};

	store_backup_trailer_encode(block, &trailer);
	tool_output_write(output, (struct qr_span){block, sizeof(block)});
}

/* ---- groups ---- */

/** @return whether the group is in the backup, or has never been used: *ret_taken says which. */
static bool back_up_group(struct tool_output *output, uint32_t count, qr_group group,
			  bool *ret_taken)
{
	struct tool_backup backup = {
		.output = output, .directories = directories, .count = count, .group = group};
	enum qr_error error = QR_AGAIN;

	for (unsigned attempt = 0; error == QR_AGAIN && attempt < ATTEMPTS_MAX; attempt++)
		error = tool_backup_group(&backup);
	*ret_taken = error == QR_OK;
	if (error == QR_OK) {
		tool_backup_print(stderr, &backup.begin, &backup.end);
	} else if (error == QR_NOT_FOUND) {
		(void)fprintf(stderr, "group %u: never used\n", group);
	} else if (error == QR_AGAIN) {
		(void)fprintf(stderr,
			      "quorate-log: group %u: its oldest segments were given up while they "
			      "were read, %d times: back up a node that is stopped, or keep more "
			      "(retention)\n",
			      group, ATTEMPTS_MAX);
	} else if (!tool_output_has_failed(output)) { /* else closing it tells */
		tool_complain(backup.problem.text);
	}
	return error == QR_OK || error == QR_NOT_FOUND;
}

static bool back_up_all(const struct tool_options *options, struct tool_output *output)
{
	const struct tool_directory *first = &directories[0];
	uint32_t group_count = 0;
	bool sound = true;

	write_header(output, &first->identity);
	for (uint32_t i = 0; i < first->group_count && sound; i++) {
		bool taken = false;

		if (options->group_given && options->group != first->groups[i])
			continue;
		sound = back_up_group(output, options->operand_count, first->groups[i], &taken);
		group_count += taken;
	}
	write_trailer(output, first->identity.cluster, group_count);
	return sound;
}

static int back_up(const struct tool_options *options)
{
	struct store_problem problem = {""};
	struct tool_output output;
	bool whole;

	if (options->group_given && !tool_directory_has(&directories[0], options->group)) {
		tool_complain("no such group in this directory");
		return TOOL_FAILED;
	}
	if (tool_output_open(&output, options->output, &problem) != QR_OK) {
		tool_complain(problem.text);
		return TOOL_FAILED;
	}
	whole = back_up_all(options, &output);
	if (tool_output_close(&output, whole, &problem) != QR_OK) {
		tool_complain(problem.text);
		return TOOL_FAILED;
	}
	return whole ? TOOL_OK : TOOL_FAILED;
}

/** All of one cluster. */
static bool open_directories(const struct tool_options *options, uint32_t *ret_opened)
{
	struct store_problem problem = {""};

	for (*ret_opened = 0; *ret_opened < options->operand_count; (*ret_opened)++) {
		struct tool_directory *directory = &directories[*ret_opened];

		if (tool_directory_open(options->operands[*ret_opened], true, directory,
					&problem) != QR_OK) {
			tool_complain(problem.text);
			return false;
		}
		if (directory->identity.cluster != directories[0].identity.cluster) {
			(void)fprintf(stderr,
				      "quorate-log: %s belongs to another cluster than %s\n",
				      directory->path, directories[0].path);
			(*ret_opened)++;
			return false;
		}
	}
	return true;
}

int tool_backup(const struct tool_options *options)
{
	uint32_t opened = 0;
	int status = TOOL_FAILED;

	(void)signal(SIGPIPE, SIG_IGN); /* the failed write tells */
	if (open_directories(options, &opened))
		status = back_up(options);
	while (opened > 0)
		tool_directory_close(&directories[--opened]);
	return status;
}
