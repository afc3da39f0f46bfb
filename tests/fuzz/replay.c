/*
 * Runs a fuzz target without libFuzzer: every file of the corpus, then ROUNDS mutations of them,
 * from a fixed seed. Usage: PROGRAM CORPUS_DIRECTORY [ROUNDS]. Prints TAP.
 */
#include "consensus/base/prng.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUTS_MAX 16384
#define INPUT_BYTES_MAX 65536

struct input {
	uint8_t *data;
	size_t size_bytes;
};

static struct input inputs[INPUTS_MAX];
static unsigned input_count;
static struct qr_prng prng;

static bool load(const char *path)
{
	struct input *input = &inputs[input_count];
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		return false;
	input->data = malloc(INPUT_BYTES_MAX);
	if (input->data != NULL) {
		input->size_bytes = fread(input->data, 1, INPUT_BYTES_MAX, file);
		input_count++;
	}
	return fclose(file) == 0 && input->data != NULL;
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

static bool load_all(const char *directory)
{
	struct dirent **names = NULL;
	int count = scandir(directory, &names, NULL, by_name);
	bool loaded = count > 0;

	for (int i = 0; i < count; i++) {
		char path[4096];

		if (names[i]->d_name[0] != '.' && input_count < INPUTS_MAX &&
		    snprintf(path, sizeof(path), "%s/%s", directory, names[i]->d_name) > 0)
			loaded = load(path) && loaded;
		free(names[i]);
	}
	free(names);
	return loaded && input_count > 0;
}

static size_t below(size_t bound)
{
	return (size_t)qr_prng_below(&prng, bound);
}

/** A few changes to a copy, in memory of exactly its size. */
static void run_mutation(void)
{
	static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff};
	const struct input *from = &inputs[below(input_count)];
	const struct input *other = &inputs[below(input_count)];
	size_t size_bytes = from->size_bytes;
	uint8_t *data;

	if (below(4) == 0)
		size_bytes = below(size_bytes + 1);
	data = malloc(size_bytes != 0 ? size_bytes : 1);
	if (data == NULL)
		return;
	memcpy(data, from->data, size_bytes);
	for (size_t i = below(6); size_bytes != 0 && i-- > 0;) {
		size_t at = below(size_bytes);
		size_t room = size_bytes - at;

		if (below(8) == 0 && other->size_bytes != 0) {
			size_t take = below(room < other->size_bytes ? room : other->size_bytes);

			memcpy(data + at, other->data + below(other->size_bytes - take + 1), take);
		} else {
			data[at] = below(2) == 0 ? odd[below(sizeof(odd))]
						 : (uint8_t)qr_prng_next(&prng);
		}
	}
	(void)LLVMFuzzerTestOneInput(data, size_bytes);
	free(data);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 200000;

	(void)printf("1..2\n");
	if (argc < 2 || !load_all(argv[1])) {
		(void)printf("not ok 1 - the corpus cannot be read\n");
		return 1;
	}
	for (unsigned i = 0; i < input_count; i++)
		(void)LLVMFuzzerTestOneInput(inputs[i].data, inputs[i].size_bytes);
	(void)printf("ok 1 - %u inputs of the corpus\n", input_count);

	qr_prng_init(&prng, 1);
	for (unsigned long i = 0; i < rounds; i++)
		run_mutation();
	(void)printf("ok 2 - %lu mutations\n", rounds);

	for (unsigned i = 0; i < input_count; i++)
		free(inputs[i].data);
	return 0;
}
