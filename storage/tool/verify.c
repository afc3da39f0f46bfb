/* quorate-log verify: what a restart would find in each group of a directory. */
#include "storage/tool/tool.h"

#include <stdio.h>

/** How one group fared. */
struct verdict {
	qr_group group;
	enum qr_error error; /* QR_OK: sound up to its end */
	struct store_damage damage;
	struct tool_replica replica; /* closed; its numbers */
	uint64_t records;
	struct tool_snapshots snapshots;
	struct store_problem problem;
};

static void examine(const struct tool_directory *directory, struct verdict *verdict)
{
	struct tool_replica *replica = &verdict->replica;
	struct store_entry entry;
	struct qr_span bytes;
	enum qr_error error =
		tool_replica_open(directory, verdict->group, replica, &verdict->problem);

	if (error == QR_NOT_FOUND)
		return; /* created, never used */
	if (error != QR_OK) {
		verdict->error = error;
		return;
	}
	while ((error = tool_replica_next(replica, &entry, &bytes)) == QR_OK)
		verdict->records += entry.record_count;
	if (error != QR_NOT_FOUND) {
		verdict->error = error;
		verdict->damage = store_log_damage(replica->log);
		(void)snprintf(verdict->problem.text, sizeof(verdict->problem.text),
			       "entry %llu, segment %llu, byte %llu: %s",
			       (unsigned long long)verdict->damage.index,
			       (unsigned long long)verdict->damage.segment,
			       (unsigned long long)verdict->damage.offset_bytes,
			       qr_error_text(verdict->damage.reason == QR_NOT_FOUND
						     ? QR_CORRUPT
						     : verdict->damage.reason));
	}
	tool_snapshots_examine(replica, directory->identity.cluster, &verdict->snapshots);
	if (verdict->error == QR_OK && verdict->snapshots.error != QR_OK) {
		verdict->error = verdict->snapshots.error;
		verdict->problem = verdict->snapshots.problem;
	}
	tool_replica_close(replica);
}

/** The first entry that is there; of an empty log that which would be next. */
static qr_index first_of(const struct tool_replica *replica)
{
	return replica->entries > 0 ? replica->before.index + 1 : replica->slot.start.before + 1;
}

static qr_offset first_offset_of(const struct tool_replica *replica)
{
	return replica->entries > 0 ? replica->before.offset : replica->slot.start.offset;
}

/** Nothing where the log is all there; else what is left of it, and what of that is still served.
 */
static void print_start(const struct verdict *verdict)
{
	const struct tool_replica *replica = &verdict->replica;

	if (first_of(replica) <= 1)
		return;
	(void)printf("begins at entry %llu, record %llu", (unsigned long long)first_of(replica),
		     (unsigned long long)first_offset_of(replica));
	if (replica->slot.start.offset > first_offset_of(replica)) {
		(void)printf(" (kept from record %llu on)",
			     (unsigned long long)replica->slot.start.offset);
	}
	(void)printf("; ");
}

static void print_snapshots(const struct verdict *verdict)
{
	const struct tool_snapshots *snapshots = &verdict->snapshots;

	if (snapshots->sound + snapshots->unfinished == 0)
		return;
	(void)printf(", %u snapshots", snapshots->sound);
	if (snapshots->unfinished > 0)
		(void)printf(" and %u unfinished", snapshots->unfinished);
}

static void print_text(const struct verdict *verdict)
{
	const struct tool_replica *replica = &verdict->replica;

	(void)printf("group %u: ", verdict->group);
	print_start(verdict);
	(void)printf("%llu entries, %llu records, %llu blocks in %llu segments, term %llu, "
		     "settled up to %llu",
		     (unsigned long long)replica->entries, (unsigned long long)verdict->records,
		     (unsigned long long)replica->last.block,
		     (unsigned long long)replica->segments.count,
		     (unsigned long long)replica->last.term,
		     (unsigned long long)replica->slot.settled.index);
	print_snapshots(verdict);
	(void)printf(": ");
	if (verdict->error != QR_OK) {
		(void)printf("DAMAGED: %s\n", verdict->problem.text);
	} else if (replica->torn_blocks > 0) {
		(void)printf("sound; a torn tail of %u blocks, which a restart cuts\n",
			     replica->torn_blocks);
	} else {
		(void)printf("sound\n");
	}
}

static void print_json(const struct verdict *verdict, bool first)
{
	const struct tool_replica *replica = &verdict->replica;

	(void)printf(
		"%s{\"group\":%u,\"sound\":%s,\"first\":%llu,\"first_offset\":%llu,"
		"\"start\":%llu,\"entries\":%llu,\"records\":%llu,"
		"\"blocks\":%llu,\"segments\":%llu,\"last\":%llu,\"term\":%llu,"
		"\"settled\":%llu,\"torn_blocks\":%u,\"snapshots\":%u,"
		"\"snapshots_unfinished\":%u,\"problem\":",
		first ? "" : ",", verdict->group, verdict->error == QR_OK ? "true" : "false",
		(unsigned long long)first_of(replica), (unsigned long long)first_offset_of(replica),
		(unsigned long long)replica->slot.start.offset,
		(unsigned long long)replica->entries, (unsigned long long)verdict->records,
		(unsigned long long)replica->last.block,
		(unsigned long long)replica->segments.count,
		(unsigned long long)replica->last.index, (unsigned long long)replica->last.term,
		(unsigned long long)replica->slot.settled.index, replica->torn_blocks,
		verdict->snapshots.sound, verdict->snapshots.unfinished);
	tool_print_string(verdict->error == QR_OK ? "" : verdict->problem.text);
	(void)printf("}");
}

int tool_verify(const struct tool_options *options)
{
	static struct tool_directory directory;
	struct store_problem problem = {""};
	int status = TOOL_OK;
	bool first = true;

	if (tool_directory_open(options->operands[0], false, &directory, &problem) != QR_OK) {
		tool_complain(problem.text);
		return TOOL_FAILED;
	}
	if (options->json)
		(void)printf("[");
	for (uint32_t i = 0; i < directory.group_count; i++) {
		struct verdict verdict = {.group = directory.groups[i]};

		if (options->group_given && options->group != verdict.group)
			continue;
		examine(&directory, &verdict);
		if (verdict.error != QR_OK)
			status = TOOL_FAILED;
		if (options->json) {
			print_json(&verdict, first);
		} else {
			print_text(&verdict);
		}
		first = false;
	}
	if (options->json)
		(void)printf("]\n");
	if (first && options->group_given) {
		tool_complain("no such group in this directory");
		status = TOOL_FAILED;
	}
	tool_directory_close(&directory);
	return status;
}
