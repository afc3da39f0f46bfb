/*
 * Base64 (RFC 4648 section 4), for bytes in JSON.
 */
#ifndef CTL_CLI_BASE64_H
#define CTL_CLI_BASE64_H

#include "consensus/base/codec.h"

/** Text to free(). */
char *ctl_base64(struct qr_span bytes);

#endif
