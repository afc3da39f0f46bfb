/*
 * One pass, no recursion. Complete values wait on a stack; a frame remembers where the items of the
 * list or object that is open begin on it. Numbers are brought to one form here, so that equal ones
 * are found equal.
 */
#include "tests/check/json.h"

#include "tests/check/memory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 64u		     /* bytes of a number that is not only digits */
#define EXACT_MAX 9007199254740992.0 /* 2^53: below, a real is an exact integer */

struct frame {
	bool object;
	size_t first; /* of the stack */
};

struct parser {
	struct check_values *values;
	const char *at;
	const char *end;
	const char *begin;
	struct check_json_error *error;
	struct frame frames[CHECK_JSON_DEPTH_MAX];
	size_t depth;
	check_value *stack;
	size_t stack_capacity;
	size_t stack_count;
	char *text; /* of a string, unescaped */
	size_t text_capacity;
	size_t text_count;
};

static bool refuse(struct parser *parser, const char *what)
{
	parser->error->at = (size_t)(parser->at - parser->begin);
	parser->error->what = what;
	return false;
}

static void skip_space(struct parser *parser)
{
	while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\t' ||
					    *parser->at == '\r' || *parser->at == '\n'))
		parser->at++;
}

/** The byte here; '\0' at the end. */
static char here(const struct parser *parser)
{
	if (parser->at == parser->end)
		return '\0';
	return *parser->at;
}

/** The next byte that is no space. */
static char peek(struct parser *parser)
{
	skip_space(parser);
	return here(parser);
}

static bool is_digit(const struct parser *parser)
{
	return parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9';
}

/* ---- strings ---- */

static void keep_byte(struct parser *parser, unsigned byte)
{
	parser->text =
		check_memory_grow(parser->text, &parser->text_capacity, parser->text_count + 1, 1);
	parser->text[parser->text_count++] = (char)byte;
}

static void keep_character(struct parser *parser, uint32_t code)
{
	if (code < 0x80) {
		keep_byte(parser, code);
		return;
	}
	if (code < 0x800) {
		keep_byte(parser, 0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			keep_byte(parser, 0xe0 | code >> 12);
		} else {
			keep_byte(parser, 0xf0 | code >> 18);
			keep_byte(parser, 0x80 | (code >> 12 & 0x3f));
		}
		keep_byte(parser, 0x80 | (code >> 6 & 0x3f));
	}
	keep_byte(parser, 0x80 | (code & 0x3f));
}

static bool parse_hex(struct parser *parser, uint32_t *ret_code)
{
	uint32_t code = 0;

	for (int i = 0; i < 4; i++, parser->at++) {
		char c = here(parser);

		if (c >= '0' && c <= '9') {
			code = code << 4 | (uint32_t)(c - '0');
		} else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
			code = code << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		} else {
			return refuse(parser, "expected four hexadecimal digits after \\u");
		}
	}
	*ret_code = code;
	return true;
}

/** After "\u". A lone half of a pair is kept as it is. */
static bool parse_unicode(struct parser *parser)
{
	const char *behind;
	uint32_t code;
	uint32_t low;

	if (!parse_hex(parser, &code))
		return false;
	behind = parser->at;
	if (code >= 0xd800 && code < 0xdc00 && parser->end - parser->at >= 6 &&
	    parser->at[0] == '\\' && parser->at[1] == 'u') {
		parser->at += 2;
		if (!parse_hex(parser, &low))
			return false;
		if (low >= 0xdc00 && low < 0xe000) {
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		} else {
			parser->at = behind;
		}
	}
	keep_character(parser, code);
	return true;
}

static bool parse_escape(struct parser *parser)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	char c = here(parser);
	const char *found = c != '\0' ? strchr(from, c) : NULL;

	if (c == 'u') {
		parser->at++;
		return parse_unicode(parser);
	}
	if (found == NULL)
		return refuse(parser, "expected one of \"\\/bfnrtu after a backslash");
	parser->at++;
	keep_byte(parser, (unsigned char)to[found - from]);
	return true;
}

/** At the opening quote. */
static bool parse_string(struct parser *parser, check_value *ret_value)
{
	const char *begin = ++parser->at;
	bool plain = true;

	parser->text_count = 0;
	for (;; parser->at++) {
		if (parser->at == parser->end)
			return refuse(parser, "expected the string to end with a quote");
		if (*parser->at == '"')
			break;
		if ((unsigned char)*parser->at < 0x20)
			return refuse(parser, "expected control characters to be escaped");
		if (*parser->at == '\\') {
			if (plain) {
				for (const char *c = begin; c < parser->at; c++)
					keep_byte(parser, (unsigned char)*c);
			}
			plain = false;
			parser->at++;
			if (!parse_escape(parser))
				return false;
			parser->at--;
		} else if (!plain) {
			keep_byte(parser, (unsigned char)*parser->at);
		}
	}
	*ret_value = plain ? check_values_text(parser->values, CHECK_VALUE_STRING, begin,
					       (size_t)(parser->at - begin))
			   : check_values_text(parser->values, CHECK_VALUE_STRING, parser->text,
					       parser->text_count);
	parser->at++;
	return true;
}

/* ---- numbers ---- */

static bool skip_digits(struct parser *parser)
{
	if (!is_digit(parser))
		return refuse(parser, "expected a digit");
	while (is_digit(parser))
		parser->at++;
	return true;
}

static check_value make_integer(struct parser *parser, const char *begin, const char *end)
{
	bool negative = *begin == '-';
	uint64_t magnitude = 0;

	for (const char *c = begin + negative; c < end; c++) {
		uint64_t digit = (uint64_t)(*c - '0');

		if (magnitude > ((uint64_t)INT64_MAX - digit) / 10) {
			return check_values_text(parser->values, CHECK_VALUE_HUGE, begin,
						 (size_t)(end - begin));
		}
		magnitude = magnitude * 10 + digit;
	}
	return check_values_integer(parser->values,
				    negative ? -(int64_t)magnitude : (int64_t)magnitude);
}

static bool make_real(struct parser *parser, const char *begin, check_value *ret_value)
{
	char text[NUMBER_MAX + 1];
	size_t size = (size_t)(parser->at - begin);
	double real;

	if (size > NUMBER_MAX)
		return refuse(parser, "expected a number of at most 64 characters");
	memcpy(text, begin, size);
	text[size] = '\0';
	errno = 0;
	real = strtod(text, NULL); /* its form has been checked */
	if (real > -EXACT_MAX && real < EXACT_MAX && real == floor(real)) {
		*ret_value = check_values_integer(parser->values, (int64_t)real);
	} else {
		*ret_value = check_values_real(parser->values, real);
	}
	return true;
}

static bool parse_number(struct parser *parser, check_value *ret_value)
{
	const char *begin = parser->at;
	bool whole = true;

	if (*parser->at == '-')
		parser->at++;
	if (parser->at < parser->end && *parser->at == '0') {
		parser->at++;
	} else if (!skip_digits(parser)) {
		return false;
	}
	if (parser->at < parser->end && *parser->at == '.') {
		whole = false;
		parser->at++;
		if (!skip_digits(parser))
			return false;
	}
	if (parser->at < parser->end && (*parser->at | 0x20) == 'e') {
		whole = false;
		parser->at++;
		if (parser->at < parser->end && (*parser->at == '+' || *parser->at == '-'))
			parser->at++;
		if (!skip_digits(parser))
			return false;
	}
	if (!whole)
		return make_real(parser, begin, ret_value);
	*ret_value = make_integer(parser, begin, parser->at);
	return true;
}

/* ---- values ---- */

static bool parse_word(struct parser *parser, check_value *ret_value)
{
	static const struct {
		const char *text;
		enum check_value_kind kind;
	} words[] = {{"null", CHECK_VALUE_NULL},
		     {"false", CHECK_VALUE_FALSE},
		     {"true", CHECK_VALUE_TRUE}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t size = strlen(words[i].text);

		if ((size_t)(parser->end - parser->at) >= size &&
		    memcmp(parser->at, words[i].text, size) == 0) {
			parser->at += size;
			*ret_value = check_values_word(parser->values, words[i].kind);
			return true;
		}
	}
	return refuse(parser, "expected a JSON value");
}

static void push(struct parser *parser, check_value value)
{
	parser->stack = check_memory_grow(parser->stack, &parser->stack_capacity,
					  parser->stack_count + 1, sizeof(*parser->stack));
	parser->stack[parser->stack_count++] = value;
}

static bool parse_key(struct parser *parser)
{
	check_value key;

	if (peek(parser) != '"')
		return refuse(parser, "expected a key in quotes");
	if (!parse_string(parser, &key))
		return false;
	if (peek(parser) != ':')
		return refuse(parser, "expected a colon after the key");
	parser->at++;
	push(parser, key);
	return true;
}

static int by_key(const void *left, const void *right)
{
	const check_value *a = left;
	const check_value *b = right;

	return (*a > *b) - (*a < *b);
}

/** The open list or object is complete. */
static bool close(struct parser *parser, check_value *ret_value)
{
	const struct frame *frame = &parser->frames[--parser->depth];
	enum check_value_kind kind = frame->object ? CHECK_VALUE_OBJECT : CHECK_VALUE_LIST;
	size_t count = parser->stack_count - frame->first;
	check_value nothing = CHECK_ABSENT;
	check_value *items = count != 0 ? parser->stack + frame->first : &nothing;

	parser->at++;
	if (frame->object && count > 2) {
		qsort(items, count / 2, 2 * sizeof(*items), by_key);
		for (size_t i = 2; i < count; i += 2) {
			if (items[i] == items[i - 2])
				return refuse(parser, "expected each key once");
		}
	}
	*ret_value = check_values_items(parser->values, kind, items, count);
	parser->stack_count = frame->first;
	return true;
}

enum token { FAILED, VALUE, OPENED };

/** A scalar, or an empty list or object; or the beginning of one that is not empty. */
static enum token parse_token(struct parser *parser, check_value *ret_value)
{
	char c = peek(parser);

	if (c == '{' || c == '[') {
		if (parser->depth == CHECK_JSON_DEPTH_MAX) {
			(void)refuse(parser, "expected less than 64 levels");
			return FAILED;
		}
		parser->frames[parser->depth++] = (struct frame){c == '{', parser->stack_count};
		parser->at++;
		if (peek(parser) == (c == '{' ? '}' : ']'))
			return close(parser, ret_value) ? VALUE : FAILED;
		return c == '[' || parse_key(parser) ? OPENED : FAILED;
	}
	if (c == '"')
		return parse_string(parser, ret_value) ? VALUE : FAILED;
	if (c == '-' || (c >= '0' && c <= '9'))
		return parse_number(parser, ret_value) ? VALUE : FAILED;
	return parse_word(parser, ret_value) ? VALUE : FAILED;
}

/** After a value inside a list or object. @return OPENED: another one comes. */
static enum token parse_behind(struct parser *parser, check_value *ret_value)
{
	bool object = parser->frames[parser->depth - 1].object;
	char c = peek(parser);

	push(parser, *ret_value);
	if (c == (object ? '}' : ']'))
		return close(parser, ret_value) ? VALUE : FAILED;
	if (c != ',') {
		(void)refuse(parser, object ? "expected a comma or }" : "expected a comma or ]");
		return FAILED;
	}
	parser->at++;
	return !object || parse_key(parser) ? OPENED : FAILED;
}

static bool parse_all(struct parser *parser, check_value *ret_value)
{
	enum token token;

	do {
		token = parse_token(parser, ret_value);
		while (token == VALUE && parser->depth > 0)
			token = parse_behind(parser, ret_value);
	} while (token == OPENED);
	if (token == FAILED)
		return false;
	skip_space(parser);
	return parser->at == parser->end || refuse(parser, "expected nothing after the value");
}

check_value check_json_parse(struct check_values *values, const char *text, size_t size_bytes,
			     struct check_json_error *ret_error)
{
	struct parser parser = {
		.values = values,
		.at = text,
		.begin = text,
		.end = text + size_bytes,
		.error = ret_error,
	};
	check_value value = CHECK_ABSENT;

	if (!parse_all(&parser, &value))
		value = CHECK_ABSENT;
	free(parser.stack);
	free(parser.text);
	return value;
}
