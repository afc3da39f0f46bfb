/* quorate-log dump: the entries of one group, one line each. */
#include "storage/tool/tool.h"

#include <stdio.h>

static const char *kind_name(enum raft_entry_kind kind)
{
	switch (kind) {
	case RAFT_ENTRY_DATA:
		return "data";
	case RAFT_ENTRY_NOOP:
		return "noop";
	case RAFT_ENTRY_CONFIGURATION:
		return "configuration";
	case RAFT_ENTRY_SESSION:
		return "session";
	case RAFT_ENTRY_TRIM:
		return "trim";
	default:
		return "unknown";
	}
}

static void print_entry(const struct store_entry *entry, bool json)
{
	(void)printf(json ? "{\"index\":%llu,\"term\":%llu,\"kind\":\"%s\",\"block\":%llu,"
			    "\"blocks\":%u,\"bytes\":%u,\"offset\":%llu,\"records\":%u,"
			    "\"commit\":%llu,\"time_ns\":%llu,\"crc\":\"%08x\","
			    "\"chain\":\"%016llx\"}\n"
			  : "%llu term=%llu %s block=%llu+%u bytes=%u offset=%llu+%u commit=%llu "
			    "time=%llu crc=%08x chain=%016llx\n",
		     (unsigned long long)entry->index, (unsigned long long)entry->term,
		     kind_name(entry->kind), (unsigned long long)entry->block, entry->blocks,
		     entry->payload_bytes, (unsigned long long)entry->first_offset,
		     entry->record_count, (unsigned long long)entry->commit,
		     (unsigned long long)entry->time_ns, entry->payload_crc,
		     (unsigned long long)entry->chain);
}

/** What was asked for has been given up. */
static void tell_start(const struct tool_directory *directory, const struct tool_options *options,
		       qr_index first)
{
	(void)fprintf(stderr,
		      "quorate-log: %s: group %u begins at entry %llu: entry %llu is gone\n",
		      directory->path, options->group, (unsigned long long)first,
		      (unsigned long long)options->from);
}

static int dump_group(const struct tool_directory *directory, const struct tool_options *options)
{
	struct store_problem problem = {""};
	struct tool_replica replica;
	struct store_entry entry;
	struct qr_span bytes;
	uint64_t printed = 0;
	enum qr_error error = tool_replica_open(directory, options->group, &replica, &problem);

	if (error == QR_NOT_FOUND)
		return TOOL_OK; /* created, never used */
	if (error != QR_OK) {
		tool_complain(problem.text);
		return TOOL_FAILED;
	}
	while ((options->count == 0 || printed < options->count) &&
	       (error = tool_replica_next(&replica, &entry, &bytes)) == QR_OK) {
		if (replica.entries == 1 && options->from != 0 && options->from < entry.index)
			tell_start(directory, options, entry.index);
		if (entry.index < options->from)
			continue;
		print_entry(&entry, options->json);
		printed++;
	}
	if (error != QR_OK && error != QR_NOT_FOUND)
		tool_complain(qr_error_text(error));
	tool_replica_close(&replica);
	return error == QR_OK || error == QR_NOT_FOUND ? TOOL_OK : TOOL_FAILED;
}

int tool_dump(const struct tool_options *options)
{
	static struct tool_directory directory;
	struct store_problem problem = {""};
	int status;

	if (!options->group_given) {
		tool_complain("dump needs --group N");
		return TOOL_USAGE;
	}
	if (tool_directory_open(options->operands[0], false, &directory, &problem) != QR_OK) {
		tool_complain(problem.text);
		return TOOL_FAILED;
	}
	if (tool_directory_has(&directory, options->group)) {
		status = dump_group(&directory, options);
	} else {
		tool_complain("no such group in this directory");
		status = TOOL_FAILED;
	}
	tool_directory_close(&directory);
	return status;
}
