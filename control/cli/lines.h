/*
 * A stream of bytes cut into records at a delimiter. Bytes are bytes: NULs, carriage returns and
 * empty lines are kept. What stands after the last delimiter is a record too; ctl_lines_cut says
 * so.
 *
 * Use:  room -> read(2) into it -> fill -> next until QR_AGAIN -> room ...; at the end: finish,
 * next. Pure: the reading is the caller's. A record borrows from the buffer until the next room or
 * fini.
 */
#ifndef CTL_CLI_LINES_H
#define CTL_CLI_LINES_H

#include "consensus/base/codec.h"
#include "consensus/base/error.h"

struct ctl_lines {
	uint8_t *buffer;
	size_t buffer_bytes;
	size_t start;	/* of the record that comes next */
	size_t scanned; /* no delimiter from start up to here */
	size_t end;	/* of what was filled */
	size_t record_max_bytes;
	uint64_t count; /* records given out: the next one is on line count + 1 */
	uint8_t delimiter;
	bool keep;     /* the delimiter stays part of its record */
	bool finished; /* nothing more will be filled */
	bool cut;      /* the last record had no delimiter */
};

/** @param record_max_bytes  the delimiter included where it is kept. */
void ctl_lines_init(struct ctl_lines *lines, size_t record_max_bytes, uint8_t delimiter, bool keep);
void ctl_lines_fini(struct ctl_lines *lines);
/** Where the next bytes go, and how many fit: at least one. Only after next said QR_AGAIN. */
uint8_t *ctl_lines_room(struct ctl_lines *lines, size_t *ret_bytes);
void ctl_lines_fill(struct ctl_lines *lines, size_t bytes);
void ctl_lines_finish(struct ctl_lines *lines);
/**
 * The next record.
 * Errors: QR_AGAIN      fill first; after finish: there is no more.
 *         QR_TOO_LARGE  the record on line count + 1 exceeds the limit; nothing moves any more.
 */
QR_MUST_USE enum qr_error ctl_lines_next(struct ctl_lines *lines, struct qr_span *ret_record);

#endif
