/*
 * quorate-log restore: a backup becomes a node's data directory, or is only checked.
 *
 * Nothing of the input is trusted before its trailer has been read: the directory gets its identity
 * then, and no node opens it before. On any failure everything is removed again. A crash leaves a
 * directory without an identity, which nodes refuse and which a second restore refuses, too.
 */
#include "storage/tool/restore.h"
#include "storage/tool/backup.h"
#include "storage/tool/input.h"
#include "storage/tool/tool.h"

#include "consensus/wire/wire.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct restore {
	const struct tool_options *options;
	struct tool_input input;
	struct tool_restored restored;
	struct store_backup_group group; /* the one under way */
	bool wanted;
	uint32_t done; /* groups */
	struct store_problem problem;
};

static bool is_member(const struct store_backup_group *group, qr_node node)
{
	return qr_nodes_has(raft_configuration_members(&group->configuration), node);
}

static enum qr_error begin_group(struct restore *restore, const struct store_backup_group *group)
{
	const struct tool_options *options = restore->options;

	restore->group = *group;
	restore->wanted = !options->group_given || options->group == group->group;
	if (!restore->wanted || options->check)
		return QR_OK;
	if (!is_member(group, options->node)) {
		restore->wanted = false;
		(void)fprintf(stderr, "group %u: left out, node %u has no replica of it\n",
			      group->group, options->node);
		return QR_OK;
	}
	return tool_restored_group(&restore->restored, group);
}

static enum qr_error end_group(struct restore *restore, const struct store_backup_end *end)
{
	enum qr_error error = QR_OK;

	if (!restore->options->check)
		error = tool_restored_end(&restore->restored, end);
	if (error == QR_OK) {
		tool_backup_print(stdout, &restore->group, end);
		restore->done++;
	}
	return error;
}

static enum qr_error take(struct restore *restore, const struct store_backup_item *item,
			  uint8_t *bytes)
{
	bool writes = restore->wanted && !restore->options->check;

	switch (item->kind) {
	case STORE_BACKUP_HEADER:
		restore->restored.cluster = restore->options->cluster != NULL
						    ? wire_cluster_id(restore->options->cluster)
						    : item->header.cluster;
		return QR_OK;
	case STORE_BACKUP_GROUP:
		return begin_group(restore, &item->group);
	case STORE_BACKUP_SNAPSHOT:
		return writes ? tool_restored_snapshot(&restore->restored, &item->snapshot, bytes)
			      : QR_OK;
	case STORE_BACKUP_ENTRY:
		return writes ? tool_restored_entry(&restore->restored, &item->entry, bytes)
			      : QR_OK;
	case STORE_BACKUP_END:
		return restore->wanted ? end_group(restore, &item->end) : QR_OK;
	case STORE_BACKUP_TRAILER:
	default:
		return QR_OK;
	}
}

/** All of the input. */
static enum qr_error take_all(struct restore *restore)
{
	struct store_backup_item item;
	enum qr_error error;
	uint8_t *bytes;

	while ((error = tool_input_next(&restore->input, &item, &bytes, &restore->problem)) ==
	       QR_OK) {
		error = take(restore, &item, bytes);
		if (error != QR_OK) {
			restore->problem = restore->restored.problem;
			return error;
		}
	}
	if (error != QR_NOT_FOUND)
		return error;
	if (restore->done == 0 && restore->options->group_given) {
		(void)snprintf(restore->problem.text, sizeof(restore->problem.text),
			       "%.120s has no group %u%s", restore->input.name,
			       restore->options->group,
			       restore->options->check ? "" : " for this node");
		return QR_CONFIG;
	}
	return QR_OK;
}

static int check(struct restore *restore)
{
	if (take_all(restore) != QR_OK) {
		tool_complain(restore->problem.text);
		return TOOL_FAILED;
	}
	(void)printf("sound: %u groups of cluster %016llx\n", restore->input.parser.group_count,
		     (unsigned long long)restore->input.parser.cluster);
	return TOOL_OK;
}

/** Into a directory that is there for it. */
static enum qr_error fill(struct restore *restore, struct store_directory *directory)
{
	struct store_identity identity = {.node = restore->options->node};
	enum qr_error error;

	tool_restored_init(&restore->restored, directory, identity.node, 0);
	error = take_all(restore);
	identity.cluster = restore->restored.cluster;
	if (error == QR_OK && restore->done == 0) {
		(void)snprintf(restore->problem.text, sizeof(restore->problem.text),
			       "the backup has no log of node %u: restore it for one that has, or "
			       "back up another node",
			       identity.node);
		error = QR_CONFIG;
	}
	if (error == QR_OK)
		error = store_directory_seal(directory, &identity, &restore->problem);
	tool_restored_fini(&restore->restored);
	return error;
}

static int restore_into(struct restore *restore, const char *path)
{
	bool was_there = access(path, F_OK) == 0;
	struct store_directory directory;
	enum qr_error error = store_directory_create(path, &directory, &restore->problem);

	if (error == QR_OK) {
		error = fill(restore, &directory);
		if (error != QR_OK) {
			store_directory_discard(&directory);
			if (!was_there)
				(void)rmdir(path);
		}
		store_directory_close(&directory);
	}
	if (error != QR_OK) {
		tool_complain(restore->problem.text);
		return TOOL_FAILED;
	}
	(void)printf("%s is node %u's; start no node before the same backup is restored on all of "
		     "them\n",
		     path, restore->options->node);
	return TOOL_OK;
}

int tool_restore(const struct tool_options *options)
{
	static struct restore restore;
	int status;

	restore.options = options;
	if (options->operand_count != (options->check ? 1u : 2u)) {
		tool_complain(options->check ? "restore --check takes a backup and nothing else"
					     : "restore takes a backup and a directory");
		return TOOL_USAGE;
	}
	if (!options->check && options->node == 0) {
		tool_complain("whose directory is it to be? restore needs --node N");
		return TOOL_USAGE;
	}
	if (tool_input_open(&restore.input, options->operands[0], &restore.problem) != QR_OK) {
		tool_complain(restore.problem.text);
		return TOOL_FAILED;
	}
	status = options->check ? check(&restore) : restore_into(&restore, options->operands[1]);
	tool_input_close(&restore.input);
	return status;
}
