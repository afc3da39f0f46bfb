/*
 * Sets of CPUs. Pure.
 */
#include "control/cli/cpulist.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS (CTL_CPULIST_MAX / 64)

void ctl_cpulist_add(struct ctl_cpulist *list, unsigned cpu)
{
	if (cpu < CTL_CPULIST_MAX)
		list->words[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

bool ctl_cpulist_has(const struct ctl_cpulist *list, unsigned cpu)
{
	return cpu < CTL_CPULIST_MAX && (list->words[cpu / 64] >> (cpu % 64) & 1) != 0;
}

unsigned ctl_cpulist_count(const struct ctl_cpulist *list)
{
	unsigned count = 0;

	for (unsigned i = 0; i < WORDS; i++)
		count += (unsigned)__builtin_popcountll(list->words[i]);
	return count;
}

struct ctl_cpulist ctl_cpulist_both(const struct ctl_cpulist *a, const struct ctl_cpulist *b)
{
	struct ctl_cpulist both;

	for (unsigned i = 0; i < WORDS; i++)
		both.words[i] = a->words[i] & b->words[i];
	return both;
}

struct ctl_cpulist ctl_cpulist_either(const struct ctl_cpulist *a, const struct ctl_cpulist *b)
{
	struct ctl_cpulist either;

	for (unsigned i = 0; i < WORDS; i++)
		either.words[i] = a->words[i] | b->words[i];
	return either;
}

struct ctl_cpulist ctl_cpulist_without(const struct ctl_cpulist *a, const struct ctl_cpulist *b)
{
	struct ctl_cpulist without;

	for (unsigned i = 0; i < WORDS; i++)
		without.words[i] = a->words[i] & ~b->words[i];
	return without;
}

/* A number at *at, which moves behind it. */
static enum qr_error take_cpu(const char **at, unsigned *ret_cpu)
{
	char *end;
	unsigned long cpu;

	if (!isdigit((unsigned char)**at))
		return QR_MALFORMED;
	cpu = strtoul(*at, &end, 10);
	if (cpu >= CTL_CPULIST_MAX)
		return QR_OUT_OF_RANGE;
	*at = end;
	*ret_cpu = (unsigned)cpu;
	return QR_OK;
}

enum qr_error ctl_cpulist_parse(const char *text, struct ctl_cpulist *ret_list)
{
	struct ctl_cpulist list = {0};
	const char *at = text;

	while (*at != '\0') {
		unsigned first = 0;
		enum qr_error error = take_cpu(&at, &first);
		unsigned last = first;

		if (error == QR_OK && *at == '-') {
			at++;
			error = take_cpu(&at, &last);
		}
		if (error != QR_OK)
			return error;
		if (last < first || (*at != '\0' && *at != ','))
			return QR_MALFORMED;
		for (unsigned cpu = first; cpu <= last; cpu++)
			ctl_cpulist_add(&list, cpu);
		if (*at == ',' && *++at == '\0')
			return QR_MALFORMED;
	}
	*ret_list = list;
	return QR_OK;
}

void ctl_cpulist_format(const struct ctl_cpulist *list, char *ret_text, size_t text_bytes)
{
	size_t used = 0;

	ret_text[0] = '\0';
	for (unsigned cpu = 0; cpu < CTL_CPULIST_MAX; cpu++) {
		unsigned first = cpu;
		char range[32];
		int length;

		if (!ctl_cpulist_has(list, cpu))
			continue;
		while (ctl_cpulist_has(list, cpu + 1))
			cpu++;
		length = first == cpu ? snprintf(range, sizeof(range), "%s%u", used > 0 ? "," : "",
						 first)
				      : snprintf(range, sizeof(range), "%s%u-%u",
						 used > 0 ? "," : "", first, cpu);
		if (used + (size_t)length + sizeof("...") > text_bytes) {
			(void)snprintf(ret_text + used, text_bytes - used, "...");
			return;
		}
		memcpy(ret_text + used, range, (size_t)length + 1);
		used += (size_t)length;
	}
}
