/*
 * quorate-log diff: are these replicas of one log the same, byte for byte, as far as they all
 * reach?
 *
 * Replicas that stopped at different moments differ at their ends: one may be longer, and above the
 * commit index they may hold entries that lost. The highest commit index that any header or slot
 * names is a lower bound of what was committed: a difference at or below it is a failure; above it,
 * the replicas are the same up to there and their tails are reported.
 *
 * One that gave up more in front begins later: they are compared from the latest beginning on.
 * Where one ends before another begins nothing can be said, and that is a failure too.
 */
#include "storage/tool/tool.h"

#include "consensus/base/crc.h"

#include <stdio.h>
#include <string.h>

struct side {
	struct tool_replica replica;
	enum qr_error error; /* QR_OK while it gives entries, QR_NOT_FOUND at its end */
	struct store_entry entry;
	struct qr_span bytes;
	uint64_t digest; /* CRC64 over the blocks that were compared */
};

struct comparison {
	qr_group group;
	uint32_t count;
	struct side sides[TOOL_DIRECTORIES_MAX];
	bool failed;		    /* a side cannot be read, or is damaged */
	bool differs;		    /* at entry `same.index + 1` */
	bool apart;		    /* one ends before another begins */
	struct store_prefix before; /* the first entry that was compared */
	struct store_prefix same;
	qr_index commit;
};

static struct tool_directory directories[TOOL_DIRECTORIES_MAX];

static void advance(struct comparison *comparison, uint32_t number)
{
	struct side *side = &comparison->sides[number];

	if (side->error != QR_OK)
		return;
	side->error = tool_replica_next(&side->replica, &side->entry, &side->bytes);
	if (side->error != QR_OK && side->error != QR_NOT_FOUND) {
		(void)fprintf(stderr, "quorate-log: %s: group %u: damaged after entry %llu: %s\n",
			      directories[number].path, comparison->group,
			      (unsigned long long)side->replica.last.index,
			      qr_error_text(side->error));
		comparison->failed = true;
	}
}

static bool all_have_one(const struct comparison *comparison)
{
	for (uint32_t i = 0; i < comparison->count; i++) {
		if (comparison->sides[i].error != QR_OK)
			return false;
	}
	return true;
}

static bool all_equal(const struct comparison *comparison)
{
	const struct qr_span *first = &comparison->sides[0].bytes;

	for (uint32_t i = 1; i < comparison->count; i++) {
		const struct qr_span *other = &comparison->sides[i].bytes;

		if (other->size_bytes != first->size_bytes ||
		    comparison->sides[i].entry.block != comparison->sides[0].entry.block ||
		    memcmp(first->data, other->data, first->size_bytes) != 0)
			return false;
	}
	return true;
}

/** Pass over what not all of them have any more. */
static void skip_to_latest_start(struct comparison *comparison)
{
	qr_index latest = 1;

	for (uint32_t i = 0; i < comparison->count; i++) {
		const struct side *side = &comparison->sides[i];

		if (side->error == QR_OK && side->entry.index > latest)
			latest = side->entry.index;
	}
	for (uint32_t i = 0; i < comparison->count; i++) {
		struct side *side = &comparison->sides[i];

		while (side->error == QR_OK && side->entry.index < latest)
			advance(comparison, i);
		if (side->error == QR_OK && side->entry.index == latest) {
			comparison->before = (struct store_prefix){
				.index = latest - 1,
				.block = side->entry.block,
				.offset = side->entry.first_offset,
			};
		}
		comparison->apart |= side->error == QR_NOT_FOUND && latest > 1;
	}
	comparison->same = comparison->before;
}

/** In step as long as all have an entry and they are the same. */
static void compare(struct comparison *comparison)
{
	skip_to_latest_start(comparison);
	while (all_have_one(comparison) && !comparison->differs) {
		comparison->differs = !all_equal(comparison);
		if (comparison->differs)
			break;
		comparison->same = comparison->sides[0].replica.last;
		for (uint32_t i = 0; i < comparison->count; i++) {
			struct side *side = &comparison->sides[i];

			side->digest =
				qr_crc64(side->digest, side->bytes.data, side->bytes.size_bytes);
			advance(comparison, i);
		}
	}
	/* The rest of each is read for damage, and for the commit index that it names. */
	for (uint32_t i = 0; i < comparison->count; i++) {
		while (comparison->sides[i].error == QR_OK)
			advance(comparison, i);
		if (comparison->commit < comparison->sides[i].replica.commit)
			comparison->commit = comparison->sides[i].replica.commit;
	}
}

static void open_sides(struct comparison *comparison)
{
	for (uint32_t i = 0; i < comparison->count; i++) {
		struct side *side = &comparison->sides[i];
		struct store_problem problem = {""};

		if (!tool_directory_has(&directories[i], comparison->group)) {
			(void)fprintf(stderr, "quorate-log: %s has no group %u\n",
				      directories[i].path, comparison->group);
			side->error = QR_IO;
			comparison->failed = true;
			continue;
		}
		side->error = tool_replica_open(&directories[i], comparison->group, &side->replica,
						&problem);
		if (side->error != QR_OK && side->error != QR_NOT_FOUND) {
			tool_complain(problem.text);
			comparison->failed = true;
		}
		advance(comparison, i);
	}
}

static bool is_identical(const struct comparison *comparison)
{
	if (comparison->failed || comparison->apart)
		return false;
	return !comparison->differs || comparison->same.index >= comparison->commit;
}

/** Entries of a side behind what was compared. */
static unsigned long long tail_of(const struct comparison *comparison, uint32_t number)
{
	qr_index last = comparison->sides[number].replica.last.index;

	return last > comparison->same.index ? last - comparison->same.index : 0;
}

/** What stands in front of the first entry that was compared: who begins there, and why. */
static void print_start(const struct comparison *comparison)
{
	if (comparison->before.index == 0)
		return;
	(void)printf(", from entry %llu on", (unsigned long long)comparison->before.index + 1);
}

static void print_text(const struct comparison *comparison)
{
	unsigned long long same = comparison->same.index;

	(void)printf("group %u: %s up to entry %llu (%llu blocks, record %llu)", comparison->group,
		     is_identical(comparison) ? "identical" : "DIFFERENT after identity", same,
		     (unsigned long long)comparison->same.block,
		     (unsigned long long)comparison->same.offset);
	if (comparison->differs && !is_identical(comparison)) {
		(void)printf("; entry %llu differs, committed up to %llu", same + 1,
			     (unsigned long long)comparison->commit);
	}
	print_start(comparison);
	if (comparison->apart)
		(void)printf("; nothing was compared: one ends before another begins");
	(void)printf("\n");
	for (uint32_t i = 0; i < comparison->count; i++) {
		const struct side *side = &comparison->sides[i];

		(void)printf("  %-40s digest %016llx, ", directories[i].path,
			     (unsigned long long)side->digest);
		if (side->replica.before.index > 0) {
			(void)printf("begins at entry %llu, ",
				     (unsigned long long)side->replica.before.index + 1);
		}
		(void)printf("last entry %llu, tail of %llu not compared\n",
			     (unsigned long long)side->replica.last.index, tail_of(comparison, i));
	}
}

static void print_json(const struct comparison *comparison, bool first)
{
	(void)printf("%s{\"group\":%u,\"identical\":%s,\"compared_from\":%llu,"
		     "\"compared_entries\":%llu,"
		     "\"compared_blocks\":%llu,\"compared_records\":%llu,\"committed\":%llu,"
		     "\"replicas\":[",
		     first ? "" : ",", comparison->group,
		     is_identical(comparison) ? "true" : "false",
		     (unsigned long long)comparison->before.index + 1,
		     (unsigned long long)(comparison->same.index - comparison->before.index),
		     (unsigned long long)(comparison->same.block - comparison->before.block),
		     (unsigned long long)(comparison->same.offset - comparison->before.offset),
		     (unsigned long long)comparison->commit);
	for (uint32_t i = 0; i < comparison->count; i++) {
		const struct side *side = &comparison->sides[i];

		(void)printf("%s{\"directory\":", i == 0 ? "" : ",");
		tool_print_string(directories[i].path);
		(void)printf(",\"digest\":\"%016llx\",\"first\":%llu,\"last\":%llu,\"tail\":%llu}",
			     (unsigned long long)side->digest,
			     (unsigned long long)side->replica.before.index + 1,
			     (unsigned long long)side->replica.last.index, tail_of(comparison, i));
	}
	(void)printf("]}");
}

/** @return whether the replicas of the group are the same. */
static bool diff_group(const struct tool_options *options, qr_group group, bool first)
{
	static struct comparison comparison;

	memset(&comparison, 0, sizeof(comparison));
	comparison.group = group;
	comparison.count = options->operand_count;
	open_sides(&comparison);
	compare(&comparison);
	if (options->json) {
		print_json(&comparison, first);
	} else {
		print_text(&comparison);
	}
	for (uint32_t i = 0; i < comparison.count; i++) {
		if (comparison.sides[i].replica.log != NULL)
			tool_replica_close(&comparison.sides[i].replica);
	}
	return is_identical(&comparison);
}

/** The lowest group of any directory that is not below `from`. */
static bool next_group(uint32_t count, uint64_t from, qr_group *ret_group)
{
	bool found = false;

	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < directories[i].group_count; k++) {
			qr_group group = directories[i].groups[k];

			if (group < from || (found && group >= *ret_group))
				continue;
			*ret_group = group;
			found = true;
		}
	}
	return found;
}

static bool diff_all(const struct tool_options *options)
{
	bool identical = true;
	bool first = true;
	uint64_t from = 0;
	qr_group group = 0;

	if (options->json)
		(void)printf("{\"groups\":[");
	while (next_group(options->operand_count, from, &group)) {
		from = (uint64_t)group + 1;
		if (options->group_given && group != options->group)
			continue;
		identical = diff_group(options, group, first) && identical;
		first = false;
	}
	if (options->group_given && first) {
		tool_complain("no such group in these directories");
		identical = false;
	}
	if (options->json)
		(void)printf("],\"identical\":%s}\n", identical ? "true" : "false");
	return identical;
}

int tool_diff(const struct tool_options *options)
{
	struct store_problem problem = {""};
	uint32_t opened = 0;
	int status = TOOL_FAILED;

	while (opened < options->operand_count) {
		if (tool_directory_open(options->operands[opened], false, &directories[opened],
					&problem) != QR_OK) {
			tool_complain(problem.text);
			break;
		}
		opened++;
	}
	if (opened == options->operand_count && diff_all(options))
		status = TOOL_OK;
	while (opened > 0)
		tool_directory_close(&directories[--opened]);
	return status;
}
