/* What a backup has of a group, for a person. */
#include "storage/tool/backup.h"

#include <time.h>

#define NS_PER_S 1000000000u
#define MIB (1u << 20)

uint64_t tool_wall_ns(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void tool_backup_print(FILE *stream, const struct store_backup_group *begin,
		       const struct store_backup_end *end)
{
	unsigned long long before = begin->before.index;
	uint64_t now_ns = tool_wall_ns();

	if (end->last.index == 0) {
		(void)fprintf(stream, "group %u: nothing committed\n", end->group);
		return;
	}
	(void)fprintf(stream,
		      "group %u: entries %llu to %llu, %llu records from offset %llu on, %.1f MiB",
		      end->group, before + 1, (unsigned long long)end->last.index,
		      (unsigned long long)end->records, (unsigned long long)begin->before.offset,
		      (double)end->blocks * QR_BLOCK_BYTES / MIB);
	if (end->time_ns != 0 && end->time_ns <= now_ns) {
		(void)fprintf(stream, ", the newest %.1f s old",
			      (double)(now_ns - end->time_ns) / NS_PER_S);
	}
	(void)fprintf(stream, "\n");
}
