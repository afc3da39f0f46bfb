/*
 * From text to fields: the INI file. Settings end in dp_config_value_parse, as those of the
 * environment and of flags do, so that all three say the same about a bad value.
 *
 * inih splits the lines; it is fed through a reader of ours, which counts them (the packaged inih
 * does not tell its handler), refuses what inih would cut off in silence, and keeps the section
 * itself, because inih cuts its name after 49 bytes. Indentation means nothing here, so the reader
 * takes it away: inih would read an indented line as the continuation of the one before.
 *
 * The first problem is the one that is reported; nothing is applied after it.
 */
#include "dataplane/config/config.h"

#include "consensus/base/assert.h"
#include "dataplane/config/keys.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 20)
#define WHERE_MAX (DP_CONFIG_PATH_MAX + 16)

struct parse {
	struct dp_config *config;
	struct dp_config_problem *problem;
	const char *name; /* of the file */
	const char *at;
	unsigned line;
	unsigned failed_line;		      /* 0: no problem yet */
	struct dp_config_target target;	      /* section NULL: none yet */
	uint64_t seen[DP_CONFIG_TARGETS_MAX]; /* which keys each target was given */
};

static void fail_here(struct parse *parse)
{
	char where[WHERE_MAX];

	QR_ASSERT(parse->failed_line == 0);
	parse->failed_line = parse->line;
	(void)snprintf(where, sizeof(where), "%s:%u", parse->name, parse->line);
	dp_config_locate(parse->problem, where);
}

/** A line that begins with '[': remember the section. What is wrong with its form inih finds. */
static void enter_section(struct parse *parse, const char *line, size_t length)
{
	char section[DP_CONFIG_SECTION_MAX + 1];
	const char *end = memchr(line, ']', length);
	size_t size;

	if (end == NULL || parse->failed_line != 0)
		return;
	size = (size_t)(end - line) - 1;
	if (size > DP_CONFIG_SECTION_MAX) {
		(void)dp_config_complain(parse->problem,
					 "a section's name is longer than %d bytes: shorten it",
					 DP_CONFIG_SECTION_MAX);
		fail_here(parse);
		return;
	}
	memcpy(section, line + 1, size);
	section[size] = '\0';
	if (dp_config_target_find(parse->config, section, ' ', &parse->target, parse->problem) !=
	    QR_OK)
		fail_here(parse);
}

/** inih's fgets: one line of the text without its indentation. */
static char *read_line(char *buffer, int buffer_bytes, void *context)
{
	struct parse *parse = context;
	size_t length;
	size_t indent;

	if (*parse->at == '\0' || parse->failed_line != 0)
		return NULL;
	parse->line++;
	indent = strspn(parse->at, " \t");
	parse->at += indent;
	length = strcspn(parse->at, "\n");
	if (length + 2 > (size_t)buffer_bytes) {
		(void)dp_config_complain(parse->problem,
					 "the line is longer than %d bytes: shorten it",
					 buffer_bytes - 2);
		fail_here(parse);
		return NULL;
	}
	memcpy(buffer, parse->at, length);
	buffer[length] = '\n';
	buffer[length + 1] = '\0';
	if (buffer[0] == '[')
		enter_section(parse, buffer, length);
	parse->at += length;
	if (*parse->at == '\n')
		parse->at++;
	return buffer;
}

static enum qr_error take_setting(struct parse *parse, const char *name, const char *value)
{
	const struct dp_config_key *key = NULL;
	uint32_t count;
	uint64_t bit;
	uint64_t *seen;

	if (parse->target.section == NULL) {
		return dp_config_complain(
			parse->problem,
			"'%.60s' stands in front of the first section: begin with "
			"[cluster]",
			name);
	}
	if (dp_config_target_key(&parse->target, name, &key, parse->problem) != QR_OK)
		return QR_CONFIG;
	bit = (uint64_t)1 << (key - dp_config_keys(&count));
	seen = &parse->seen[parse->target.number];
	if ((*seen & bit) != 0) {
		return dp_config_complain(parse->problem,
					  "%s is given a second time: remove one of them", name);
	}
	*seen |= bit;
	return dp_config_value_parse(key, parse->target.object, value, parse->problem);
}

/** inih's handler: 0 marks the line as wrong. Also '#' after a blank begins a comment. */
static int handle(void *context, const char *section, const char *name, const char *value)
{
	struct parse *parse = context;
	char text[DP_CONFIG_PATH_MAX + 64];
	size_t length = strlen(value);

	(void)section;
	if (parse->failed_line != 0)
		return 0;
	for (size_t i = 0; i < length; i++) {
		if (value[i] == '#' && (i == 0 || value[i - 1] == ' ' || value[i - 1] == '\t'))
			length = i;
	}
	while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
		length--;
	QR_ASSERT(length < sizeof(text));
	memcpy(text, value, length);
	text[length] = '\0';
	if (take_setting(parse, name, text) == QR_OK)
		return 1;
	fail_here(parse);
	return 0;
}

enum qr_error dp_config_parse(struct dp_config *config, const char *text, const char *name,
			      struct dp_config_problem *ret_problem)
{
	struct parse parse = {.config = config, .problem = ret_problem, .name = name, .at = text};
	int line = ini_parse_stream(read_line, &parse, handle, &parse);

	(void)snprintf(config->source, sizeof(config->source), "%s", name);
	/* inih goes on after a line that it does not understand, so its line may be the earlier. */
	if (line > 0 && (parse.failed_line == 0 || (unsigned)line < parse.failed_line)) {
		parse.failed_line = 0;
		parse.line = (unsigned)line;
		(void)dp_config_complain(ret_problem,
					 "neither 'key = value' nor [section]: mend the line");
		fail_here(&parse);
	}
	return parse.failed_line == 0 ? QR_OK : QR_CONFIG;
}

/** The whole file, with a 0 behind it. Errors: QR_NOT_FOUND, QR_CONFIG. */
static enum qr_error read_file(const char *path, char *text, struct dp_config_problem *problem)
{
	FILE *file = fopen(path, "re");
	enum qr_error error = QR_OK;
	size_t size;

	if (file == NULL) {
		(void)dp_config_complain(problem,
					 "%.200s: cannot be read (%s): name a configuration file "
					 "with --config",
					 path, strerrordesc_np(errno));
		return QR_NOT_FOUND;
	}
	size = fread(text, 1, FILE_MAX + 1, file);
	if (ferror(file) != 0) {
		error = dp_config_complain(problem, "%.200s: reading failed: is it a file?", path);
	} else if (size > FILE_MAX) {
		error = dp_config_complain(problem, "%.200s: larger than 1 MiB", path);
	} else if (memchr(text, '\0', size) != NULL) {
		error = dp_config_complain(problem, "%.200s: not a text file", path);
	}
	text[size <= FILE_MAX ? size : FILE_MAX] = '\0';
	if (fclose(file) != 0 && error == QR_OK)
		error = dp_config_complain(problem, "%.200s: reading failed", path);
	return error;
}

enum qr_error dp_config_load(struct dp_config *config, const char *path,
			     struct dp_config_problem *ret_problem)
{
	char *text = malloc(FILE_MAX + 2);
	enum qr_error error;

	if (text == NULL) {
		(void)dp_config_complain(ret_problem, "out of memory");
		return QR_NO_MEMORY;
	}
	error = read_file(path, text, ret_problem);
	if (error == QR_OK)
		error = dp_config_parse(config, text, path, ret_problem);
	free(text);
	return error;
}
