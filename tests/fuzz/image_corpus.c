/*
 * Writes the kept corpus of image_fuzz: of each of its logs either snapshot and both, and numbers
 * that one is built of. Usage: PROGRAM DIRECTORY. Run again whenever the format or the logs change.
 */
#include "tests/fuzz/image.h"
#include "tests/fuzz/image_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES_MAX (IMAGE_BODIES_AT + IMAGE_FILES * RIG_FILE_BLOCKS * QR_BLOCK_BYTES)

/** The input's file `which` is this one, with a body that begins at `at`. @return one past it. */
static size_t put_file(uint8_t *input, size_t at, const struct rig *rig, uint32_t which)
{
	const struct rig_disk *disk = &rig->disks[0];
	uint32_t file = image_log_files(rig) - IMAGE_FILES + which;
	const uint8_t *bytes = disk->files[file];
	size_t body_bytes = image_body_bytes(bytes, disk->file_bytes[file]);

	memcpy(input + 4 + (size_t)which * IMAGE_FIELD_BYTES, bytes, IMAGE_FIELD_BYTES);
	memcpy(input + at, bytes + STORE_SNAPSHOT_HEADER_BYTES, body_bytes);
	return at + body_bytes;
}

static bool write_input(const char *directory, const char *name, const uint8_t *input,
			size_t size_bytes)
{
	char path[4096];
	size_t written;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) < 0)
		return false;
	file = fopen(path, "wb");
	if (file == NULL)
		return false;
	written = fwrite(input, 1, size_bytes, file);
	return fclose(file) == 0 && written == size_bytes;
}

/** @param files  a bit for each. */
static bool write_files(const char *directory, const struct rig *rig, enum image_log log,
			unsigned files)
{
	static const char *const names[IMAGE_LOGS][4] = {
		{"", "settled-0", "settled-1", "settled-both"},
		{"", "grown-0", "grown-1", "grown-both"},
		{"", "long-0", "long-1", "long-both"},
		{"", "trimmed-0", "trimmed-1", "trimmed-both"},
	};
	static uint8_t input[INPUT_BYTES_MAX];
	size_t size_bytes = IMAGE_BODIES_AT;
	size_t first_bytes;

	memset(input, 0, sizeof(input));
	input[0] = (uint8_t)log;
	input[1] = log == IMAGE_LOG_SETTLED || log == IMAGE_LOG_TRIMMED ? IMAGE_USED : 0;
	if ((files & 1) != 0)
		size_bytes = put_file(input, size_bytes, rig, 0);
	first_bytes = size_bytes - IMAGE_BODIES_AT;
	input[2] = (uint8_t)first_bytes;
	input[3] = (uint8_t)(first_bytes >> 8);
	if ((files & 2) != 0)
		size_bytes = put_file(input, size_bytes, rig, 1);
	return write_input(directory, names[log][files], input, size_bytes);
}

/** All that they say is sound, unless a byte is changed. */
static bool write_numbers(const char *directory, const char *name, uint8_t flags)
{
	static const uint8_t numbers[] = {
		1,  0, 0, 0, 0, 0,		  /* two terms, of those that there are */
		2,  0,				  /* two sessions */
		5,  0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* one with five chunks */
		64, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, /* one with a whole ring */
		0,				  /* how long all that is */
		2,  0, 0, 0, 0, 0, 0, 0, 0,	  /* two checkpoints */
		0,  0, 0, 0, 0,			  /* the base */
		0,  0, 0,			  /* what begins behind it, when, and whose it is */
	};
	uint8_t input[2 + sizeof(numbers)] = {IMAGE_LOG_SETTLED, IMAGE_BUILT | flags};

	memcpy(input + 2, numbers, sizeof(numbers));
	return write_input(directory, name, input, sizeof(input));
}

int main(int argc, char **argv)
{
	static struct snapshot states;
	static struct forge forge;

	if (argc < 2)
		return 2;
	snapshot_init(&states, rig_size_bytes());
	for (enum image_log log = 0; log < IMAGE_LOGS; log++) {
		const struct rig *rig = image_log_prepare(snapshot_prepare(&states), log, &forge);

		for (unsigned files = 1; files <= 3; files++) {
			if (!write_files(argv[1], rig, log, files))
				return 1;
		}
	}
	if (!write_numbers(argv[1], "built", 0) ||
	    !write_numbers(argv[1], "built-used", IMAGE_USED))
		return 1;
	return 0;
}
