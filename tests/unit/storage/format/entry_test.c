#include "storage/format/entry.h"

#include "consensus/base/crc.h"
#include "consensus/base/prng.h"
#include "tests/unit/unit.h"

#include <string.h>

#define BYTES ((size_t)2 * QR_BLOCK_BYTES)

static _Alignas(8) uint8_t bytes[BYTES];
static struct store_entry sample;
static struct store_expected expected;

static int set_up(void **state)
{
	(void)state;
	memset(bytes, 0, sizeof(bytes));
	for (unsigned i = 0; i < 5000; i++)
		bytes[STORE_ENTRY_HEADER_BYTES + i] = (uint8_t)(i * 31 + 1);
	sample = (struct store_entry){
		.kind = RAFT_ENTRY_DATA,
		.cluster = 0x0102030405060708u,
		.group = 0x11121314,
		.index = 0x2122232425262728u,
		.term = 0x3132333435363738u,
		.block = 0x000f434445464748u,
		.blocks = 2,
		.payload_bytes = 5000,
		.payload_crc = qr_crc32c(0, bytes + STORE_ENTRY_HEADER_BYTES, 5000),
		.first_offset = 0x5152535455565758u,
		.record_count = 0x61626364,
		.chain = 0x7172737475767778u,
		.commit = 0x2122232425262720u,
		.time_ns = 0x8182838485868788u,
	};
	store_entry_encode(bytes, &sample);
	expected = (struct store_expected){
		.cluster = sample.cluster,
		.group = sample.group,
		.index = sample.index,
		.term_min = sample.term,
		.block = sample.block,
		.blocks_max = 2,
		.linked = true,
		.chain = sample.chain,
		.first_offset = sample.first_offset,
	};
	return 0;
}

static void what_was_encoded_is_decoded(void **state)
{
	struct store_entry entry;

	(void)state;
	memset(&entry, 0xff, sizeof(entry));
	assert_int_equal(store_entry_verify(bytes, &expected, &entry), QR_OK);
	assert_int_equal(entry.kind, sample.kind);
	assert_true(entry.cluster == sample.cluster && entry.group == sample.group);
	assert_true(entry.index == sample.index && entry.term == sample.term);
	assert_true(entry.block == sample.block && entry.blocks == sample.blocks);
	assert_true(entry.payload_bytes == sample.payload_bytes);
	assert_true(entry.payload_crc == sample.payload_crc);
	assert_true(entry.first_offset == sample.first_offset);
	assert_true(entry.record_count == sample.record_count && entry.chain == sample.chain);
	assert_true(entry.commit == sample.commit && entry.time_ns == sample.time_ns);
}

/** docs/formats/log.md, field by field. */
static void the_layout_is_the_documented_one(void **state)
{
	static const uint8_t head[] = {0x51, 0x52, 0x45, 0x31, 1, 0, 1, 0};
	static const struct {
		unsigned at;
		uint8_t first;
	} fields[] = {{16, 0x08}, {24, 0x14}, {32, 0x28}, {40, 0x38}, {48, 0x48}, {56, 2},
		      {60, 0x64}, {64, 0x58}, {72, 0x78}, {80, 0x20}, {88, 0x88}};

	(void)state;
	assert_memory_equal(bytes, head, sizeof(head));
	assert_int_equal(bytes[28] | bytes[29] << 8, 5000);
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		assert_int_equal(bytes[fields[i].at], fields[i].first);
	for (unsigned i = 96; i < STORE_ENTRY_HEADER_BYTES; i++)
		assert_int_equal(bytes[i], 0);
}

static void every_bit_of_an_entry_counts(void **state)
{
	struct store_entry entry;

	(void)state;
	for (unsigned bit = 0; bit < BYTES * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(store_entry_verify(bytes, &expected, &entry), QR_OK);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(store_entry_verify(bytes, &expected, &entry), QR_OK);
}

static void every_torn_write_is_detected(void **state)
{
	static uint8_t whole[BYTES];
	struct store_entry entry;

	(void)state;
	memcpy(whole, bytes, BYTES);
	/* 5128 bytes reach into the 11th sector; the rest is zero, written or not. */
	for (unsigned mask = 0; mask < (1u << 11) - 1; mask++) {
		memset(bytes, 0, BYTES);
		for (size_t sector = 0; sector < 11; sector++) {
			if ((mask >> sector & 1) != 0)
				memcpy(bytes + sector * 512, whole + sector * 512, 512);
		}
		assert_int_not_equal(store_entry_verify(bytes, &expected, &entry), QR_OK);
	}
}

static void random_damage_is_detected(void **state)
{
	struct store_entry entry;
	struct qr_prng prng;

	(void)state;
	qr_prng_init(&prng, 1);
	for (unsigned i = 0; i < 100000; i++) {
		size_t at = (size_t)qr_prng_below(&prng, BYTES);
		uint8_t before = bytes[at];

		bytes[at] = (uint8_t)(before + 1 + qr_prng_below(&prng, 255));
		assert_int_not_equal(store_entry_verify(bytes, &expected, &entry), QR_OK);
		bytes[at] = before;
	}
}

static void an_entry_of_another_place_is_refused(void **state)
{
	struct store_expected other = expected;
	struct store_entry entry;

	(void)state;
	other.cluster++;
	assert_int_equal(store_entry_verify(bytes, &other, &entry), QR_FOREIGN);
	other = expected;
	other.group++;
	assert_int_equal(store_entry_verify(bytes, &other, &entry), QR_FOREIGN);
	other = expected;
	other.block++;
	assert_int_equal(store_entry_verify(bytes, &other, &entry), QR_STALE);
	other = expected;
	other.index--;
	assert_int_equal(store_entry_verify(bytes, &other, &entry), QR_STALE);
	other = expected;
	other.term_min++;
	assert_int_equal(store_entry_verify(bytes, &other, &entry), QR_STALE);
	other = expected;
	other.chain ^= 1;
	assert_int_equal(store_entry_verify(bytes, &other, &entry), QR_STALE);
	other.linked = false;
	assert_int_equal(store_entry_verify(bytes, &other, &entry), QR_OK);
	other = expected;
	other.first_offset++;
	assert_int_equal(store_entry_verify(bytes, &other, &entry), QR_STALE);
	other = expected;
	other.blocks_max = 1;
	assert_int_equal(store_entry_verify(bytes, &other, &entry), QR_MALFORMED);
}

static void mend(uint8_t *header)
{
	uint32_t crc;

	memset(header + 8, 0, 4);
	crc = qr_crc32c(0, header, STORE_ENTRY_HEADER_BYTES);
	for (unsigned i = 0; i < 4; i++)
		header[8 + i] = (uint8_t)(crc >> 8 * i);
}

static void a_sound_checksum_does_not_save_nonsense(void **state)
{
	struct store_entry entry;

	(void)state;
	bytes[4] = 2; /* version */
	mend(bytes);
	assert_int_equal(store_entry_decode(bytes, &entry), QR_VERSION);
	bytes[4] = 1;
	bytes[6] = RAFT_ENTRY_KIND_MAX + 1; /* kind */
	mend(bytes);
	assert_int_equal(store_entry_decode(bytes, &entry), QR_MALFORMED);
	bytes[6] = 1;
	bytes[7] = 1; /* flags */
	mend(bytes);
	assert_int_equal(store_entry_decode(bytes, &entry), QR_MALFORMED);
	bytes[7] = 0;
	bytes[100] = 1; /* reserved */
	mend(bytes);
	assert_int_equal(store_entry_decode(bytes, &entry), QR_MALFORMED);
	bytes[100] = 0;
	bytes[56] = 3; /* blocks */
	mend(bytes);
	assert_int_equal(store_entry_decode(bytes, &entry), QR_MALFORMED);
	bytes[56] = 2;
	memset(bytes + 28, 0xff, 4); /* payload_bytes */
	mend(bytes);
	assert_int_equal(store_entry_decode(bytes, &entry), QR_MALFORMED);
}

static void nothing_is_found_in_zeros(void **state)
{
	static const uint8_t zeros[STORE_ENTRY_HEADER_BYTES];
	struct store_entry entry;

	(void)state;
	assert_int_equal(store_entry_decode(zeros, &entry), QR_NOT_FOUND);
}

static void the_digest_depends_on_every_bit_of_the_header(void **state)
{
	uint64_t digest = store_entry_digest(bytes);

	(void)state;
	for (unsigned bit = 0; bit < STORE_ENTRY_HEADER_BYTES * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(store_entry_digest(bytes) != digest);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_encoded_is_decoded, set_up),
		cmocka_unit_test_setup(the_layout_is_the_documented_one, set_up),
		cmocka_unit_test_setup(every_bit_of_an_entry_counts, set_up),
		cmocka_unit_test_setup(every_torn_write_is_detected, set_up),
		cmocka_unit_test_setup(random_damage_is_detected, set_up),
		cmocka_unit_test_setup(an_entry_of_another_place_is_refused, set_up),
		cmocka_unit_test_setup(a_sound_checksum_does_not_save_nonsense, set_up),
		cmocka_unit_test_setup(nothing_is_found_in_zeros, set_up),
		cmocka_unit_test_setup(the_digest_depends_on_every_bit_of_the_header, set_up),
	};

	return cmocka_run_group_tests_name("storage/format/entry", tests, NULL, NULL);
}
