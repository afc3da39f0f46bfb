/*
 * Entries, as they are first written: is every byte of them accounted for?
 *
 * An entry must be valid, follow one that was written before, and hold records that its producers
 * had appended by then, each once and in order along its log. That is checked once per entry; an
 * image then only has to show that what it holds are these very bytes.
 */
#include "tests/crash/truth.h"

#include "consensus/base/assert.h"

#include <stdlib.h>

/* ---- finding ---- */

static void put_in_table(struct truth *truth, uint32_t version)
{
	uint64_t at = truth->versions[version].digest;

	while (truth->table[at & (truth->table_room - 1)] != TRUTH_NONE)
		at++;
	truth->table[at & (truth->table_room - 1)] = version;
}

static void enlarge(struct truth *truth)
{
	truth->version_room *= 2;
	truth->versions = realloc(truth->versions, truth->version_room * sizeof(*truth->versions));
	free(truth->table);
	truth->table_room = 4 * truth->version_room;
	truth->table = calloc(truth->table_room, sizeof(*truth->table));
	QR_ASSERT(truth->versions != NULL && truth->table != NULL);
	for (uint32_t v = 1; v < truth->version_count; v++)
		put_in_table(truth, v);
}

uint32_t truth_find(const struct truth *truth, qr_group group, uint64_t digest)
{
	for (uint64_t at = digest;; at++) {
		uint32_t version = truth->table[at & (truth->table_room - 1)];

		if (version == TRUTH_NONE || (truth->versions[version].digest == digest &&
					      truth->versions[version].entry.group == group))
			return version;
	}
}

/* ---- records ---- */

static struct truth_session *session_of(struct truth_version *version, uint64_t session)
{
	for (uint32_t s = 0; s < version->session_count; s++) {
		if (version->sessions[s].session == session)
			return &version->sessions[s];
	}
	return NULL;
}

static bool producer_is_new(const struct truth_version *version, uint32_t producer)
{
	for (uint32_t s = 0; s < version->session_count; s++) {
		if (version->sessions[s].producer == producer)
			return false;
	}
	return true;
}

/** The next record of a chunk: what its producer appended, after the one before. */
static bool take_record(struct truth *truth, struct truth_version *version,
			struct truth_session *session, struct qr_reader *body)
{
	const struct truth_records *records;
	struct qr_span record;
	uint32_t producer;
	uint64_t sequence;

	record.size_bytes = qr_read_u32(body);
	record.data = qr_read_bytes(body, record.size_bytes);
	if (record.data == NULL ||
	    !load_is_record(truth->round.seed, record, &producer, &sequence) ||
	    producer >= LOAD_PRODUCERS_MAX) {
		truth_complain(truth, "entry %llu of group %u holds a record that nobody made",
			       (unsigned long long)version->entry.index, version->entry.group);
		return false;
	}
	records = &truth->records[producer];
	if (sequence >= records->appended || records->sizes[sequence] != record.size_bytes) {
		truth_complain(truth,
			       "entry %llu of group %u holds record %llu of producer %u, "
			       "which was not appended",
			       (unsigned long long)version->entry.index, version->entry.group,
			       (unsigned long long)sequence, producer);
		return false;
	}
	/* A log that promises nothing gives the names of sessions that it lost to others. */
	if (truth_is_lazy(truth, version->entry.group) ||
	    (session->producer == UINT32_MAX && producer_is_new(version, producer)))
		session->producer = producer;
	if (session->producer != producer || session->next != sequence) {
		truth_complain(truth,
			       "entry %llu of group %u holds record %llu of producer %u "
			       "where %llu was due",
			       (unsigned long long)version->entry.index, version->entry.group,
			       (unsigned long long)sequence, producer,
			       (unsigned long long)session->next);
		return false;
	}
	session->next++;
	return true;
}

static bool take_chunk(struct truth *truth, struct truth_version *version,
		       const struct store_chunk *chunk, struct qr_span body)
{
	struct truth_session *session = session_of(version, chunk->session);
	struct qr_reader records = qr_reader_over(body.data, body.size_bytes);

	if (session == NULL && version->session_count < TRUTH_SESSIONS_MAX) {
		session = &version->sessions[version->session_count++];
		*session =
			(struct truth_session){.session = chunk->session, .producer = UINT32_MAX};
	}
	if (session == NULL || session->next != chunk->sequence) {
		truth_complain(truth,
			       "entry %llu of group %u repeats or skips chunk %llu of "
			       "session %llx",
			       (unsigned long long)version->entry.index, version->entry.group,
			       (unsigned long long)chunk->sequence,
			       (unsigned long long)chunk->session);
		return false;
	}
	for (uint32_t r = 0; r < chunk->count; r++) {
		if (!take_record(truth, version, session, &records))
			return false;
	}
	return qr_reader_left(&records) == 0;
}

static struct qr_reader payload_of(const struct truth_version *version)
{
	return qr_reader_over(version->bytes + STORE_ENTRY_HEADER_BYTES,
			      version->entry.payload_bytes);
}

static bool take_records(struct truth *truth, struct truth_version *version)
{
	struct qr_reader payload = payload_of(version);
	struct store_chunk chunk;
	struct qr_span body;
	uint64_t count = 0;
	enum qr_error error;

	while ((error = store_chunk_next(&payload, &chunk, &body)) == QR_OK) {
		if (!take_chunk(truth, version, &chunk, body))
			return false;
		count += chunk.count;
	}
	if (error != QR_AGAIN || count != version->entry.record_count) {
		truth_complain(truth, "entry %llu of group %u is malformed",
			       (unsigned long long)version->entry.index, version->entry.group);
		return false;
	}
	return true;
}

bool truth_holds(const struct truth_version *version, const struct tape_answered *answered)
{
	struct qr_reader payload = payload_of(version);
	qr_offset offset = version->entry.first_offset;
	struct store_chunk chunk;
	struct qr_span body;

	while (store_chunk_next(&payload, &chunk, &body) == QR_OK) {
		if (offset == answered->offset) {
			return chunk.session == answered->session &&
			       chunk.sequence == answered->sequence &&
			       chunk.count == answered->count;
		}
		offset += chunk.count;
	}
	return false;
}

/* ---- learning ---- */

/** Valid at its place, and after the entry whose digest it names. */
static bool verify(struct truth *truth, struct truth_version *version, struct qr_span bytes)
{
	const struct truth_version *parent = &truth->versions[version->parent];
	qr_block block = version->entry.block;
	struct store_expected expected = {
		.cluster = CLUSTER_ID,
		.group = version->entry.group,
		.index = parent->entry.index + 1,
		.term_min = parent->entry.term,
		.block = block,
		.blocks_max =
			truth->round.stride_blocks - (uint32_t)(block % truth->round.stride_blocks),
		.linked = true,
		.chain = parent->digest,
		.first_offset = parent->entry.first_offset + parent->entry.record_count,
	};
	enum qr_error error;

	if (expected.blocks_max > bytes.size_bytes / QR_BLOCK_BYTES)
		expected.blocks_max = (uint32_t)(bytes.size_bytes / QR_BLOCK_BYTES);
	error = store_entry_verify(bytes.data, &expected, &version->entry);
	if (error == QR_OK && block >= parent->entry.block + parent->entry.blocks)
		return true;
	truth_complain(truth, "what is written at block %llu of group %u is no entry: %s",
		       (unsigned long long)block, expected.group, qr_error_name(error));
	return false;
}

static uint32_t add(struct truth *truth, const struct truth_version *version)
{
	uint32_t number = truth->version_count;
	uint32_t *first;

	if (number == truth->version_room)
		enlarge(truth);
	truth->version_count++;
	truth->versions[number] = *version;
	first = version->parent == TRUTH_NONE ? &truth->groups[version->entry.group].root
					      : &truth->versions[version->parent].child;
	truth->versions[number].sibling = *first;
	*first = number;
	put_in_table(truth, number);
	return number;
}

/** Another replica's, or written again: byte by byte the same. */
static bool is_same(struct truth *truth, uint32_t known, qr_block block, struct qr_span bytes)
{
	const struct truth_version *version = &truth->versions[known];
	size_t whole = (size_t)version->entry.blocks * QR_BLOCK_BYTES;

	if (version->entry.block == block && whole <= bytes.size_bytes &&
	    memcmp(version->bytes, bytes.data, whole) == 0)
		return true;
	truth_complain(truth, "entry %llu of group %u is written in two ways",
		       (unsigned long long)version->entry.index, version->entry.group);
	return false;
}

uint32_t truth_learn(struct truth *truth, qr_group group, qr_block block, struct qr_span bytes)
{
	struct truth_version version = {.bytes = bytes.data};
	uint32_t known;

	if (store_entry_decode(bytes.data, &version.entry) != QR_OK) {
		truth_complain(truth, "what is written at block %llu of group %u is no entry",
			       (unsigned long long)block, group);
		return TRUTH_NONE;
	}
	version.digest = store_entry_digest(bytes.data);
	known = truth_find(truth, group, version.digest);
	if (known != TRUTH_NONE)
		return is_same(truth, known, block, bytes) ? known : TRUTH_NONE;
	if (version.entry.chain != 0) {
		version.parent = truth_find(truth, group, version.entry.chain);
		if (version.parent == TRUTH_NONE) {
			truth_complain(truth,
				       "entry %llu of group %u follows one that nobody wrote",
				       (unsigned long long)version.entry.index, group);
			return TRUTH_NONE;
		}
	}
	version.session_count = truth->versions[version.parent].session_count;
	memcpy(version.sessions, truth->versions[version.parent].sessions,
	       sizeof(version.sessions));
	version.entry.block = block;
	version.entry.group = group;
	if (!verify(truth, &version, bytes))
		return TRUTH_NONE;
	if (version.entry.kind == RAFT_ENTRY_DATA && !take_records(truth, &version))
		return TRUTH_NONE;
	known = add(truth, &version);
	if (version.entry.kind == RAFT_ENTRY_TRIM) {
		QR_ASSERT(truth->groups[group].trim_count < TRUTH_TRIMS_MAX);
		truth->groups[group].trims[truth->groups[group].trim_count++] = known;
	}
	return known;
}
