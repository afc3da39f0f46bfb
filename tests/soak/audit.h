/*
 * The audit of one partition: its records, read from the first to the last, against all claims.
 *
 *   lost        acknowledged, and nowhere in the log
 *   duplicated  a record that is there again
 *   reordered   a record behind a later one of its producer
 *   moved       acknowledged at one offset, and found at another
 *   retracted   shown to a reader at an offset where now something else is, or nothing
 *   changed     a byte of a record is not what its producer made
 *   invented    a record of no known producer
 *   skipped     never acknowledged, missing, and yet a later one of its producer is there
 *   clashing    two acknowledgements name the same offset
 *
 * Records that were never acknowledged may be there, each once, behind all earlier ones of their
 * producer: their load was killed, or the answer was on its way.
 *
 * Threads: one at a time. No system call but for memory.
 */
#ifndef TESTS_SOAK_AUDIT_H
#define TESTS_SOAK_AUDIT_H

#include "tests/soak/claims.h"
#include "tests/soak/record.h"

#define SOAK_FAULTS_KEPT 32u

enum soak_kind {
	SOAK_LOST,
	SOAK_DUPLICATED,
	SOAK_REORDERED,
	SOAK_MOVED,
	SOAK_RETRACTED,
	SOAK_CHANGED,
	SOAK_INVENTED,
	SOAK_SKIPPED,
	SOAK_CLASHING,
	SOAK_KINDS,
};

const char *soak_kind_name(enum soak_kind kind);

struct soak_fault {
	enum soak_kind kind;
	qr_offset offset;	     /* where it was found, or should have been */
	struct soak_identity record; /* what should be there, or is there and should not */
};

struct soak_audit;

/** NULL: out of memory. */
struct soak_audit *soak_audit_create(uint32_t partition);
void soak_audit_destroy(struct soak_audit *audit);
/**
 * Hold the log against these claims, too.
 * @param claims  of the audit's partition; what it holds moves into the audit.
 * @return false: out of memory.
 */
QR_MUST_USE bool soak_audit_take(struct soak_audit *audit, struct soak_claims *claims);
/** All claims are known. */
void soak_audit_begin(struct soak_audit *audit);
/** The next record of the log. @return false: out of memory. */
QR_MUST_USE bool soak_audit_record(struct soak_audit *audit, struct qr_span record);
/** The log ends here. */
void soak_audit_end(struct soak_audit *audit);

struct soak_audit_result {
	uint32_t partition;
	uint64_t records;  /* in the log */
	uint64_t acked;	   /* claimed */
	uint64_t verified; /* of them at their place */
	uint64_t seen;	   /* shown to readers and at their place */
	uint64_t counts[SOAK_KINDS];
	struct soak_fault faults[SOAK_FAULTS_KEPT]; /* the first of each kind, as far as there is
						       room */
	uint32_t fault_count;
};

/** What was found; belongs to the audit. */
const struct soak_audit_result *soak_audit_result(const struct soak_audit *audit);
/** Nothing is wrong. */
bool soak_audit_is_clean(const struct soak_audit *audit);

#endif
