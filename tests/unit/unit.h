/* cmocka.h needs these in front of it, in every test. */
#ifndef QR_TESTS_UNIT_H
#define QR_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
