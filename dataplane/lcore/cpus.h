/* Lists of CPUs as Linux and the configuration write them: "2,3" or "2-5,8". */
#ifndef DP_LCORE_CPUS_H
#define DP_LCORE_CPUS_H

#include "consensus/base/types.h"

#define DP_CPUS_MAX 1024

struct dp_cpus {
	uint32_t count;
	uint16_t list[DP_CPUS_MAX]; /* in the order of the text */
};

/** Parse; what cannot be read ends the list. */
void dp_cpus_parse(const char *text, struct dp_cpus *ret_cpus);
bool dp_cpus_has(const struct dp_cpus *cpus, uint16_t cpu);
/** CPUs that this process may run on. */
void dp_cpus_allowed(struct dp_cpus *ret_cpus);
/** CPUs that the kernel keeps everything else away from. */
void dp_cpus_isolated(struct dp_cpus *ret_cpus);
/** As text with ranges. @return false when it does not fit. */
QR_MUST_USE bool dp_cpus_print(const struct dp_cpus *cpus, char *text, size_t text_bytes);

#endif
