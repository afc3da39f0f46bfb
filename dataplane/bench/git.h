/*
 * Which commit this binary was built from; git.c.in becomes a source in the build.
 */
#ifndef DP_BENCH_GIT_H
#define DP_BENCH_GIT_H

extern const char dp_bench_git[];

#endif
