/*
 * Values: from text to a field and back, one small function a kind. Owns no state. A field is
 * written only when the whole value was good.
 */
#include "dataplane/config/keys.h"

#include "consensus/base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum qr_error dp_config_complain(struct dp_config_problem *problem, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	return QR_CONFIG;
}

void dp_config_locate(struct dp_config_problem *problem, const char *where)
{
	struct dp_config_problem inner = *problem;

	(void)dp_config_complain(problem, "%.180s: %s", where, inner.text);
}

/* ---- fields ---- */

static void store_integer(void *object, struct dp_config_field field, uint64_t value)
{
	uint8_t *at = (uint8_t *)object + field.offset;

	QR_ASSERT(field.size_bytes <= sizeof(value));
	/* Little-endian, as everything that this runs on. */
	memcpy(at, &value, field.size_bytes);
}

static uint64_t load_integer(const void *object, struct dp_config_field field)
{
	uint64_t value = 0;

	QR_ASSERT(field.size_bytes <= sizeof(value));
	memcpy(&value, (const uint8_t *)object + field.offset, field.size_bytes);
	return value;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are copied by their low bytes");

/* ---- pieces of text ---- */

/** Decimal digits up to `end`; false when there are none, others, or more than `max` says. */
static bool read_number(const char **text, uint64_t max, uint64_t *ret_value)
{
	const char *at = *text;
	uint64_t value = 0;

	while (*at >= '0' && *at <= '9') {
		uint64_t digit = (uint64_t)(*at - '0');

		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
		at++;
	}
	if (at == *text)
		return false;
	*text = at;
	*ret_value = value;
	return true;
}

static bool read_ipv4(const char **text, uint32_t *ret_ipv4)
{
	uint32_t ipv4 = 0;

	for (int i = 0; i < 4; i++) {
		uint64_t part;

		if (i > 0 && *(*text)++ != '.')
			return false;
		if (!read_number(text, 255, &part))
			return false;
		ipv4 = ipv4 << 8 | (uint32_t)part;
	}
	*ret_ipv4 = ipv4;
	return true;
}

qr_node dp_config_node_number(const char *text)
{
	uint64_t value;

	if (*text == '0' || !read_number(&text, QR_NODE_MAX, &value) || *text != '\0')
		return 0;
	return (qr_node)value;
}

static bool is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

bool dp_config_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > WIRE_NAME_MAX || name[0] == '.')
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!is_name_character(name[i]))
			return false;
	}
	return true;
}

/* ---- one function a kind: parse ---- */

static enum qr_error parse_string(const struct dp_config_key *key, void *object, const char *text,
				  struct dp_config_problem *problem)
{
	size_t length = strlen(text);

	if (length >= key->field.size_bytes) {
		return dp_config_complain(problem, "%s is too long: at most %u bytes", key->name,
					  key->field.size_bytes - 1);
	}
	if (length == 0 && (key->fallback == NULL || key->fallback[0] != '\0')) {
		return dp_config_complain(problem, "%s must not be empty: %s", key->name,
					  key->help);
	}
	for (size_t i = 0; i < length; i++) {
		bool is_inside = i != 0 && i + 1 != length;
		bool is_blank = text[i] == ' ' && (key->kind != DP_KIND_PATH || !is_inside);

		/* A comment's sign could not be written back to a file, nor a blank at an end. */
		if ((unsigned char)text[i] < ' ' || is_blank || text[i] == ';' || text[i] == '#') {
			return dp_config_complain(problem,
						  "%s = '%.80s' holds a blank, a control "
						  "character, ';' or '#': use another name",
						  key->name, text);
		}
	}
	memset((uint8_t *)object + key->field.offset, 0, key->field.size_bytes);
	memcpy((uint8_t *)object + key->field.offset, text, length);
	return QR_OK;
}

static enum qr_error parse_name(const struct dp_config_key *key, void *object, const char *text,
				struct dp_config_problem *problem)
{
	if (!dp_config_name_is_valid(text)) {
		return dp_config_complain(problem,
					  "%s = '%.80s' is not a name: 1 to %u letters, digits, "
					  "'.', '_', '-', not beginning with '.'",
					  key->name, text, WIRE_NAME_MAX);
	}
	return parse_string(key, object, text, problem);
}

static enum qr_error parse_word(const struct dp_config_key *key, void *object, const char *text,
				struct dp_config_problem *problem)
{
	char allowed[128] = "";
	size_t used = 0;

	for (uint32_t i = 0; key->words[i] != NULL; i++) {
		if (strcmp(key->words[i], text) == 0) {
			store_integer(object, key->field, i);
			store_integer(object, key->second, 1);
			return QR_OK;
		}
		used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s",
					 i == 0 ? "" : ", ", key->words[i]);
		QR_ASSERT(used < sizeof(allowed));
	}
	return dp_config_complain(problem, "%s = '%.80s' is unknown: use one of %s", key->name,
				  text, allowed);
}

static enum qr_error parse_switch(const struct dp_config_key *key, void *object, const char *text,
				  struct dp_config_problem *problem)
{
	bool on = strcmp(text, "on") == 0;

	if (!on && strcmp(text, "off") != 0) {
		return dp_config_complain(problem, "%s = '%.80s' is neither on nor off", key->name,
					  text);
	}
	store_integer(object, key->field, on);
	return QR_OK;
}

static enum qr_error parse_number(const struct dp_config_key *key, void *object, const char *text,
				  struct dp_config_problem *problem)
{
	const char *at = text;
	uint64_t value;

	if (!read_number(&at, UINT32_MAX, &value) || *at != '\0' || value < key->min ||
	    value > key->max) {
		return dp_config_complain(
			problem, "%s = '%.80s' is not a whole number from %llu to %llu", key->name,
			text, (unsigned long long)key->min, (unsigned long long)key->max);
	}
	store_integer(object, key->field, value);
	return QR_OK;
}

/** Bytes as a person writes them: the largest suffix that leaves no remainder. */
static void format_size(uint64_t bytes, char *text, size_t text_bytes)
{
	static const char suffixes[] = {'\0', 'K', 'M', 'G', 'T'};
	size_t i = 0;

	while (bytes != 0 && bytes % 1024 == 0 && i + 1 < sizeof(suffixes)) {
		bytes /= 1024;
		i++;
	}
	(void)snprintf(text, text_bytes, i == 0 ? "%llu" : "%llu%c", (unsigned long long)bytes,
		       suffixes[i]);
}

bool dp_config_size(const char *text, uint64_t *ret_bytes)
{
	unsigned shift = 0;
	uint64_t value;

	if (!read_number(&text, (uint64_t)1 << 33, &value))
		return false;
	if (*text == 'K' || *text == 'k') {
		shift = 10;
	} else if (*text == 'M' || *text == 'm') {
		shift = 20;
	} else if (*text == 'G' || *text == 'g') {
		shift = 30;
	} else if (*text == 'T' || *text == 't') {
		shift = 40;
	}
	if (shift != 0)
		text++;
	*ret_bytes = value << shift;
	return *text == '\0' && *ret_bytes >> shift == value;
}

static enum qr_error parse_size(const struct dp_config_key *key, void *object, const char *text,
				struct dp_config_problem *problem)
{
	char min[24];
	char max[24];
	char multiple[24];
	uint64_t value;

	format_size(key->min, min, sizeof(min));
	format_size(key->max, max, sizeof(max));
	format_size(key->multiple, multiple, sizeof(multiple));
	if (!dp_config_size(text, &value) || value < key->min || value > key->max) {
		return dp_config_complain(
			problem, "%s = '%.80s' is not a size from %s to %s (suffix K, M, G or T)",
			key->name, text, min, max);
	}
	if (value % key->multiple != 0) {
		return dp_config_complain(problem, "%s = '%.80s' is not a multiple of %s",
					  key->name, text, multiple);
	}
	store_integer(object, key->field, value);
	return QR_OK;
}

struct duration_unit {
	char suffix;
	uint64_t ns;
};

static const struct duration_unit duration_units[] = {
	{'d', 86400000000000u}, {'h', 3600000000000u}, {'m', 60000000000u}, {'s', 1000000000u}};

#define DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

/** The largest unit that leaves no remainder. */
static void format_duration(uint64_t ns, char *text, size_t text_bytes)
{
	size_t i = 0;

	while (i + 1 < DURATION_UNITS && ns % duration_units[i].ns != 0)
		i++;
	(void)snprintf(text, text_bytes, ns == 0 ? "%llu" : "%llu%c",
		       (unsigned long long)(ns / duration_units[i].ns), duration_units[i].suffix);
}

/** A number without its unit would be taken for seconds by some and for hours by others: only 0. */
static bool read_duration(const char *text, uint64_t max, uint64_t *ret_ns)
{
	uint64_t value;

	if (!read_number(&text, max, &value))
		return false;
	*ret_ns = value;
	if (*text == '\0')
		return value == 0;
	for (size_t i = 0; i < DURATION_UNITS; i++) {
		if (*text != duration_units[i].suffix || value > max / duration_units[i].ns)
			continue;
		*ret_ns = value * duration_units[i].ns;
		return text[1] == '\0';
	}
	return false;
}

static enum qr_error parse_duration(const struct dp_config_key *key, void *object, const char *text,
				    struct dp_config_problem *problem)
{
	char max[24];
	uint64_t ns;

	format_duration(key->max, max, sizeof(max));
	if (!read_duration(text, key->max, &ns)) {
		return dp_config_complain(problem,
					  "%s = '%.80s' is not a duration up to %s: give a whole "
					  "number and d, h, m or s, such as 7d or 12h, or 0",
					  key->name, text, max);
	}
	store_integer(object, key->field, ns);
	return QR_OK;
}

static enum qr_error parse_cpus(const struct dp_config_key *key, void *object, const char *text,
				struct dp_config_problem *problem)
{
	const char *at = text;

	while (*at != '\0') {
		uint64_t first;
		uint64_t last;

		if (at != text && *at++ != ',')
			goto bad;
		if (!read_number(&at, 4095, &first))
			goto bad;
		last = first;
		if (*at == '-' && (at++, !read_number(&at, 4095, &last)))
			goto bad;
		if (last < first)
			goto bad;
	}
	return parse_string(key, object, text, problem);
bad:
	return dp_config_complain(problem,
				  "%s = '%.80s' is not a list of CPU numbers, such as 2,3 or 2-5",
				  key->name, text);
}

static enum qr_error parse_ipv4(const struct dp_config_key *key, void *object, const char *text,
				struct dp_config_problem *problem)
{
	const char *at = text;
	uint32_t ipv4 = 0;

	if (*text != '\0' && (!read_ipv4(&at, &ipv4) || *at != '\0')) {
		return dp_config_complain(problem,
					  "%s = '%.80s' is not an IPv4 address, such as 10.0.0.254",
					  key->name, text);
	}
	store_integer(object, key->field, ipv4);
	return QR_OK;
}

/** An IPv4 address, a separator and a number. */
static enum qr_error parse_pair(const struct dp_config_key *key, void *object, const char *text,
				struct dp_config_problem *problem)
{
	bool is_endpoint = key->kind == DP_KIND_ENDPOINT;
	uint64_t max = is_endpoint ? 65000 : 32;
	const char *at = text;
	uint32_t ipv4 = 0;
	uint64_t number = 0;

	if (*text == '\0' && !is_endpoint) {
		store_integer(object, key->field, 0);
		store_integer(object, key->second, 0);
		return QR_OK;
	}
	if (!read_ipv4(&at, &ipv4) || *at++ != (is_endpoint ? ':' : '/') ||
	    !read_number(&at, max, &number) || *at != '\0' || number == 0 || ipv4 == 0) {
		return dp_config_complain(
			problem, "%s = '%.80s' is not %s", key->name, text,
			is_endpoint
				? "an IPv4 address and a port up to 65000, such as 127.0.0.1:7100"
				: "an IPv4 address and its network's bits, such as 10.0.0.1/24");
	}
	store_integer(object, key->field, ipv4);
	store_integer(object, key->second, number);
	return QR_OK;
}

static enum qr_error parse_nodes(const struct dp_config_key *key, void *object, const char *text,
				 struct dp_config_problem *problem)
{
	const char *at = text;
	qr_nodes nodes = 0;

	for (;;) {
		uint64_t node;

		at += strspn(at, " ");
		if (!read_number(&at, QR_NODE_MAX, &node) || node == 0 ||
		    qr_nodes_has(nodes, (qr_node)node)) {
			return dp_config_complain(problem,
						  "%s = '%.80s' is not a list of different node "
						  "numbers from 1 to %u, such as 1,2,3",
						  key->name, text, QR_NODE_MAX);
		}
		nodes |= qr_nodes_of((qr_node)node);
		at += strspn(at, " ");
		if (*at != ',')
			break;
		at++;
	}
	if (*at != '\0') {
		return dp_config_complain(problem, "%s = '%.80s' has '%.20s' where a comma is due",
					  key->name, text, at);
	}
	store_integer(object, key->field, nodes);
	return QR_OK;
}

typedef enum qr_error (*value_parser)(const struct dp_config_key *key, void *object,
				      const char *text, struct dp_config_problem *problem);

static const value_parser parsers[] = {
	[DP_KIND_NAME] = parse_name,	 [DP_KIND_PATH] = parse_string,
	[DP_KIND_TEXT] = parse_string,	 [DP_KIND_WORD] = parse_word,
	[DP_KIND_SWITCH] = parse_switch, [DP_KIND_NUMBER] = parse_number,
	[DP_KIND_SIZE] = parse_size,	 [DP_KIND_DURATION] = parse_duration,
	[DP_KIND_CPUS] = parse_cpus,	 [DP_KIND_IPV4] = parse_ipv4,
	[DP_KIND_ENDPOINT] = parse_pair, [DP_KIND_NETWORK] = parse_pair,
	[DP_KIND_NODES] = parse_nodes,
};

enum qr_error dp_config_value_parse(const struct dp_config_key *key, void *object, const char *text,
				    struct dp_config_problem *ret_problem)
{
	QR_ASSERT(key->kind < sizeof(parsers) / sizeof(parsers[0]));
	return parsers[key->kind](key, object, text, ret_problem);
}

/* ---- format ---- */

static void format_ipv4(uint64_t ipv4, char *text, size_t text_bytes)
{
	(void)snprintf(text, text_bytes, "%u.%u.%u.%u", (unsigned)(ipv4 >> 24 & 255),
		       (unsigned)(ipv4 >> 16 & 255), (unsigned)(ipv4 >> 8 & 255),
		       (unsigned)(ipv4 & 255));
}

static void format_nodes(qr_nodes nodes, char *text, size_t text_bytes)
{
	size_t used = 0;

	text[0] = '\0';
	while (nodes != 0 && used < text_bytes) {
		qr_node node = qr_nodes_take(&nodes);

		used += (size_t)snprintf(text + used, text_bytes - used, used == 0 ? "%u" : ",%u",
					 node);
	}
}

void dp_config_value_format(const struct dp_config_key *key, const void *object, char *text,
			    size_t text_bytes)
{
	uint64_t value = 0;
	char ipv4[24];

	if (key->kind != DP_KIND_NAME && key->kind != DP_KIND_PATH && key->kind != DP_KIND_TEXT &&
	    key->kind != DP_KIND_CPUS)
		value = load_integer(object, key->field);
	format_ipv4(value, ipv4, sizeof(ipv4));
	switch (key->kind) {
	case DP_KIND_NAME:
	case DP_KIND_PATH:
	case DP_KIND_TEXT:
	case DP_KIND_CPUS:
		(void)snprintf(text, text_bytes, "%s", (const char *)object + key->field.offset);
		break;
	case DP_KIND_WORD:
		(void)snprintf(text, text_bytes, "%s", key->words[value]);
		break;
	case DP_KIND_SWITCH:
		(void)snprintf(text, text_bytes, "%s", value != 0 ? "on" : "off");
		break;
	case DP_KIND_NUMBER:
		(void)snprintf(text, text_bytes, "%llu", (unsigned long long)value);
		break;
	case DP_KIND_SIZE:
		format_size(value, text, text_bytes);
		break;
	case DP_KIND_DURATION:
		format_duration(value, text, text_bytes);
		break;
	case DP_KIND_IPV4:
		(void)snprintf(text, text_bytes, "%s", value != 0 ? ipv4 : "");
		break;
	case DP_KIND_ENDPOINT:
	case DP_KIND_NETWORK:
		text[0] = '\0';
		if (value != 0) {
			(void)snprintf(text, text_bytes, "%s%c%u", ipv4,
				       key->kind == DP_KIND_ENDPOINT ? ':' : '/',
				       (unsigned)load_integer(object, key->second));
		}
		break;
	case DP_KIND_NODES:
		format_nodes(value, text, text_bytes);
		break;
	}
}
