/*
 * A hash table over nodes. The bytes of texts and the items of lists lie in two arrays that only
 * grow; a node says where. Nothing is ever taken out: a set lives as long as its history.
 */
#include "tests/check/values.h"

#include "consensus/base/assert.h"
#include "tests/check/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 1024u

struct node {
	enum check_value_kind kind;
	uint32_t hash;
	uint64_t at;   /* where its bytes or items are; or its integer or real, as bits */
	uint64_t size; /* bytes or items */
};

struct check_values {
	struct node *nodes; /* by number; the first is ABSENT */
	size_t node_capacity;
	size_t node_count;
	uint32_t *slots; /* numbers; 0 is none */
	size_t slot_count;
	char *bytes;
	size_t byte_capacity;
	size_t byte_count;
	check_value *items;
	size_t item_capacity;
	size_t item_count;
};

struct check_values *check_values_create(void)
{
	struct check_values *values = check_memory_take(1, sizeof(*values));

	values->nodes = check_memory_grow(NULL, &values->node_capacity, 1, sizeof(*values->nodes));
	values->nodes[0] = (struct node){.kind = CHECK_VALUE_ABSENT};
	values->node_count = 1;
	values->slots = check_memory_take(SLOTS_MIN, sizeof(*values->slots));
	values->slot_count = SLOTS_MIN;
	return values;
}

void check_values_destroy(struct check_values *values)
{
	if (values == NULL)
		return;
	free(values->nodes);
	free(values->slots);
	free(values->bytes);
	free(values->items);
	free(values);
}

/* ---- the table ---- */

/** FNV-1a over words, as bytes come one at a time or four. */
static uint32_t hash_bytes(uint32_t hash, const void *data, size_t size_bytes)
{
	const uint8_t *bytes = data;
	uint64_t mixed = hash;

	for (; size_bytes >= sizeof(uint32_t); size_bytes -= sizeof(uint32_t)) {
		uint32_t word;

		memcpy(&word, bytes, sizeof(word));
		mixed = (mixed ^ word) * 0x9e3779b97f4a7c15ull;
		mixed ^= mixed >> 29;
		bytes += sizeof(word);
	}
	while (size_bytes-- > 0)
		mixed = (mixed ^ *bytes++) * 0x100000001b3ull;
	return (uint32_t)(mixed ^ mixed >> 32);
}

static void grow_slots(struct check_values *values)
{
	size_t count = values->slot_count * 2;

	free(values->slots);
	values->slots = check_memory_take(count, sizeof(*values->slots));
	values->slot_count = count;
	for (uint32_t i = 1; i < values->node_count; i++) {
		size_t at = values->nodes[i].hash & (count - 1);

		while (values->slots[at] != 0)
			at = (at + 1) & (count - 1);
		values->slots[at] = i;
	}
}

/** What a node is made from, before it is known to be new. */
struct content {
	struct node node; /* for texts and lists without `at` */
	const void *data; /* NULL: the node says it all */
	size_t item_bytes;
};

static const void *data_of(const struct check_values *values, const struct node *node)
{
	if (node->kind == CHECK_VALUE_LIST || node->kind == CHECK_VALUE_OBJECT)
		return values->items + node->at;
	return values->bytes + node->at;
}

static bool is_same(const struct check_values *values, const struct node *node,
		    const struct content *content)
{
	const struct node *other = &content->node;

	if (node->hash != other->hash || node->kind != other->kind || node->size != other->size)
		return false;
	if (content->data == NULL)
		return node->at == other->at;
	return node->size == 0 ||
	       memcmp(data_of(values, node), content->data, node->size * content->item_bytes) == 0;
}

/** Copy a content's data. @return where it is. */
static uint64_t keep(struct check_values *values, const struct content *content)
{
	size_t count = content->node.size;
	size_t at;

	if (content->item_bytes == 1) {
		at = values->byte_count;
		values->bytes =
			check_memory_grow(values->bytes, &values->byte_capacity, at + count + 1, 1);
		memcpy(values->bytes + at, content->data, count);
		values->byte_count += count;
		return at;
	}
	at = values->item_count;
	values->items = check_memory_grow(values->items, &values->item_capacity, at + count + 1,
					  sizeof(*values->items));
	memcpy(values->items + at, content->data, count * sizeof(*values->items));
	values->item_count += count;
	return at;
}

static check_value find_or_make(struct check_values *values, const struct content *content)
{
	size_t at = content->node.hash & (values->slot_count - 1);
	struct node *node;

	for (; values->slots[at] != 0; at = (at + 1) & (values->slot_count - 1)) {
		if (is_same(values, &values->nodes[values->slots[at]], content))
			return values->slots[at];
	}
	QR_ASSERT(values->node_count < UINT32_MAX);
	values->slots[at] = (uint32_t)values->node_count;
	values->nodes = check_memory_grow(values->nodes, &values->node_capacity,
					  values->node_count + 1, sizeof(*values->nodes));
	node = &values->nodes[values->node_count++];
	*node = content->node;
	if (content->data != NULL)
		node->at = keep(values, content);
	if (values->node_count * 2 > values->slot_count)
		grow_slots(values);
	return (check_value)(values->node_count - 1);
}

/* ---- making ---- */

static check_value make_bits(struct check_values *values, enum check_value_kind kind, uint64_t bits)
{
	struct content content = {.node = {.kind = kind, .at = bits}};

	content.node.hash = hash_bytes((uint32_t)kind, &bits, sizeof(bits));
	return find_or_make(values, &content);
}

check_value check_values_word(struct check_values *values, enum check_value_kind kind)
{
	QR_ASSERT(kind >= CHECK_VALUE_NULL && kind <= CHECK_VALUE_TRUE);
	return make_bits(values, kind, 0);
}

check_value check_values_integer(struct check_values *values, int64_t integer)
{
	return make_bits(values, CHECK_VALUE_INTEGER, (uint64_t)integer);
}

check_value check_values_real(struct check_values *values, double real)
{
	uint64_t bits;

	memcpy(&bits, &real, sizeof(bits));
	return make_bits(values, CHECK_VALUE_REAL, bits);
}

check_value check_values_text(struct check_values *values, enum check_value_kind kind,
			      const char *text, size_t size_bytes)
{
	struct content content = {
		.node = {.kind = kind, .size = size_bytes}, .data = text, .item_bytes = 1};

	content.node.hash = hash_bytes((uint32_t)kind, text, size_bytes);
	return find_or_make(values, &content);
}

check_value check_values_string(struct check_values *values, const char *text)
{
	return check_values_text(values, CHECK_VALUE_STRING, text, strlen(text));
}

check_value check_values_items(struct check_values *values, enum check_value_kind kind,
			       const check_value *items, size_t count)
{
	struct content content = {
		.node = {.kind = kind, .size = count}, .data = items, .item_bytes = sizeof(*items)};

	content.node.hash = hash_bytes((uint32_t)kind, items, count * sizeof(*items));
	return find_or_make(values, &content);
}

/* ---- looking ---- */

static const struct node *node_of(const struct check_values *values, check_value value)
{
	QR_ASSERT(value < values->node_count);
	return &values->nodes[value];
}

enum check_value_kind check_value_kind(const struct check_values *values, check_value value)
{
	return node_of(values, value)->kind;
}

bool check_value_integer(const struct check_values *values, check_value value, int64_t *ret_integer)
{
	const struct node *node = node_of(values, value);

	if (node->kind != CHECK_VALUE_INTEGER)
		return false;
	*ret_integer = (int64_t)node->at;
	return true;
}

bool check_value_count(const struct check_values *values, check_value value, uint64_t *ret_count)
{
	int64_t integer;

	if (!check_value_integer(values, value, &integer) || integer < 0)
		return false;
	*ret_count = (uint64_t)integer;
	return true;
}

double check_value_real(const struct check_values *values, check_value value)
{
	const struct node *node = node_of(values, value);
	double real = 0.0;

	if (node->kind == CHECK_VALUE_INTEGER)
		return (double)(int64_t)node->at;
	if (node->kind == CHECK_VALUE_REAL)
		memcpy(&real, &node->at, sizeof(real));
	return real;
}

const check_value *check_value_items(const struct check_values *values, check_value value,
				     size_t *ret_count)
{
	const struct node *node = node_of(values, value);

	QR_ASSERT(node->kind == CHECK_VALUE_LIST || node->kind == CHECK_VALUE_OBJECT);
	*ret_count = node->size;
	return values->items + node->at;
}

check_value check_value_member(const struct check_values *values, check_value object,
			       check_value key)
{
	const check_value *items;
	size_t count;

	if (check_value_kind(values, object) != CHECK_VALUE_OBJECT)
		return CHECK_ABSENT;
	items = check_value_items(values, object, &count);
	for (size_t i = 0; i < count; i += 2) {
		if (items[i] == key)
			return items[i + 1];
	}
	return CHECK_ABSENT;
}

size_t check_values_count(const struct check_values *values)
{
	return values->node_count;
}

/* ---- printing ---- */

#define PRINT_DEPTH 64u
#define CUT "..."

struct output {
	char *text;
	size_t room; /* without what the cut needs */
	size_t used;
	bool cut;
};

static void put(struct output *output, const char *data, size_t size_bytes)
{
	if (output->cut || size_bytes > output->room - output->used) {
		output->cut = true;
		return;
	}
	memcpy(output->text + output->used, data, size_bytes);
	output->used += size_bytes;
}

static void put_string(struct output *output, const char *data, size_t size_bytes)
{
	put(output, "\"", 1);
	for (size_t i = 0; i < size_bytes && !output->cut; i++) {
		unsigned char byte = (unsigned char)data[i];
		char escaped[8];

		if (byte >= 0x20 && byte != '"' && byte != '\\') {
			put(output, data + i, 1);
		} else if (byte == '"' || byte == '\\') {
			put(output, "\\", 1);
			put(output, data + i, 1);
		} else {
			(void)snprintf(escaped, sizeof(escaped), "\\u%04x", byte);
			put(output, escaped, 6);
		}
	}
	put(output, "\"", 1);
}

static void put_scalar(struct output *output, const struct check_values *values,
		       const struct node *node)
{
	static const char *const words[] = {
		[CHECK_VALUE_ABSENT] = "nothing",
		[CHECK_VALUE_NULL] = "null",
		[CHECK_VALUE_FALSE] = "false",
		[CHECK_VALUE_TRUE] = "true",
	};
	char number[40] = "";
	double real;

	switch (node->kind) {
	case CHECK_VALUE_STRING:
		put_string(output, values->bytes + node->at, node->size);
		return;
	case CHECK_VALUE_HUGE:
		put(output, values->bytes + node->at, node->size);
		return;
	case CHECK_VALUE_INTEGER:
		(void)snprintf(number, sizeof(number), "%" PRId64, (int64_t)node->at);
		break;
	case CHECK_VALUE_REAL:
		memcpy(&real, &node->at, sizeof(real));
		(void)snprintf(number, sizeof(number), "%.17g", real);
		break;
	case CHECK_VALUE_ABSENT:
	case CHECK_VALUE_NULL:
	case CHECK_VALUE_FALSE:
	case CHECK_VALUE_TRUE:
	case CHECK_VALUE_LIST:
	case CHECK_VALUE_OBJECT:
		put(output, words[node->kind], strlen(words[node->kind]));
		return;
	}
	put(output, number, strlen(number));
}

/** Where the printing of a list or an object is. */
struct place {
	const struct node *node;
	size_t next;
};

static bool contains(const struct node *node)
{
	return node->kind == CHECK_VALUE_LIST || node->kind == CHECK_VALUE_OBJECT;
}

/** What comes in front of the next item. */
static void put_between(struct output *output, const struct place *place)
{
	if (place->next == 0)
		return;
	if (place->node->kind == CHECK_VALUE_OBJECT && place->next % 2 == 1) {
		put(output, ": ", 2);
	} else {
		put(output, ", ", 2);
	}
}

static void put_value(struct output *output, const struct check_values *values,
		      const struct node *node)
{
	struct place places[PRINT_DEPTH];
	size_t depth = 0;

	while (!output->cut) {
		struct place *place;
		bool object;

		if (contains(node) && depth < PRINT_DEPTH) {
			put(output, node->kind == CHECK_VALUE_OBJECT ? "{" : "[", 1);
			places[depth++] = (struct place){.node = node};
		} else if (contains(node)) {
			output->cut = true;
		} else {
			put_scalar(output, values, node);
		}
		while (depth > 0 && places[depth - 1].next == places[depth - 1].node->size) {
			object = places[--depth].node->kind == CHECK_VALUE_OBJECT;
			put(output, object ? "}" : "]", 1);
		}
		if (depth == 0)
			return;
		place = &places[depth - 1];
		put_between(output, place);
		node = node_of(values, values->items[place->node->at + place->next++]);
	}
}

const char *check_value_print(const struct check_values *values, check_value value, char *text,
			      size_t size_bytes)
{
	struct output output = {.text = text, .room = size_bytes - sizeof(CUT)};

	QR_ASSERT(size_bytes > sizeof(CUT));
	put_value(&output, values, node_of(values, value));
	if (output.cut) {
		memcpy(text + output.used, CUT, sizeof(CUT));
	} else {
		text[output.used] = '\0';
	}
	return text;
}
