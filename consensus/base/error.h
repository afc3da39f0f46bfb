/*
 * The one list of errors. Every fallible call returns one of these; QR_OK is 0 and the result must
 * be used. errno is translated where the system call is made, never carried further.
 */
#ifndef QR_BASE_ERROR_H
#define QR_BASE_ERROR_H

#include "consensus/base/types.h"

/*
 * What the caller can do about it:
 *   RETRY   nothing is wrong with the request: later, or elsewhere
 *   PEER    the bytes or the order of the other side are wrong: drop and count
 *   CONFIG  the request or the set-up is wrong: a person mends it
 *   FATAL   this store or process must not go on as if nothing happened
 */
enum qr_error_class {
	QR_CLASS_NONE,
	QR_CLASS_RETRY,
	QR_CLASS_PEER,
	QR_CLASS_CONFIG,
	QR_CLASS_FATAL
};

/*        name            class   text shown to a person */
#define QR_ERRORS(X)                                                                               \
	X(OK, NONE, "ok")                                                                          \
	X(BUSY, RETRY, "overloaded: retry later")                                                  \
	X(NOT_LEADER, RETRY, "not the leader of this log")                                         \
	X(NO_QUORUM, RETRY, "no quorum of replicas answers")                                       \
	X(TIMED_OUT, RETRY, "no answer within the time given")                                     \
	X(AGAIN, RETRY, "nothing to do yet")                                                       \
	X(MALFORMED, PEER, "malformed message")                                                    \
	X(CHECKSUM, PEER, "checksum does not match")                                               \
	X(VERSION, PEER, "unknown protocol or format version")                                     \
	X(FOREIGN, PEER, "belongs to another cluster or node")                                     \
	X(UNKNOWN_GROUP, PEER, "no such log on this node")                                         \
	X(STALE, PEER, "older than what is known")                                                 \
	X(GAP, PEER, "an earlier chunk of the session is missing")                                 \
	X(EXPIRED, PEER, "the session has expired")                                                \
	X(DENIED, PEER, "not permitted")                                                           \
	X(TOO_LARGE, CONFIG, "larger than the limit")                                              \
	X(OUT_OF_RANGE, CONFIG, "offset outside the log")                                          \
	X(CONFIG, CONFIG, "invalid configuration")                                                 \
	X(LOCKED, CONFIG, "in use by another process")                                             \
	X(NOT_FOUND, CONFIG, "does not exist")                                                     \
	X(NO_DIRECT_IO, CONFIG, "the file system does not support O_DIRECT")                       \
	X(PORT_TAKEN, CONFIG, "the address is already in use")                                     \
	X(UNSUPPORTED, CONFIG, "not supported here")                                               \
	X(NO_SPACE, FATAL, "no space left on the device")                                          \
	X(NO_MEMORY, FATAL, "out of memory")                                                       \
	X(IO, FATAL, "input/output error")                                                         \
	X(CORRUPT, FATAL, "stored data is damaged")                                                \
	X(POISONED, FATAL, "the store failed a write and takes no more")

enum qr_error {
#define QR_ERROR_ENUM(name, class, text) QR_##name,
	QR_ERRORS(QR_ERROR_ENUM)
#undef QR_ERROR_ENUM
		QR_ERROR_COUNT
};

/** The name without its prefix, such as "NOT_LEADER"; "UNKNOWN" for a value not in the list. */
const char *qr_error_name(enum qr_error error);
/** One short sentence for a person. */
const char *qr_error_text(enum qr_error error);
enum qr_error_class qr_error_class(enum qr_error error);

#endif
