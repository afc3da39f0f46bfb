/*
 * Writes the kept corpus of wire_fuzz: two datagrams of every type, from fixed seeds.
 * Usage: PROGRAM DIRECTORY. Run again whenever the format changes.
 */
#include "tests/unit/wire/sample.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	static uint8_t bytes[WIRE_DATAGRAM_MAX];

	for (unsigned i = 0; argc > 1 && i < 2 * SAMPLE_TYPES; i++) {
		enum wire_type type = sample_types[i / 2];
		struct qr_prng prng;
		char path[4096];
		FILE *file;
		size_t size_bytes;
		size_t written;

		qr_prng_init(&prng, i);
		size_bytes = sample_datagram(bytes, sizeof(bytes), type, &prng);
		if (snprintf(path, sizeof(path), "%s/%02u-%u", argv[1], (unsigned)type, i % 2) < 0)
			return 1;
		file = fopen(path, "wb");
		if (file == NULL)
			return 1;
		written = fwrite(bytes, 1, size_bytes, file);
		if (fclose(file) != 0 || written != size_bytes)
			return 1;
	}
	return argc > 1 ? 0 : 2;
}
