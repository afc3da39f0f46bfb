/*
 * The audit of a partition.
 *
 * Claims of each source are sorted by offset; a cursor in each moves with the log. For each
 * producer there is `next`, one past the highest sequence seen, and the holes below it: what is in
 * a hole was overtaken and is missing yet. So a record is one of: the next, one beyond (which makes
 * a hole), one in a hole (late), one seen before.
 *
 * A record that is not at its acknowledged offset is lost or moved; which of the two is known at
 * the end only, so it waits in `misplaced`.
 */
#include "tests/soak/audit.h"

#include "consensus/base/assert.h"

#include <stdlib.h>
#include <string.h>

#define HOLES_MAX 64u
#define STREAMS_MIN 64u
#define MISPLACED_MAX 4096u
#define FAULTS_OF_A_KIND 4u

struct hole {
	uint64_t start;
	uint64_t end; /* one past its last */
};

struct stream {
	uint64_t token; /* 0: an empty place */
	uint64_t next;
	uint32_t hole_count;
	struct hole holes[HOLES_MAX]; /* any order */
};

/** Claims that do not overlap, unless something is wrong. */
struct source {
	struct soak_claim *claims;
	size_t count;
	size_t at; /* the first that ends above the log's next offset */
};

struct soak_audit {
	struct soak_audit_result result;
	struct source acked;
	struct source *seen; /* one for each reader */
	size_t seen_count;
	uint64_t *loads;
	size_t load_count;
	struct stream *streams; /* open addressing; at most half full */
	size_t stream_capacity;
	size_t stream_count;
	struct soak_fault misplaced[MISPLACED_MAX];
	uint64_t misplaced_count;
};

const char *soak_kind_name(enum soak_kind kind)
{
	static const char *const names[SOAK_KINDS] = {
		[SOAK_LOST] = "lost",		[SOAK_DUPLICATED] = "duplicated",
		[SOAK_REORDERED] = "reordered", [SOAK_MOVED] = "moved",
		[SOAK_RETRACTED] = "retracted", [SOAK_CHANGED] = "changed",
		[SOAK_INVENTED] = "invented",	[SOAK_SKIPPED] = "skipped",
		[SOAK_CLASHING] = "clashing",
	};

	return names[kind];
}

struct soak_audit *soak_audit_create(uint32_t partition)
{
	struct soak_audit *audit = calloc(1, sizeof(*audit));

	if (audit == NULL)
		return NULL;
	audit->result.partition = partition;
	audit->stream_capacity = STREAMS_MIN;
	audit->streams = calloc(audit->stream_capacity, sizeof(*audit->streams));
	if (audit->streams == NULL) {
		free(audit);
		return NULL;
	}
	return audit;
}

void soak_audit_destroy(struct soak_audit *audit)
{
	if (audit == NULL)
		return;
	for (size_t i = 0; i < audit->seen_count; i++)
		free(audit->seen[i].claims);
	free(audit->seen);
	free(audit->acked.claims);
	free(audit->loads);
	free(audit->streams);
	free(audit);
}

const struct soak_audit_result *soak_audit_result(const struct soak_audit *audit)
{
	return &audit->result;
}

bool soak_audit_is_clean(const struct soak_audit *audit)
{
	for (uint32_t kind = 0; kind < SOAK_KINDS; kind++) {
		if (audit->result.counts[kind] != 0)
			return false;
	}
	return audit->result.verified == audit->result.acked;
}

static void fault(struct soak_audit *audit, enum soak_kind kind, qr_offset offset,
		  struct soak_identity record)
{
	struct soak_audit_result *result = &audit->result;

	result->counts[kind]++;
	if (result->counts[kind] <= FAULTS_OF_A_KIND && result->fault_count < SOAK_FAULTS_KEPT)
		result->faults[result->fault_count++] = (struct soak_fault){kind, offset, record};
}

/* ---- claims ---- */

static bool take_acked(struct soak_audit *audit, struct soak_claims *claims)
{
	struct source *acked = &audit->acked;
	struct soak_claim *all =
		realloc(acked->claims, (acked->count + claims->count + 1) * sizeof(*all));
	uint64_t *loads = realloc(audit->loads, (audit->load_count + 1) * sizeof(*loads));

	if (all != NULL)
		acked->claims = all;
	if (loads != NULL)
		audit->loads = loads;
	if (all == NULL || loads == NULL)
		return false;
	memcpy(all + acked->count, claims->claims, claims->count * sizeof(*all));
	acked->count += claims->count;
	loads[audit->load_count++] = claims->header.load;
	return true;
}

static bool take_seen(struct soak_audit *audit, struct soak_claims *claims)
{
	struct source *seen = realloc(audit->seen, (audit->seen_count + 1) * sizeof(*seen));

	if (seen == NULL)
		return false;
	audit->seen = seen;
	seen[audit->seen_count++] = (struct source){claims->claims, claims->count, 0};
	claims->claims = NULL;
	return true;
}

bool soak_audit_take(struct soak_audit *audit, struct soak_claims *claims)
{
	bool taken;

	QR_ASSERT(claims->header.partition == audit->result.partition);
	if (claims->header.source == SOAK_ACKED) {
		taken = take_acked(audit, claims);
	} else {
		taken = take_seen(audit, claims);
	}
	soak_claims_free(claims);
	return taken;
}

static int compare_claims(const void *left, const void *right)
{
	const struct soak_claim *a = left;
	const struct soak_claim *b = right;

	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static void sort(struct source *source)
{
	if (source->count > 0)
		qsort(source->claims, source->count, sizeof(*source->claims), compare_claims);
}

void soak_audit_begin(struct soak_audit *audit)
{
	struct source *acked = &audit->acked;

	sort(acked);
	for (size_t i = 0; i < audit->seen_count; i++)
		sort(&audit->seen[i]);
	for (size_t i = 0; i < acked->count; i++) {
		const struct soak_claim *claim = &acked->claims[i];

		audit->result.acked += claim->count;
		if (i > 0 && claim[-1].offset + claim[-1].count > claim->offset) {
			fault(audit, SOAK_CLASHING, claim->offset,
			      (struct soak_identity){claim->token, claim->sequence});
		}
	}
}

/** What a source claims to be at an offset, which only grows from call to call. */
static bool claimed(struct source *source, qr_offset offset, struct soak_identity *ret_identity)
{
	const struct soak_claim *claim;

	while (source->at < source->count &&
	       source->claims[source->at].offset + source->claims[source->at].count <= offset)
		source->at++;
	claim = &source->claims[source->at];
	if (source->at == source->count || claim->offset > offset)
		return false;
	*ret_identity =
		(struct soak_identity){claim->token, claim->sequence + (offset - claim->offset)};
	return true;
}

/* ---- producers ---- */

static struct stream *place_of(struct stream *streams, size_t capacity, uint64_t token)
{
	size_t at = (size_t)(token * 0x9e3779b97f4a7c15u >> 32) & (capacity - 1);

	while (streams[at].token != 0 && streams[at].token != token)
		at = (at + 1) & (capacity - 1);
	return &streams[at];
}

static bool grow(struct soak_audit *audit)
{
	size_t capacity = 2 * audit->stream_capacity;
	struct stream *streams = calloc(capacity, sizeof(*streams));

	if (streams == NULL)
		return false;
	for (size_t i = 0; i < audit->stream_capacity; i++) {
		const struct stream *stream = &audit->streams[i];

		if (stream->token != 0)
			*place_of(streams, capacity, stream->token) = *stream;
	}
	free(audit->streams);
	audit->streams = streams;
	audit->stream_capacity = capacity;
	return true;
}

static bool is_known(const struct soak_audit *audit, uint64_t token)
{
	for (size_t i = 0; i < audit->load_count; i++) {
		if (token != 0 && audit->loads[i] == soak_token_load(token))
			return true;
	}
	return false;
}

static struct hole *hole_around(struct stream *stream, uint64_t sequence)
{
	for (uint32_t i = 0; i < stream->hole_count; i++) {
		struct hole *hole = &stream->holes[i];

		if (sequence >= hole->start && sequence < hole->end)
			return hole;
	}
	return NULL;
}

static bool is_present(struct stream *stream, uint64_t sequence)
{
	return sequence < stream->next && hole_around(stream, sequence) == NULL;
}

/** Room for one more: when there is none, the two last become one, and what is between counts
 * twice. */
static void add_hole(struct stream *stream, uint64_t start, uint64_t end)
{
	if (start == end)
		return;
	if (stream->hole_count < HOLES_MAX) {
		stream->holes[stream->hole_count++] = (struct hole){start, end};
		return;
	}
	if (stream->holes[HOLES_MAX - 1].start > start)
		stream->holes[HOLES_MAX - 1].start = start;
	if (stream->holes[HOLES_MAX - 1].end < end)
		stream->holes[HOLES_MAX - 1].end = end;
}

static void fill_hole(struct stream *stream, struct hole *hole, uint64_t sequence)
{
	struct hole before = {hole->start, sequence};
	struct hole after = {sequence + 1, hole->end};

	*hole = stream->holes[--stream->hole_count];
	add_hole(stream, before.start, before.end);
	add_hole(stream, after.start, after.end);
}

static void place_in_order(struct soak_audit *audit, struct stream *stream,
			   struct soak_identity identity)
{
	qr_offset offset = audit->result.records;
	struct hole *hole;

	if (identity.sequence >= stream->next) {
		add_hole(stream, stream->next, identity.sequence);
		stream->next = identity.sequence + 1;
		return;
	}
	hole = hole_around(stream, identity.sequence);
	if (hole == NULL) {
		fault(audit, SOAK_DUPLICATED, offset, identity);
		return;
	}
	fault(audit, SOAK_REORDERED, offset, identity);
	fill_hole(stream, hole, identity.sequence);
}

/* ---- the log ---- */

static bool is_same(struct soak_identity a, struct soak_identity b)
{
	return a.token == b.token && a.sequence == b.sequence;
}

static void misplace(struct soak_audit *audit, qr_offset offset, struct soak_identity wanted)
{
	if (audit->misplaced_count < MISPLACED_MAX) {
		audit->misplaced[audit->misplaced_count] =
			(struct soak_fault){SOAK_MOVED, offset, wanted};
	}
	audit->misplaced_count++;
}

/** Hold what is at the log's next offset against what was claimed of it. */
static void check_claims(struct soak_audit *audit, struct soak_identity found)
{
	qr_offset offset = audit->result.records;
	struct soak_identity wanted;

	if (claimed(&audit->acked, offset, &wanted)) {
		if (is_same(found, wanted)) {
			audit->result.verified++;
		} else {
			misplace(audit, offset, wanted);
		}
	}
	for (size_t i = 0; i < audit->seen_count; i++) {
		if (!claimed(&audit->seen[i], offset, &wanted))
			continue;
		if (is_same(found, wanted)) {
			audit->result.seen++;
		} else {
			fault(audit, SOAK_RETRACTED, offset, wanted);
		}
	}
}

bool soak_audit_record(struct soak_audit *audit, struct qr_span record)
{
	qr_offset offset = audit->result.records;
	struct soak_identity identity = {0};
	struct stream *stream;

	if (2 * audit->stream_count >= audit->stream_capacity && !grow(audit))
		return false;
	if (!soak_record_identify(record, &identity) || !is_known(audit, identity.token)) {
		fault(audit, SOAK_INVENTED, offset, identity);
	} else if (!soak_record_is_intact(record, identity)) {
		fault(audit, SOAK_CHANGED, offset, identity);
		identity = (struct soak_identity){0};
	} else {
		stream = place_of(audit->streams, audit->stream_capacity, identity.token);
		audit->stream_count += stream->token == 0;
		stream->token = identity.token;
		place_in_order(audit, stream, identity);
	}
	check_claims(audit, identity);
	audit->result.records++;
	return true;
}

/* ---- the end ---- */

/** Acknowledged records that are nowhere, and those beyond the log's end that are somewhere. */
static void settle_claim(struct soak_audit *audit, const struct soak_claim *claim)
{
	struct stream *stream = place_of(audit->streams, audit->stream_capacity, claim->token);
	qr_offset end = audit->result.records;

	if (stream->hole_count == 0 && claim->sequence + claim->count <= stream->next &&
	    claim->offset + claim->count <= end)
		return;
	for (uint64_t i = 0; i < claim->count; i++) {
		struct soak_identity record = {claim->token, claim->sequence + i};

		if (!is_present(stream, record.sequence)) {
			fault(audit, SOAK_LOST, claim->offset + i, record);
		} else if (claim->offset + i >= end) {
			fault(audit, SOAK_MOVED, claim->offset + i, record);
		}
	}
}

static void settle_misplaced(struct soak_audit *audit)
{
	uint64_t kept =
		audit->misplaced_count < MISPLACED_MAX ? audit->misplaced_count : MISPLACED_MAX;

	for (uint64_t i = 0; i < kept; i++) {
		const struct soak_fault *one = &audit->misplaced[i];
		struct stream *stream =
			place_of(audit->streams, audit->stream_capacity, one->record.token);

		if (is_present(stream, one->record.sequence))
			fault(audit, SOAK_MOVED, one->offset, one->record);
	}
}

/** What was shown beyond the end of the log. */
static void settle_seen(struct soak_audit *audit, const struct source *seen)
{
	qr_offset end = audit->result.records;

	for (size_t i = seen->count; i > 0; i--) {
		const struct soak_claim *claim = &seen->claims[i - 1];
		uint64_t first = claim->offset < end ? end - claim->offset : 0;

		for (uint64_t at = first; at < claim->count; at++) {
			fault(audit, SOAK_RETRACTED, claim->offset + at,
			      (struct soak_identity){claim->token, claim->sequence + at});
		}
	}
}

/** How many records of a hole were acknowledged, and so are counted as lost already. */
static uint64_t acked_in(const struct soak_audit *audit, uint64_t token, const struct hole *hole)
{
	uint64_t acked = 0;

	for (size_t i = 0; i < audit->acked.count; i++) {
		const struct soak_claim *claim = &audit->acked.claims[i];
		uint64_t start = claim->sequence > hole->start ? claim->sequence : hole->start;
		uint64_t end = claim->sequence + claim->count;

		if (end > hole->end)
			end = hole->end;
		if (claim->token == token && start < end)
			acked += end - start;
	}
	return acked;
}

/** What was never acknowledged, and was overtaken. */
static void settle_holes(struct soak_audit *audit, const struct stream *stream)
{
	for (uint32_t i = 0; i < stream->hole_count; i++) {
		const struct hole *hole = &stream->holes[i];
		uint64_t acked = acked_in(audit, stream->token, hole);
		uint64_t size = hole->end - hole->start;

		if (acked >= size)
			continue;
		fault(audit, SOAK_SKIPPED, audit->result.records,
		      (struct soak_identity){stream->token, hole->start});
		audit->result.counts[SOAK_SKIPPED] += size - acked - 1;
	}
}

void soak_audit_end(struct soak_audit *audit)
{
	for (size_t i = 0; i < audit->acked.count; i++)
		settle_claim(audit, &audit->acked.claims[i]);
	settle_misplaced(audit);
	for (size_t i = 0; i < audit->seen_count; i++)
		settle_seen(audit, &audit->seen[i]);
	for (size_t i = 0; i < audit->stream_capacity; i++) {
		if (audit->streams[i].token != 0)
			settle_holes(audit, &audit->streams[i]);
	}
}
