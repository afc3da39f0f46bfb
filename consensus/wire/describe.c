/*
 * DESCRIBE and DESCRIPTION: which logs there are, where they live, who leads them. Owns no state.
 * The byte table is docs/formats/wire.md.
 */
#include "consensus/base/assert.h"
#include "consensus/wire/client.h"
#include "consensus/wire/message.h"

#define FIXED_BYTES (8 + 4 + 4 + 1 + 1 + 2)
#define PARTITION_BYTES_MAX (4 + 4 + 8 + 1 + 1 + 1 + WIRE_NAME_MAX)
#define NODE_BYTES (1 + 1 + 2 + 4)

_Static_assert(WIRE_HEADER_BYTES + WIRE_MESSAGE_HEADER_BYTES + FIXED_BYTES +
			       WIRE_DESCRIPTION_PARTITIONS * PARTITION_BYTES_MAX +
			       WIRE_DESCRIPTION_NODES * NODE_BYTES <=
		       WIRE_DATAGRAM_MIN,
	       "a full description fits the smallest datagram");

void wire_put_describe(struct qr_writer *writer, const struct wire_describe *describe)
{
	uint8_t *header = wire_message_begin(writer, WIRE_DESCRIBE, 0);

	qr_write_u64(writer, describe->request);
	qr_write_u32(writer, describe->first);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_describe(const struct wire_message *message,
				struct wire_describe *ret_describe)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_describe describe;

	QR_ASSERT(message->type == WIRE_DESCRIBE);

	describe.request = qr_read_u64(&reader);
	describe.first = qr_read_u32(&reader);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_describe = describe;
	return QR_OK;
}

static void put_partition(struct qr_writer *writer, const struct wire_partition *partition)
{
	size_t name_bytes = strlen(partition->name);

	QR_ASSERT(name_bytes > 0 && name_bytes <= WIRE_NAME_MAX);

	qr_write_u32(writer, partition->group);
	qr_write_u32(writer, partition->partition);
	qr_write_u64(writer, partition->replicas);
	qr_write_u8(writer, partition->leader);
	qr_write_u8(writer, partition->durability);
	qr_write_u8(writer, (uint8_t)name_bytes);
	qr_write_bytes(writer, partition->name, name_bytes);
}

/** Letters, digits, '.', '_' and '-', as configurations have it: it goes to terminals and JSON. */
static bool is_name(const uint8_t *name, size_t size_bytes)
{
	for (size_t i = 0; i < size_bytes; i++) {
		uint8_t lower = name[i] | 0x20;

		if (!(lower >= 'a' && lower <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
		    name[i] != '.' && name[i] != '_' && name[i] != '-')
			return false;
	}
	return size_bytes != 0 && name[0] != '.';
}

static void get_partition(struct qr_reader *reader, struct wire_partition *ret_partition)
{
	size_t name_bytes;
	const uint8_t *name;

	*ret_partition = (struct wire_partition){0};
	ret_partition->group = qr_read_u32(reader);
	ret_partition->partition = qr_read_u32(reader);
	ret_partition->replicas = qr_read_u64(reader);
	wire_require(reader, (ret_partition->replicas & 1) == 0);
	ret_partition->leader = wire_read_node(reader);
	ret_partition->durability = wire_read_at_most(reader, WIRE_DURABLE_MEMORY);
	name_bytes = wire_read_at_most(reader, WIRE_NAME_MAX);
	name = qr_read_bytes(reader, name_bytes);
	if (name == NULL)
		return;
	wire_require(reader, is_name(name, name_bytes));
	memcpy(ret_partition->name, name, name_bytes);
}

static void put_endpoint(struct qr_writer *writer, const struct wire_endpoint *endpoint)
{
	QR_ASSERT(endpoint->node != 0 && endpoint->cores != 0);

	qr_write_u8(writer, endpoint->node);
	qr_write_u8(writer, endpoint->cores);
	qr_write_u16(writer, endpoint->port);
	qr_write_u32(writer, endpoint->ipv4);
}

static void get_endpoint(struct qr_reader *reader, struct wire_endpoint *ret_endpoint,
			 qr_nodes *known)
{
	ret_endpoint->node = wire_read_node(reader);
	ret_endpoint->cores = qr_read_u8(reader);
	ret_endpoint->port = qr_read_u16(reader);
	ret_endpoint->ipv4 = qr_read_u32(reader);
	/* Somebody will divide by the cores, and add a core to the port. */
	wire_require(reader, ret_endpoint->node != 0 && ret_endpoint->cores != 0);
	wire_require(reader, ret_endpoint->port + ret_endpoint->cores - 1 <= UINT16_MAX);
	/* And find a node by its number: each is there once. */
	if (reader->failed)
		return;
	wire_require(reader, !qr_nodes_has(*known, ret_endpoint->node));
	*known |= qr_nodes_of(ret_endpoint->node);
}

void wire_put_description(struct qr_writer *writer, const struct wire_description *description)
{
	uint8_t *header = wire_message_begin(writer, WIRE_DESCRIPTION, 0);

	QR_ASSERT(description->partition_count <= WIRE_DESCRIPTION_PARTITIONS);
	QR_ASSERT(description->node_count <= WIRE_DESCRIPTION_NODES);

	qr_write_u64(writer, description->request);
	qr_write_u32(writer, description->total);
	qr_write_u32(writer, description->first);
	qr_write_u8(writer, (uint8_t)description->partition_count);
	qr_write_u8(writer, (uint8_t)description->node_count);
	qr_write_zeros(writer, 2);
	for (uint32_t i = 0; i < description->partition_count; i++)
		put_partition(writer, &description->partitions[i]);
	for (uint32_t i = 0; i < description->node_count; i++)
		put_endpoint(writer, &description->nodes[i]);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_description(const struct wire_message *message,
				   struct wire_description *ret_description)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_description description = {0};
	qr_nodes known = 0;

	QR_ASSERT(message->type == WIRE_DESCRIPTION);

	description.request = qr_read_u64(&reader);
	description.total = qr_read_u32(&reader);
	description.first = qr_read_u32(&reader);
	description.partition_count = wire_read_at_most(&reader, WIRE_DESCRIPTION_PARTITIONS);
	description.node_count = wire_read_at_most(&reader, WIRE_DESCRIPTION_NODES);
	wire_read_zeros(&reader, 2);
	wire_require(&reader, (uint64_t)description.first + description.partition_count <=
					      description.total ||
				      description.partition_count == 0);
	if (reader.failed) /* the counts among it: they bound the loops */
		return QR_MALFORMED;
	for (uint32_t i = 0; i < description.partition_count; i++)
		get_partition(&reader, &description.partitions[i]);
	for (uint32_t i = 0; i < description.node_count; i++)
		get_endpoint(&reader, &description.nodes[i], &known);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_description = description;
	return QR_OK;
}
