/*
 * Base64 encoding. Pure but for its memory.
 */
#include "control/cli/base64.h"
#include "control/cli/heap.h"

char *ctl_base64(struct qr_span bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = ctl_heap_take((bytes.size_bytes + 2) / 3 * 4 + 1, 1);
	char *out = text;

	for (size_t at = 0; at < bytes.size_bytes; at += 3) {
		size_t left = bytes.size_bytes - at;
		uint32_t group = (uint32_t)bytes.data[at] << 16;

		if (left > 1)
			group |= (uint32_t)bytes.data[at + 1] << 8;
		if (left > 2)
			group |= bytes.data[at + 2];
		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = (char)(left > 1 ? digits[group >> 6 & 63] : '=');
		*out++ = (char)(left > 2 ? digits[group & 63] : '=');
	}
	return text;
}
