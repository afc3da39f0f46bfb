#include "tests/unit/storage/backup_sample.h"

#include "tests/unit/unit.h"

#include <string.h>

static struct backup_sample sample;
static struct store_backup_parser parser;

static enum qr_error parse(void)
{
	return sample_parse(sample.bytes, sample.blocks, &parser);
}

static uint8_t *block_at(uint32_t block)
{
	return sample.bytes + (size_t)block * STORE_BACKUP_BLOCK_BYTES;
}

static void what_was_written_is_read(void **state)
{
	(void)state;
	sample_whole(&sample);
	assert_int_equal(parse(), QR_OK);
	assert_int_equal(parser.group_count, 2);
	assert_int_equal(parser.cluster, SAMPLE_CLUSTER);
	assert_int_equal(parser.blocks, sample.blocks);
	assert_memory_equal(&parser.last, &sample.end.last, sizeof(parser.last));
}

static void the_layout_is_that_of_the_document(void **state)
{
	static const uint8_t header[] = {0x51, 0x52, 0x42, 0x31, 1, 0, 0, 0};
	static const uint8_t group[] = {0x51, 0x52, 0x47, 0x31, 1, 0, 0, 0};
	static const uint8_t end[] = {0x51, 0x52, 0x5a, 0x31, 1, 0, 0, 0};
	static const uint8_t trailer[] = {0x51, 0x52, 0x4c, 0x31, 1, 0, 0, 0};
	const uint8_t *last;

	(void)state;
	sample_whole(&sample);
	last = block_at(sample.blocks - 1);
	assert_memory_equal(block_at(0), header, sizeof(header));
	assert_int_equal(block_at(0)[16], 0x78); /* cluster */
	assert_int_equal(block_at(0)[24], 77);	 /* time */
	assert_int_equal(block_at(0)[32], 2);	 /* node */
	assert_memory_equal(block_at(1), group, sizeof(group));
	assert_int_equal(block_at(1)[12], 3);  /* group */
	assert_int_equal(block_at(1)[24], 32); /* segment_blocks */
	assert_int_equal(block_at(1)[28], 8);  /* stride_blocks */
	assert_int_equal(block_at(1)[32], 14); /* voters */
	assert_int_equal(block_at(1)[56], 5);  /* term */
	assert_memory_equal(last - STORE_BACKUP_BLOCK_BYTES, end, sizeof(end));
	assert_int_equal((last - STORE_BACKUP_BLOCK_BYTES)[24], 103); /* the last entry */
	assert_int_equal((last - STORE_BACKUP_BLOCK_BYTES)[64], 3);   /* entries */
	assert_int_equal((last - STORE_BACKUP_BLOCK_BYTES)[72], 9);   /* records */
	assert_memory_equal(last, trailer, sizeof(trailer));
	assert_int_equal(last[24], 2);			/* groups */
	assert_int_equal(last[32], sample.blocks - 1u); /* blocks */
}

static void every_byte_counts(void **state)
{
	(void)state;
	sample_whole(&sample);
	for (size_t at = 0; at < (size_t)sample.blocks * STORE_BACKUP_BLOCK_BYTES; at++) {
		sample.bytes[at] ^= (uint8_t)(1u << at % 8);
		assert_int_not_equal(parse(), QR_OK);
		sample.bytes[at] ^= (uint8_t)(1u << at % 8);
	}
	assert_int_equal(parse(), QR_OK);
}

static void every_end_that_comes_too_soon_is_told(void **state)
{
	(void)state;
	sample_whole(&sample);
	for (uint32_t blocks = 0; blocks < sample.blocks; blocks++)
		assert_int_equal(sample_parse(sample.bytes, blocks, &parser), QR_AGAIN);
}

static void another_version_is_told_from_damage(void **state)
{
	(void)state;
	sample_whole(&sample);
	block_at(0)[4] = 2;
	assert_int_equal(parse(), QR_CHECKSUM);
	sample_mend(block_at(0));
	assert_int_equal(parse(), QR_VERSION);
}

static void a_missing_block_is_missed(void **state)
{
	(void)state;
	for (uint32_t gone = 0;; gone++) {
		sample_whole(&sample);
		if (gone == sample.blocks)
			break;
		memmove(block_at(gone), block_at(gone + 1),
			(size_t)(sample.blocks - gone - 1) * STORE_BACKUP_BLOCK_BYTES);
		sample.blocks--;
		assert_int_not_equal(parse(), QR_OK);
	}
}

static void a_missing_group_is_missed(void **state)
{
	(void)state;
	sample_header(&sample);
	sample_group(&sample, 3, 0, 0);
	sample_entry(&sample, 100);
	sample_end(&sample);
	sample.group_count = 2; /* as if there had been another one */
	sample_trailer(&sample);
	assert_int_equal(parse(), QR_STALE);
}

static void the_trailer_sums_up_everything(void **state)
{
	uint8_t *last;

	(void)state;
	sample_whole(&sample);
	last = block_at(sample.blocks - 1);
	last[28] ^= 1; /* the checksum of what is in front, */
	sample_mend(last);
	assert_int_equal(parse(), QR_CHECKSUM);
	last[28] ^= 1;
	last[32] ^= 1; /* and how many blocks that is */
	sample_mend(last);
	assert_int_equal(parse(), QR_STALE);
}

static void nothing_may_follow_the_trailer(void **state)
{
	(void)state;
	sample_whole(&sample);
	sample_trailer(&sample);
	assert_int_equal(parse(), QR_MALFORMED);
}

static void a_group_that_begins_again_supersedes_what_was_there(void **state)
{
	(void)state;
	sample_header(&sample);
	sample_group(&sample, 3, 0, 0);
	sample_entry(&sample, 100);
	sample_entry(&sample, 100);
	sample_group(&sample, 3, 6, 1); /* the log begins later by now */
	sample_snapshot(&sample, &sample.group.before, 6);
	sample_entry(&sample, 200);
	sample_end(&sample);
	sample_trailer(&sample);
	assert_int_equal(parse(), QR_OK);
	assert_int_equal(parser.group_count, 1);
	assert_int_equal(parser.last.index, 101);
}

static void groups_come_once_and_in_order(void **state)
{
	(void)state;
	for (qr_group second = 2; second <= 3; second++) {
		sample_header(&sample);
		sample_group(&sample, 3, 0, 0);
		sample_end(&sample);
		sample_group(&sample, second, 0, 0);
		sample_end(&sample);
		sample_trailer(&sample);
		assert_int_equal(parse(), QR_MALFORMED);
	}
	sample_header(&sample);
	sample_group(&sample, 3, 0, 0);
	sample_group(&sample, 4, 0, 0); /* another one in the middle of it */
	sample_end(&sample);
	sample_trailer(&sample);
	assert_int_equal(parse(), QR_MALFORMED);
}

static void snapshots_stand_for_entries_of_the_log(void **state)
{
	struct store_prefix base;

	(void)state;
	sample_header(&sample);
	sample_group(&sample, 3, 0, 1);
	sample_entry(&sample, 3000);
	base = sample.end.last;
	for (unsigned wrong = 0; wrong < 3; wrong++) {
		sample_header(&sample);
		sample_group(&sample, 3, 0, 1);
		base.chain ^= wrong == 1;
		base.index += wrong == 2 ? 50 : 0; /* an entry that does not come */
		sample_snapshot(&sample, &base, 0);
		sample_entry(&sample, 3000);
		sample_end(&sample);
		sample_trailer(&sample);
		assert_int_equal(parse(), wrong == 0 ? QR_OK : QR_STALE);
	}
}

static void a_log_without_its_beginning_needs_the_snapshot_of_it(void **state)
{
	struct store_prefix base;

	(void)state;
	sample_header(&sample);
	sample_group(&sample, 4, 6, 0);
	assert_int_equal(parse(), QR_MALFORMED);
	sample_header(&sample);
	sample_group(&sample, 4, 6, 1);
	base = sample.group.before;
	base.chain++;
	sample_snapshot(&sample, &base, 6);
	assert_int_equal(parse(), QR_STALE);
}

static void what_no_log_can_be_is_malformed(void **state)
{
	(void)state;
	sample_header(&sample);
	sample_group(&sample, 3, 0, 0);
	block_at(1)[28] = 7; /* stride_blocks */
	sample_mend(block_at(1));
	assert_int_equal(parse(), QR_MALFORMED);
	sample_header(&sample);
	sample_group(&sample, 3, 0, 0);
	block_at(1)[56] = 3; /* a term below that of the entries */
	sample_mend(block_at(1));
	sample_entry(&sample, 10);
	assert_int_equal(parse(), QR_STALE);
	sample_header(&sample);
	sample_group(&sample, 3, 0, 0);
	sample.end.entries = 1;
	sample_end(&sample);
	assert_int_equal(parse(), QR_STALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(the_layout_is_that_of_the_document),
		cmocka_unit_test(every_byte_counts),
		cmocka_unit_test(every_end_that_comes_too_soon_is_told),
		cmocka_unit_test(another_version_is_told_from_damage),
		cmocka_unit_test(a_missing_block_is_missed),
		cmocka_unit_test(a_missing_group_is_missed),
		cmocka_unit_test(the_trailer_sums_up_everything),
		cmocka_unit_test(nothing_may_follow_the_trailer),
		cmocka_unit_test(a_group_that_begins_again_supersedes_what_was_there),
		cmocka_unit_test(groups_come_once_and_in_order),
		cmocka_unit_test(snapshots_stand_for_entries_of_the_log),
		cmocka_unit_test(a_log_without_its_beginning_needs_the_snapshot_of_it),
		cmocka_unit_test(what_no_log_can_be_is_malformed),
	};

	return cmocka_run_group_tests_name("storage/format/backup", tests, NULL, NULL);
}
