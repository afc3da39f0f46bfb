/*
 * soak-client check: every partition read from its start to its end, against all claims.
 *
 * Prints a line for each of the first faults, and one for each partition. All claims of a directory
 * are used: files whose name begins with "acked-" or "seen-" and ends with the partition.
 */
#include "tests/soak/soak.h"

#include "tests/soak/audit.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
	struct soak_audit *audit;
	qr_offset next;
	bool failed; /* out of memory */
	bool gap;    /* the reader skipped */
};

static void on_batch(void *user, const struct quorate_batch *batch)
{
	struct check *check = user;
	const void *data;
	size_t size_bytes;
	size_t cursor = 0;

	check->gap = check->gap || batch->opaque || batch->offset != check->next;
	while (!check->failed && quorate_batch_next(batch, &cursor, &data, &size_bytes)) {
		check->next++;
		check->failed =
			!soak_audit_record(check->audit, (struct qr_span){data, size_bytes});
	}
}

static bool belongs(const char *name, uint32_t partition)
{
	const char *last = strrchr(name, '-');
	char wanted[16];

	(void)snprintf(wanted, sizeof(wanted), "-%" PRIu32, partition);
	return last != NULL && strcmp(last, wanted) == 0 &&
	       (strncmp(name, "acked-", 6) == 0 || strncmp(name, "seen-", 5) == 0);
}

static bool take_file(struct check *check, const char *directory, const char *name)
{
	struct soak_claims claims = {0};
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (!soak_claims_load(&claims, path)) {
		if (errno == ENODATA)
			return true; /* its writer was killed before it claimed anything */
		(void)soak_complain_errno(path);
		return false;
	}
	return soak_audit_take(check->audit, &claims);
}

static bool take_claims(struct check *check, const char *directory, uint32_t partition)
{
	DIR *listing = opendir(directory);
	const struct dirent *entry;
	bool taken = true;

	if (listing == NULL) {
		(void)soak_complain_errno(directory);
		return false;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own */
	while (taken && (entry = readdir(listing)) != NULL) {
		if (belongs(entry->d_name, partition))
			taken = take_file(check, directory, entry->d_name);
	}
	(void)closedir(listing);
	return taken;
}

static int read_all(struct check *check, const struct soak_options *options,
		    struct quorate_client *client, uint32_t partition)
{
	struct quorate_reader_options reading = {
		.record_max_bytes = SOAK_RECORD_MAX, .on_batch = on_batch, .user = check};
	struct quorate_reader *reader;
	uint64_t start;
	int error = quorate_tail(client, options->log, partition, &start, &reading.until);

	if (error != QUORATE_OK || reading.until == 0)
		return error;
	error = quorate_reader_open(client, options->log, partition, &reading, &reader);
	if (error != QUORATE_OK)
		return error;
	error = quorate_reader_drain(reader);
	quorate_reader_close(reader);
	return error == QUORATE_OK && check->failed ? QUORATE_NO_MEMORY : error;
}

static void print_faults(const struct soak_audit_result *result)
{
	for (uint32_t i = 0; i < result->fault_count; i++) {
		const struct soak_fault *fault = &result->faults[i];

		(void)printf("{\"fault\":\"%s\",\"partition\":%" PRIu32 ",\"offset\":%" PRIu64
			     ",\"load\":%" PRIu64 ",\"producer\":%" PRIu32 ",\"sequence\":%" PRIu64
			     "}\n",
			     soak_kind_name(fault->kind), result->partition, fault->offset,
			     soak_token_load(fault->record.token),
			     soak_token_producer(fault->record.token), fault->record.sequence);
	}
}

static void print_result(const struct soak_audit_result *result, bool clean)
{
	(void)printf("{\"partition\":%" PRIu32 ",\"clean\":%s,\"records\":%" PRIu64
		     ",\"acked\":%" PRIu64 ",\"verified\":%" PRIu64 ",\"seen\":%" PRIu64,
		     result->partition, clean ? "true" : "false", result->records, result->acked,
		     result->verified, result->seen);
	for (uint32_t kind = 0; kind < SOAK_KINDS; kind++) {
		(void)printf(",\"%s\":%" PRIu64, soak_kind_name((enum soak_kind)kind),
			     result->counts[kind]);
	}
	(void)printf("}\n");
}

static int check_partition(const struct soak_options *options, struct quorate_client *client,
			   uint32_t partition)
{
	struct check check = {.audit = soak_audit_create(partition)};
	int status = 2;
	int error;

	if (check.audit == NULL)
		return soak_complain_errno("take memory");
	if (take_claims(&check, options->claims, partition)) {
		soak_audit_begin(check.audit);
		error = read_all(&check, options, client, partition);
		if (error == QUORATE_OK && !check.gap) {
			soak_audit_end(check.audit);
			status = soak_audit_is_clean(check.audit) ? 0 : 1;
			print_faults(soak_audit_result(check.audit));
			print_result(soak_audit_result(check.audit), status == 0);
		} else if (error == QUORATE_OK) {
			(void)fprintf(stderr, "soak-client: the reader left out offsets\n");
		} else {
			(void)soak_complain("read the log", error);
		}
	}
	soak_audit_destroy(check.audit);
	return status;
}

int soak_check(const struct soak_options *options)
{
	struct quorate_client *client;
	int worst = 0;

	if (soak_connect(options, &client) != QUORATE_OK)
		return 2;
	for (uint32_t p = 0; p < options->partitions; p++) {
		int status = check_partition(options, client, p);

		if (status > worst)
			worst = status;
	}
	quorate_close(client);
	return worst;
}
