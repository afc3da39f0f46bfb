/*
 * What runs have done, for a person.
 */
#ifndef QR_TEST_SIM_REPORT_H
#define QR_TEST_SIM_REPORT_H

#include "tests/sim/world.h"

void sim_count_add(struct sim_count *sum, const struct sim_count *count);
/** @param cpu_seconds  that the runs took, of all processes together. */
void sim_report_print(const struct sim_count *count, double wall_seconds, double cpu_seconds);
/** Appends acknowledged per simulated second. */
double sim_report_rate(const struct sim_count *count);
/** The plan of a seed, in a few lines. */
void sim_plan_print(const struct sim_plan *plan);
/** Where every node and client stands. */
void sim_world_print(const struct sim_world *world);

#endif
