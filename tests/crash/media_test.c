/* What a power cut may leave, and what it may not. */
#include "tests/crash/media.h"

#include "consensus/base/assert.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

#define SECTORS 4
#define BYTES ((size_t)SECTORS * MEDIA_SECTOR_BYTES)

static struct media media;
static uint32_t next_id;

static int set_up(void **state)
{
	(void)state;
	media_init(&media);
	next_id = 1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	media_fini(&media);
	return 0;
}

static uint32_t begin(struct tape_op op)
{
	op.id = next_id++;
	media_begin(&media, &op);
	return op.id;
}

static void run(struct tape_op op)
{
	media_end(&media, begin(op), false);
}

static struct tape_op named(enum tape_op_kind kind, const char *name, const char *new_name)
{
	struct tape_op op = {.kind = kind, .file = media.file_count, .folder = TAPE_TOP};

	memcpy(op.name, name, strlen(name) + 1);
	memcpy(op.new_name, new_name, strlen(new_name) + 1);
	return op;
}

static struct tape_op on_file(enum tape_op_kind kind, uint32_t file)
{
	return (struct tape_op){.kind = kind, .file = file};
}

/** A write of four sectors, all bytes `fill`. */
static struct tape_op filling(uint32_t file, uint8_t fill, bool dsync)
{
	static uint8_t bytes[256][BYTES];

	memset(bytes[fill], fill, BYTES);
	return (struct tape_op){.kind = TAPE_OP_WRITE,
				.file = file,
				.size_bytes = (uint32_t)BYTES,
				.dsync = dsync,
				.data = bytes[fill]};
}

/** A file whose name, length and zeros are stable. */
static uint32_t stable_file(void)
{
	struct tape_op create = named(TAPE_OP_CREATE, "file", "");
	struct tape_op extend = on_file(TAPE_OP_EXTEND, create.file);

	extend.size_bytes = (uint32_t)BYTES;
	run(create);
	run(extend);
	run(on_file(TAPE_OP_SYNC, create.file));
	run(on_file(TAPE_OP_SYNC, TAPE_TOP));
	assert_int_equal(media.pending.count, 0);
	return create.file;
}

/** The file's sectors in one image, as a string of their bytes; "" when it has no name. */
static const char *image_of(uint32_t file, enum media_mode mode, uint64_t bits, uint64_t seed)
{
	static char text[SECTORS + 1];
	struct media_pick pick = media_pick_of(mode, bits, seed);
	uint32_t mark = media_mark(&media);

	memset(text, 0, sizeof(text));
	media_apply(&media, &media.pending, &pick);
	if (media_find(&media, TAPE_TOP, "file") == file) {
		const struct media_file *found = media_file(&media, file);

		for (uint32_t s = 0; s * MEDIA_SECTOR_BYTES < found->size_bytes; s++) {
			uint8_t first = found->data[(size_t)s * MEDIA_SECTOR_BYTES];

			text[s] = (char)(first == 0 ? '0' : first);
		}
	}
	media_rewind(&media, mark);
	return text;
}

static void what_is_written_with_dsync_survives_once_it_has_ended(void **state)
{
	uint32_t file = stable_file();
	uint32_t id = begin(filling(file, 'a', true));

	(void)state;
	assert_string_equal(image_of(file, MEDIA_PICK_NONE, 0, 0), "0000");
	assert_string_equal(image_of(file, MEDIA_PICK_ALL, 0, 0), "aaaa");
	media_end(&media, id, false);
	assert_int_equal(media.pending.count, 0);
	assert_string_equal(image_of(file, MEDIA_PICK_NONE, 0, 0), "aaaa");
}

static void every_subset_of_the_sectors_in_flight_is_an_image(void **state)
{
	uint32_t file = stable_file();
	bool seen[1 << SECTORS] = {false};

	(void)state;
	(void)begin(filling(file, 'a', true));
	assert_int_equal(media_size(&media, &media.pending).sectors, SECTORS);
	for (uint64_t bits = 0; bits < 1 << SECTORS; bits++) {
		const char *text = image_of(file, MEDIA_PICK_SECTORS, bits, 0);
		unsigned found = 0;

		for (unsigned s = 0; s < SECTORS; s++)
			found |= (unsigned)(text[s] == 'a') << s;
		assert_false(seen[found]);
		seen[found] = true;
	}
	assert_string_equal(image_of(file, MEDIA_PICK_PREFIX, 3, 0), "aaa0");
}

static void drawn_tears_reach_every_subset_too(void **state)
{
	uint32_t file = stable_file();
	bool seen[1 << SECTORS] = {false};
	unsigned count = 0;

	(void)state;
	(void)begin(filling(file, 'a', true));
	for (uint64_t seed = 0; seed < 2000; seed++) {
		const char *text = image_of(file, MEDIA_PICK_RANDOM, 0, seed);
		unsigned found = 0;

		for (unsigned s = 0; s < SECTORS; s++)
			found |= (unsigned)(text[s] == 'a') << s;
		count += !seen[found];
		seen[found] = true;
	}
	assert_int_equal(count, 1 << SECTORS);
}

static void what_is_cached_survives_only_a_sync_that_began_later(void **state)
{
	uint32_t file = stable_file();
	uint32_t write = begin(filling(file, 'a', false));
	uint32_t early = begin(on_file(TAPE_OP_SYNC, file));

	(void)state;
	media_end(&media, write, false);
	media_end(&media, early, false);
	assert_string_equal(image_of(file, MEDIA_PICK_NONE, 0, 0), "0000");
	run(on_file(TAPE_OP_SYNC, file));
	assert_string_equal(image_of(file, MEDIA_PICK_NONE, 0, 0), "aaaa");
}

static void a_failed_operation_leaves_nothing(void **state)
{
	uint32_t file = stable_file();

	(void)state;
	media_end(&media, begin(filling(file, 'a', true)), true);
	assert_string_equal(image_of(file, MEDIA_PICK_ALL, 0, 0), "0000");
}

/** Of two writes to a sector the later one wins, whichever is stable first. */
static void the_order_of_writes_to_one_place_stays(void **state)
{
	uint32_t file = stable_file();

	(void)state;
	run(filling(file, 'a', false));
	run(filling(file, 'b', true));
	for (uint64_t seed = 0; seed < 50; seed++)
		assert_string_equal(image_of(file, MEDIA_PICK_RANDOM, 0, seed), "bbbb");
	run(on_file(TAPE_OP_SYNC, file));
	assert_int_equal(media.pending.count, 0);
	assert_string_equal(image_of(file, MEDIA_PICK_NONE, 0, 0), "bbbb");
}

static void a_name_needs_the_sync_of_its_folder(void **state)
{
	struct tape_op create = named(TAPE_OP_CREATE, "file.tmp", "");
	struct tape_op rename = named(TAPE_OP_RENAME, "file.tmp", "file");

	(void)state;
	rename.file = create.file;
	run(create);
	run(filling(create.file, 'a', true));
	run(rename);
	assert_true(media_size(&media, &media.pending).names);
	assert_string_equal(image_of(create.file, MEDIA_PICK_NONE, 0, 0), "");
	assert_string_equal(image_of(create.file, MEDIA_PICK_ALL, 0, 0), "aaaa");
	assert_int_equal(media_find_visible(&media, TAPE_TOP, "file"), create.file);
	run(on_file(TAPE_OP_SYNC, TAPE_TOP));
	assert_string_equal(image_of(create.file, MEDIA_PICK_NONE, 0, 0), "aaaa");
	assert_int_equal(media_find(&media, TAPE_TOP, "file.tmp"), MEDIA_NONE);
}

/** A file that is made under its own name, and grows as it is written. */
static void what_makes_a_file_longer_survives_with_it(void **state)
{
	struct tape_op create = named(TAPE_OP_CREATE, "file", "");
	struct tape_op write = filling(create.file, 'a', true);
	bool longer = false;
	uint32_t id;

	(void)state;
	run(create);
	assert_int_equal(media_find(&media, TAPE_TOP, "file"), MEDIA_NONE);
	run(on_file(TAPE_OP_SYNC, TAPE_TOP));
	assert_int_equal(media_find(&media, TAPE_TOP, "file"), create.file);
	write.offset_bytes = MEDIA_SECTOR_BYTES;
	write.size_bytes -= MEDIA_SECTOR_BYTES;
	id = begin(write);
	assert_string_equal(image_of(create.file, MEDIA_PICK_NONE, 0, 0), "");
	assert_string_equal(image_of(create.file, MEDIA_PICK_SECTORS, 2, 0), "00a");
	assert_string_equal(image_of(create.file, MEDIA_PICK_ALL, 0, 0), "0aaa");
	for (uint64_t seed = 0; seed < 200; seed++) {
		const char *text = image_of(create.file, MEDIA_PICK_RANDOM, 0, seed);

		longer = longer || strcmp(text, "0000") == 0;
	}
	assert_true(longer); /* the length without the contents */
	media_end(&media, id, false);
	assert_int_equal(media.pending.count, 0);
	assert_string_equal(image_of(create.file, MEDIA_PICK_NONE, 0, 0), "0aaa");
}

/** Renamed without having been synced: the name may be there before the contents, and the length.
 */
static void a_rename_does_not_wait_for_the_contents(void **state)
{
	struct tape_op create = named(TAPE_OP_CREATE, "file.tmp", "");
	struct tape_op rename = named(TAPE_OP_RENAME, "file.tmp", "file");
	bool empty = false;
	bool torn = false;

	(void)state;
	rename.file = create.file;
	run(create);
	run(filling(create.file, 'a', false));
	run(rename);
	run(on_file(TAPE_OP_SYNC, TAPE_TOP));
	empty = media_find(&media, TAPE_TOP, "file") == create.file &&
		media_file(&media, create.file)->size_bytes == 0;
	for (uint64_t seed = 0; seed < 200; seed++) {
		const char *text = image_of(create.file, MEDIA_PICK_RANDOM, 0, seed);

		torn = torn || (strchr(text, '0') != NULL && strchr(text, 'a') != NULL);
	}
	assert_true(empty && torn);
}

static void a_killed_process_leaves_all_of_it_in_caches(void **state)
{
	uint32_t file = stable_file();
	uint32_t id = begin(filling(file, 'a', true));

	(void)state;
	(void)id;
	media_kill(&media);
	assert_string_equal(image_of(file, MEDIA_PICK_ALL, 0, 0), "aaaa");
	assert_string_equal(image_of(file, MEDIA_PICK_NONE, 0, 0), "0000");
	run(on_file(TAPE_OP_SYNC, file));
	assert_string_equal(image_of(file, MEDIA_PICK_NONE, 0, 0), "aaaa");
}

static void a_cut_keeps_one_image_for_good(void **state)
{
	uint32_t file = stable_file();
	struct media_pick pick = media_pick_of(MEDIA_PICK_SECTORS, 5, 0);

	(void)state;
	(void)begin(filling(file, 'a', true));
	media_cut(&media, &pick);
	assert_int_equal(media.pending.count, 0);
	assert_string_equal(image_of(file, MEDIA_PICK_ALL, 0, 0), "a0a0");
}

static void images_are_taken_back_whole(void **state)
{
	uint32_t file = stable_file();
	struct tape_op truncate = on_file(TAPE_OP_TRUNCATE, file);
	struct tape_op unlink = named(TAPE_OP_UNLINK, "file", "");

	(void)state;
	run(filling(file, 'a', true));
	(void)begin(filling(file, 'b', true));
	run(truncate);
	run(filling(file, 'c', false));
	run(unlink);
	for (uint64_t seed = 0; seed < 500; seed++) {
		(void)image_of(file, MEDIA_PICK_RANDOM, 0, seed);
		assert_int_equal(media_mark(&media), 0);
	}
	assert_string_equal(image_of(file, MEDIA_PICK_NONE, 0, 0), "aaaa");
	assert_string_equal(image_of(file, MEDIA_PICK_ALL, 0, 0), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_with_dsync_survives_once_it_has_ended),
		TEST(every_subset_of_the_sectors_in_flight_is_an_image),
		TEST(drawn_tears_reach_every_subset_too),
		TEST(what_is_cached_survives_only_a_sync_that_began_later),
		TEST(a_failed_operation_leaves_nothing),
		TEST(the_order_of_writes_to_one_place_stays),
		TEST(a_name_needs_the_sync_of_its_folder),
		TEST(what_makes_a_file_longer_survives_with_it),
		TEST(a_rename_does_not_wait_for_the_contents),
		TEST(a_killed_process_leaves_all_of_it_in_caches),
		TEST(a_cut_keeps_one_image_for_good),
		TEST(images_are_taken_back_whole),
	};
#undef TEST

	return cmocka_run_group_tests_name("crash/media", tests, NULL, NULL);
}
