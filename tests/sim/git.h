/*
 * Which commit this binary was built from; git.c.in becomes a source in the build.
 */
#ifndef QR_TEST_SIM_GIT_H
#define QR_TEST_SIM_GIT_H

extern const char sim_git[];

#endif
