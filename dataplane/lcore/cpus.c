/* Lists of CPUs. Owns no state. */
#include "dataplane/lcore/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_range(struct dp_cpus *cpus, unsigned long first, unsigned long last)
{
	for (; first <= last && first < DP_CPUS_MAX && cpus->count < DP_CPUS_MAX; first++)
		cpus->list[cpus->count++] = (uint16_t)first;
}

void dp_cpus_parse(const char *text, struct dp_cpus *ret_cpus)
{
	ret_cpus->count = 0;
	for (;;) {
		char *end;
		unsigned long first = strtoul(text, &end, 10);
		unsigned long last = first;

		if (end == text)
			return;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		add_range(ret_cpus, first, last);
		if (*end != ',')
			return;
		text = end + 1;
	}
}

bool dp_cpus_has(const struct dp_cpus *cpus, uint16_t cpu)
{
	for (uint32_t i = 0; i < cpus->count; i++) {
		if (cpus->list[i] == cpu)
			return true;
	}
	return false;
}

void dp_cpus_allowed(struct dp_cpus *ret_cpus)
{
	cpu_set_t set;

	ret_cpus->count = 0;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		CPU_SET(0, &set);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set))
			add_range(ret_cpus, cpu, cpu);
	}
}

void dp_cpus_isolated(struct dp_cpus *ret_cpus)
{
	char line[1024] = "";
	FILE *file = fopen("/sys/devices/system/cpu/isolated", "re");

	ret_cpus->count = 0;
	if (file == NULL)
		return;
	if (fgets(line, sizeof(line), file) != NULL)
		dp_cpus_parse(line, ret_cpus);
	(void)fclose(file);
}

bool dp_cpus_print(const struct dp_cpus *cpus, char *text, size_t text_bytes)
{
	size_t used = 0;

	for (uint32_t i = 0; i < cpus->count;) {
		uint32_t last = i;
		int written;

		while (last + 1 < cpus->count && cpus->list[last + 1] == cpus->list[last] + 1)
			last++;
		written = snprintf(text + used, text_bytes - used, last > i ? "%s%u-%u" : "%s%u",
				   i == 0 ? "" : ",", cpus->list[i], cpus->list[last]);
		if (written < 0 || (size_t)written >= text_bytes - used)
			return false;
		used += (size_t)written;
		i = last + 1;
	}
	return used > 0;
}
