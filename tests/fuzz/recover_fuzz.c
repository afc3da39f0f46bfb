/*
 * Recovery of a sound log after any change to its bytes. Recovery must end, stay inside its memory,
 * and give nothing but a prefix of what was written, unless a change mended a checksum on purpose.
 * What was recovered is a log like any other: it takes entries, and they are there the next time.
 *
 * The input is a list of changes (damage.h); one kind more asks for the log to be used afterwards.
 */
#include "consensus/base/assert.h"
#include "tests/fuzz/damage.h"
#include "tests/fuzz/fuzz.h"

#define CHANGES_MAX 64
#define USES_MAX 4

static struct damage damage;

static void check_recovered(void)
{
	const struct rig *rig = &damage.rig;

	QR_ASSERT(rig->recovered == QR_NOT_FOUND || rig->recovered == QR_CORRUPT ||
		  rig->recovered == QR_FOREIGN || rig->recovered == QR_VERSION ||
		  rig->recovered == QR_CONFIG);
	if (damage.forged)
		return;
	for (qr_index index = 1; index <= rig->recovered_last; index++)
		QR_ASSERT(rig->recovered_digests[index] == rig->laid[index - 1].digest);
}

/** Append, lose power, and find it all again. */
static void use(uint8_t count)
{
	struct rig *rig = &damage.rig;
	uint32_t laid_count = rig->laid_count;
	qr_index last;

	rig_drain(rig);
	for (uint8_t i = 0; i < count; i++) {
		if (rig_append(rig, 100 + 4000u * i) != QR_OK)
			break;
		rig_drain(rig);
		store_release(rig->log, store_log_last(rig->log));
	}
	last = store_log_last(rig->log);
	QR_ASSERT(store_log_durable(rig->log).index == last);
	(void)rig_open(rig);
	QR_ASSERT(rig->recovered == QR_NOT_FOUND && rig->recovered_last == last);
	rig->laid_count = laid_count;
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	uint8_t uses = 0;

	if (damage.segment_count == 0)
		damage_init(&damage);
	damage_undo(&damage);
	for (unsigned i = 0; i < CHANGES_MAX && size_bytes >= DAMAGE_BYTES; i++) {
		if (data[0] % (DAMAGE_KINDS + 1) == DAMAGE_KINDS) {
			uses = 1 + data[1] % USES_MAX;
		} else {
			damage_apply(&damage, (enum damage_kind)(data[0] % (DAMAGE_KINDS + 1)),
				     data);
		}
		data += DAMAGE_BYTES;
		size_bytes -= DAMAGE_BYTES;
	}
	(void)rig_open(&damage.rig);
	check_recovered();
	if (uses != 0 && damage.rig.recovered == QR_NOT_FOUND)
		use(uses);
	return 0;
}
