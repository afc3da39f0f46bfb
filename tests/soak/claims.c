/*
 * Files of claims. A writer owns its file and appends whole claims to it; `buffered` claims at the
 * front of its array are not in the file yet, and the last of them may still grow.
 */
#include "tests/soak/claims.h"

#include "consensus/base/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x314d49414c434b53u /* "SKCLAIM1" */
#define HEADER_BYTES 32u
#define CLAIM_BYTES 32u

static bool write_all(int fd, const uint8_t *bytes, size_t size_bytes)
{
	while (size_bytes > 0) {
		ssize_t wrote = write(fd, bytes, size_bytes);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return false;
		bytes += wrote;
		size_bytes -= (size_t)wrote;
	}
	return true;
}

bool soak_claims_create(struct soak_claims_writer *writer, const char *path,
			const struct soak_claims_header *header)
{
	uint8_t bytes[HEADER_BYTES];
	struct qr_writer out = qr_writer_over(bytes, sizeof(bytes));

	writer->buffered = 0;
	writer->records = 0;
	writer->fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (writer->fd < 0)
		return false;
	qr_write_u64(&out, MAGIC);
	qr_write_u64(&out, header->source);
	qr_write_u64(&out, header->load);
	qr_write_u64(&out, header->partition);
	return write_all(writer->fd, bytes, sizeof(bytes));
}

bool soak_claims_flush(struct soak_claims_writer *writer)
{
	uint8_t bytes[SOAK_CLAIMS_BUFFERED * CLAIM_BYTES];
	struct qr_writer out = qr_writer_over(bytes, sizeof(bytes));
	uint64_t records = 0;

	for (uint32_t i = 0; i < writer->buffered; i++) {
		const struct soak_claim *claim = &writer->claims[i];

		qr_write_u64(&out, claim->token);
		qr_write_u64(&out, claim->sequence);
		qr_write_u64(&out, claim->offset);
		qr_write_u64(&out, claim->count);
		records += claim->count;
	}
	if (!write_all(writer->fd, bytes, qr_writer_size(&out)))
		return false;
	writer->buffered = 0;
	writer->records += records;
	return true;
}

static bool continues(const struct soak_claim *claim, const struct soak_claim *next)
{
	return claim->token == next->token && claim->sequence + claim->count == next->sequence &&
	       claim->offset + claim->count == next->offset;
}

bool soak_claims_add(struct soak_claims_writer *writer, const struct soak_claim *claim)
{
	if (writer->buffered > 0 && continues(&writer->claims[writer->buffered - 1], claim)) {
		writer->claims[writer->buffered - 1].count += claim->count;
		return true;
	}
	if (writer->buffered == SOAK_CLAIMS_BUFFERED && !soak_claims_flush(writer))
		return false;
	writer->claims[writer->buffered++] = *claim;
	return true;
}

/* ---- reading ---- */

static uint8_t *read_file(const char *path, size_t *ret_size_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat about;
	uint8_t *bytes = NULL;
	size_t done = 0;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &about) == 0)
		bytes = malloc((size_t)about.st_size + 1);
	while (bytes != NULL && done < (size_t)about.st_size) {
		ssize_t got = read(fd, bytes + done, (size_t)about.st_size - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	(void)close(fd);
	*ret_size_bytes = done;
	return bytes;
}

static bool decode(struct soak_claims *claims, const uint8_t *bytes, size_t size_bytes)
{
	struct qr_reader in = qr_reader_over(bytes, size_bytes);
	uint64_t magic = qr_read_u64(&in);
	uint64_t source = qr_read_u64(&in);

	claims->header.load = qr_read_u64(&in);
	claims->header.partition = (uint32_t)qr_read_u64(&in);
	if (in.failed || magic != MAGIC || (source != SOAK_ACKED && source != SOAK_SEEN))
		return false;
	claims->header.source = (enum soak_source)source;
	claims->count = qr_reader_left(&in) / CLAIM_BYTES;
	claims->claims = calloc(claims->count + 1, sizeof(*claims->claims));
	if (claims->claims == NULL)
		return false;
	for (size_t i = 0; i < claims->count; i++) {
		claims->claims[i].token = qr_read_u64(&in);
		claims->claims[i].sequence = qr_read_u64(&in);
		claims->claims[i].offset = qr_read_u64(&in);
		claims->claims[i].count = qr_read_u64(&in);
		if (claims->claims[i].count == 0) {
			soak_claims_free(claims);
			return false;
		}
	}
	return true;
}

bool soak_claims_load(struct soak_claims *claims, const char *path)
{
	size_t size_bytes = 0;
	uint8_t *bytes = read_file(path, &size_bytes);
	bool decoded;

	if (bytes == NULL)
		return false;
	decoded = size_bytes >= HEADER_BYTES && decode(claims, bytes, size_bytes);
	free(bytes);
	if (!decoded)
		errno = size_bytes < HEADER_BYTES ? ENODATA : EBADMSG;
	return decoded;
}

void soak_claims_free(struct soak_claims *claims)
{
	free(claims->claims);
	*claims = (struct soak_claims){0};
}
