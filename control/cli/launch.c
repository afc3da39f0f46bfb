/*
 * Commands that are programs of their own: `bench` is quorate-bench, which links the dataplane, and
 * `verify`, `diff`, `dump`, `backup` and `restore` are quorate-log. The program takes this
 * process's place, so signals, exit code and terminal are its own.
 *
 * It is looked for next to this binary, then where the build tree has it, then where it is
 * installed.
 */
#include "control/cli/command.h"
#include "control/cli/heap.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef QUORATE_BINDIR
#define QUORATE_BINDIR "/usr/local/bin"
#endif

/* The directory of this binary; false if /proc does not tell. */
static bool own_directory(char directory[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX - 1);
	char *slash;

	if (length <= 0)
		return false;
	directory[length] = '\0';
	slash = strrchr(directory, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

/* Where `program` is, to free; NULL: nowhere. */
static char *find_program(const char *program, const char *build_folder)
{
	char directory[PATH_MAX];
	char *places[3] = {NULL};
	char *found = NULL;

	if (own_directory(directory)) {
		places[0] = ctl_heap_print("%s/%s", directory, program);
		places[1] = ctl_heap_print("%s/../%s/%s", directory, build_folder, program);
	}
	places[2] = ctl_heap_print("%s/%s", QUORATE_BINDIR, program);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (found == NULL && places[i] != NULL && access(places[i], X_OK) == 0) {
			found = places[i];
		} else {
			free(places[i]);
		}
	}
	return found;
}

/* Become `path`, with `verb` (or nothing), the words in front of the command, and its own. */
static enum ctl_exit become(const char *path, const char *program, const char *verb, char **argv,
			    const struct ctl_options *options)
{
	size_t room = (size_t)options->word_count + 3;
	size_t count = 0;
	const char **words;

	for (char **word = argv; *word != NULL; word++)
		room++;
	words = ctl_heap_take(room, sizeof(*words));
	words[count++] = program;
	if (verb != NULL)
		words[count++] = verb;
	for (int i = 0; i < options->word_count; i++)
		words[count++] = options->words[i];
	for (char **word = argv; *word != NULL; word++)
		words[count++] = *word;
	(void)fflush(stdout);
	(void)execv(path, (char **)words);
	ctl_complain("cannot run %s: %s", path, strerrordesc_np(errno));
	free(words);
	return CTL_EXIT_FAILED;
}

static enum ctl_exit launch(const char *program, const char *build_folder, const char *verb,
			    char **argv, const struct ctl_options *options)
{
	char *path = find_program(program, build_folder);
	enum ctl_exit result;

	if (path == NULL) {
		ctl_complain("%s is not installed: it belongs next to this binary or in %s; "
			     "build it with 'scripts/build', or install with 'meson install'",
			     program, QUORATE_BINDIR);
		return CTL_EXIT_FAILED;
	}
	result = become(path, program, verb, argv, options);
	free(path);
	return result;
}

enum ctl_exit ctl_launch_backup(int argc, char **argv, struct ctl_options *options)
{
	(void)argc;
	return launch("quorate-log", "storage", "backup", argv + 1, options);
}

enum ctl_exit ctl_launch_bench(int argc, char **argv, struct ctl_options *options)
{
	(void)argc;
	return launch("quorate-bench", "dataplane", NULL, argv + 1, options);
}

enum ctl_exit ctl_launch_diff(int argc, char **argv, struct ctl_options *options)
{
	(void)argc;
	return launch("quorate-log", "storage", "diff", argv + 1, options);
}

enum ctl_exit ctl_launch_dump(int argc, char **argv, struct ctl_options *options)
{
	(void)argc;
	return launch("quorate-log", "storage", "dump", argv + 1, options);
}

enum ctl_exit ctl_launch_restore(int argc, char **argv, struct ctl_options *options)
{
	(void)argc;
	return launch("quorate-log", "storage", "restore", argv + 1, options);
}

enum ctl_exit ctl_launch_verify(int argc, char **argv, struct ctl_options *options)
{
	(void)argc;
	return launch("quorate-log", "storage", "verify", argv + 1, options);
}
