/*
 * etcd-replay: the text scenarios of etcd's raft, carried out by our core and compared by outcome.
 *
 *     etcd-replay [-v] [--list FILE] PATH...
 *
 * A PATH is a file, or a directory of which every file below it is taken whose name ends in .txt
 * or has no dot. Three languages are understood, directive by directive:
 *
 *     quorum        committed, vote: the answer must be etcd's to the letter (quorum.c)
 *     interaction   add-nodes, campaign, stabilize, ...: outcomes (interaction.c, compare.c)
 *     confchange    simple, enter-joint, leave-joint: recognised; the core cannot do them yet
 *
 * What differs is told, with the reason that the list gives (list.h); the last line is
 * "matched M of N outcomes, K files". N counts every outcome, M only those that agreed: what
 * differs as listed, is not supported or mismatches is in N alone. What an outcome is stands in
 * docs/etcd-replay.md.
 *
 * Exit status: 0 when nothing mismatched (what is listed or not supported does not fail), 1 when
 * an outcome differs and the list does not say why, 2 when a path or the list cannot be read.
 */
#include "consensus/base/assert.h"
#include "tests/scenario/replay/interaction.h"
#include "tests/scenario/replay/quorum.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ETCD_REPLAY_LIST
#error "the build says where the list of deviations is"
#endif

#define EXIT_MISMATCH 1
#define EXIT_UNREADABLE 2

static const char usage[] =
	"usage: etcd-replay [-v] [--list FILE] PATH...\n"
	"Replay datadriven files of etcd's raft. -v tells what matched, too.\n"
	"Exit status: 0 nothing mismatched, 1 something did, 2 a path or the list is unreadable.\n";

/* The whole file, with a NUL behind it; NULL: errno says why. */
static char *read_file(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "rb");
	char *text = NULL;
	size_t size = 0;
	size_t got = 1;

	if (file == NULL)
		return NULL;
	while (got > 0) {
		text = realloc(text, size + BUFSIZ + 1);
		QR_ASSERT(text != NULL);
		got = fread(text + size, 1, BUFSIZ, file);
		size += got;
	}
	if (ferror(file) != 0) {
		free(text);
		text = NULL;
		errno = EIO;
	} else {
		text[size] = '\0';
		*ret_size = size;
	}
	(void)fclose(file);
	return text;
}

/* The answer's drawing depends on etcd's version: either one is right. */
static void run_quorum(struct tally *tally, const struct script_directive *directive)
{
	const char *why;
	char *here = quorum_answer(directive, QUORUM_DRAWING_OLD, &why);
	char *other = quorum_answer(directive, QUORUM_DRAWING_NEW, &why);

	if (here == NULL || other == NULL) {
		tally_unsupported(tally, directive, 1, "quorum", why);
	} else if (strcmp(other, directive->expected) == 0) {
		tally_outcome(tally, directive, "answer", directive->expected, other);
	} else {
		tally_outcome(tally, directive, "answer", directive->expected, here);
	}
	free(here);
	free(other);
}

static bool is_confchange(const char *command)
{
	return strcmp(command, "simple") == 0 || strcmp(command, "enter-joint") == 0 ||
	       strcmp(command, "leave-joint") == 0;
}

static void run_directive(struct tally *tally, struct interaction *interaction,
			  const struct script_directive *directive)
{
	if (directive->trouble != NULL) {
		tally_unsupported(tally, directive, 1, "malformed", directive->trouble);
	} else if (strcmp(directive->command, "subtest") == 0) {
		return;
	} else if (quorum_knows(directive->command)) {
		run_quorum(tally, directive);
	} else if (is_confchange(directive->command)) {
		tally_unsupported(tally, directive, 1, "configuration-changes", NULL);
	} else {
		interaction_run(interaction, directive);
	}
}

static bool run_file(struct tally *tally, const char *path)
{
	struct interaction *interaction;
	struct script script;
	size_t size;
	char *text = read_file(path, &size);

	if (text == NULL) {
		(void)fprintf(stderr, "etcd-replay: %s: %m\n", path);
		return false;
	}
	script_parse(&script, text, size);
	free(text);
	tally_begin_file(tally, path);
	interaction = interaction_create(tally);
	for (uint32_t i = 0; i < script.count; i++)
		run_directive(tally, interaction, &script.directives[i]);
	interaction_destroy(interaction);
	tally_end_file(tally, &script);
	script_free(&script);
	return true;
}

/* Directories in the order of their names, so that every run is the same. */
static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool is_scenario(const FTSENT *entry)
{
	const char *name = entry->fts_name;
	const char *dot = strrchr(name, '.');
	size_t length = strlen(name);

	if (entry->fts_level == FTS_ROOTLEVEL)
		return true;
	return name[0] != '.' && name[0] != '#' && name[length - 1] != '~' &&
	       (dot == NULL || strcmp(dot, ".txt") == 0);
}

/* False: something there cannot be read. */
static bool run_path(struct tally *tally, char *path)
{
	char *paths[] = {path, NULL};
	FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	FTSENT *entry;
	bool good = true;

	QR_ASSERT(walk != NULL);
	while ((entry = fts_read(walk)) != NULL) {
		switch (entry->fts_info) {
		case FTS_F:
		case FTS_DEFAULT:
			if (is_scenario(entry))
				good &= run_file(tally, entry->fts_path);
			break;
		case FTS_DNR:
		case FTS_ERR:
		case FTS_NS:
		case FTS_SLNONE:
			errno = entry->fts_errno != 0 ? entry->fts_errno : ENOENT;
			(void)fprintf(stderr, "etcd-replay: %s: %m\n", entry->fts_path);
			good = false;
			break;
		default:
			break;
		}
	}
	(void)fts_close(walk);
	return good;
}

static bool read_list(struct list *list, const char *path)
{
	size_t size;
	unsigned bad_line;
	char *text = read_file(path, &size);
	bool good;

	*list = (struct list){0};
	if (text == NULL) {
		(void)fprintf(stderr, "etcd-replay: %s: %m\n", path);
		return false;
	}
	good = list_parse(list, text, &bad_line);
	free(text);
	if (!good) {
		(void)fprintf(stderr, "etcd-replay: %s:%u: not a line of the list\n", path,
			      bad_line);
	}
	return good;
}

static int give_usage(void)
{
	(void)fputs(usage, stderr);
	return EXIT_UNREADABLE;
}

int main(int argc, char **argv)
{
	const char *list_path = ETCD_REPLAY_LIST;
	struct list list;
	struct tally tally = {.list = &list, .out = stdout};
	bool good = true;
	int next = 1;

	for (; next < argc && argv[next][0] == '-'; next++) {
		if (strcmp(argv[next], "-v") == 0) {
			tally.verbose = true;
		} else if (strcmp(argv[next], "--list") == 0 && next + 1 < argc) {
			list_path = argv[++next];
		} else {
			return give_usage();
		}
	}
	if (next == argc)
		return give_usage();
	/* Should an assertion of the core end this, what it was doing has been told. */
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (!read_list(&list, list_path)) {
		list_free(&list);
		return EXIT_UNREADABLE;
	}
	for (; next < argc; next++)
		good &= run_path(&tally, argv[next]);
	tally_conclude(&tally);
	list_free(&list);
	if (fflush(stdout) != 0 || !good)
		return EXIT_UNREADABLE;
	return tally.total.mismatched == 0 ? 0 : EXIT_MISMATCH;
}
