/*
 * An image as a real directory.
 */
#ifndef QR_TESTS_CRASH_FOLDER_H
#define QR_TESTS_CRASH_FOLDER_H

#include "tests/crash/media.h"

/**
 * Make the directory hold exactly what the node's data directory holds in the image that is applied
 * now; nothing is left when the image has none. What was there before is removed.
 */
void folder_write(const struct media *media, const char *path);
void folder_remove(const char *path);

#endif
