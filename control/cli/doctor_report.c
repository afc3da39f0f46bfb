/*
 * The report itself: collecting checks, judging them by profile, printing. A fix stands on a line
 * of its own and is never wrapped, so that it can be copied.
 */
#include "control/cli/doctor.h"
#include "control/cli/heap.h"
#include "control/cli/terminal.h"

#include "consensus/base/assert.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define INDENT 6
#define NAME_CELLS 16

static struct ctl_check *add(struct ctl_report *report, const char *name)
{
	struct ctl_check *check;

	report->checks =
		ctl_heap_resize(report->checks, report->count + 1, sizeof(*report->checks));
	check = &report->checks[report->count++];
	*check = (struct ctl_check){.area = report->area, .name = ctl_heap_print("%s", name)};
	return check;
}

void ctl_report_ok(struct ctl_report *report, const char *name, const char *format, ...)
{
	struct ctl_check *check = add(report, name);
	va_list arguments;

	check->well = true;
	va_start(arguments, format);
	check->value = ctl_heap_vprint(format, arguments);
	va_end(arguments);
}

void ctl_report_bad(struct ctl_report *report, ctl_profiles blocks, const char *name,
		    const char *format, ...)
{
	struct ctl_check *check = add(report, name);
	va_list arguments;

	check->blocks = blocks;
	va_start(arguments, format);
	check->value = ctl_heap_vprint(format, arguments);
	va_end(arguments);
}

void ctl_report_fix(struct ctl_report *report, const char *format, ...)
{
	struct ctl_check *check = &report->checks[report->count - 1];
	va_list arguments;

	QR_ASSERT(report->count > 0 && !check->well && check->fix == NULL);
	va_start(arguments, format);
	check->fix = ctl_heap_vprint(format, arguments);
	va_end(arguments);
}

void ctl_report_fini(struct ctl_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->checks[i].name);
		free(report->checks[i].value);
		free(report->checks[i].fix);
	}
	free(report->checks);
	report->checks = NULL;
	report->count = 0;
}

static bool does_block(const struct ctl_check *check, enum dp_profile profile)
{
	return !check->well && (check->blocks >> profile & 1) != 0;
}

bool ctl_report_is_possible(const struct ctl_report *report, enum dp_profile profile)
{
	for (size_t i = 0; i < report->count; i++) {
		if (does_block(&report->checks[i], profile))
			return false;
	}
	return true;
}

const char *ctl_report_profile_name(enum dp_profile profile)
{
	static const char *const names[CTL_PROFILES] = {"dev", "lab", "bare-metal"};

	return names[profile];
}

const char *ctl_report_verdict(const struct ctl_report *report, const struct ctl_check *check)
{
	if (check->well)
		return "ok";
	return does_block(check, report->profile) ? "fail" : "warn";
}

static void print_tag(FILE *stream, const char *verdict)
{
	enum ctl_style style = strcmp(verdict, "ok") == 0     ? CTL_STYLE_GOOD
			       : strcmp(verdict, "warn") == 0 ? CTL_STYLE_WARN
							      : CTL_STYLE_BAD;

	fprintf(stream, "%s%-4s%s  ", ctl_terminal_style(stream, style), verdict,
		ctl_terminal_style(stream, CTL_STYLE_NONE));
}

/* Words, from column `indent` on, wrapped at `cells`. */
static void print_wrapped(FILE *stream, const char *text, size_t indent, size_t cells)
{
	size_t column = indent;

	while (*text != '\0') {
		size_t word = strcspn(text, " ");
		size_t width = ctl_terminal_cells(text, word);

		if (column > indent && cells != 0 && column + 1 + width > cells) {
			fprintf(stream, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', stream);
			column++;
		}
		fprintf(stream, "%.*s", (int)word, text);
		column += width;
		text += word + (text[word] == ' ');
	}
	fputc('\n', stream);
}

static void print_check(const struct ctl_report *report, const struct ctl_check *check,
			FILE *stream, unsigned cells)
{
	size_t indent = INDENT + NAME_CELLS;
	size_t name = ctl_terminal_cells(check->name, strlen(check->name));

	print_tag(stream, ctl_report_verdict(report, check));
	fputs(check->name, stream);
	if (name + 1 < NAME_CELLS) {
		fprintf(stream, "%*s", (int)(NAME_CELLS - name), "");
	} else {
		fprintf(stream, "\n%*s", (int)indent, "");
	}
	print_wrapped(stream, check->value, indent, cells);
	if (check->fix != NULL) {
		fprintf(stream, "%*s%sfix:%s %s\n", (int)indent, "",
			ctl_terminal_style(stream, CTL_STYLE_DIM),
			ctl_terminal_style(stream, CTL_STYLE_NONE), check->fix);
	}
}

static void print_profile(const struct ctl_report *report, enum dp_profile profile, FILE *stream,
			  unsigned cells)
{
	bool possible = ctl_report_is_possible(report, profile);
	char *text = ctl_heap_print("%s", possible ? "possible here" : "not possible here:");

	for (size_t i = 0; i < report->count; i++) {
		char *more;

		if (!does_block(&report->checks[i], profile))
			continue;
		more = ctl_heap_print("%s %s (%s);", text, report->checks[i].name,
				      report->checks[i].value);
		free(text);
		text = more;
	}
	if (!possible)
		text[strlen(text) - 1] = '\0';
	print_tag(stream, possible ? "ok" : profile == report->profile ? "fail" : "warn");
	fprintf(stream, "%-*s", NAME_CELLS, ctl_report_profile_name(profile));
	print_wrapped(stream, text, INDENT + NAME_CELLS, cells);
	free(text);
}

void ctl_report_print(const struct ctl_report *report, FILE *stream, unsigned cells)
{
	const char *area = "";

	for (size_t i = 0; i < report->count; i++) {
		const struct ctl_check *check = &report->checks[i];

		if (strcmp(check->area, area) != 0) {
			fprintf(stream, "%s%s%s%s\n", i == 0 ? "" : "\n",
				ctl_terminal_style(stream, CTL_STYLE_TITLE), check->area,
				ctl_terminal_style(stream, CTL_STYLE_NONE));
		}
		area = check->area;
		print_check(report, check, stream, cells);
	}
	fprintf(stream, "\n%sprofiles%s (checked for %s)\n",
		ctl_terminal_style(stream, CTL_STYLE_TITLE),
		ctl_terminal_style(stream, CTL_STYLE_NONE),
		ctl_report_profile_name(report->profile));
	for (unsigned profile = 0; profile < CTL_PROFILES; profile++)
		print_profile(report, (enum dp_profile)profile, stream, cells);
}

static json_t *profiles_json(const struct ctl_report *report)
{
	json_t *profiles = json_object();

	for (unsigned profile = 0; profile < CTL_PROFILES; profile++) {
		json_t *blocked_by = json_array();

		for (size_t i = 0; i < report->count; i++) {
			if (does_block(&report->checks[i], (enum dp_profile)profile)) {
				(void)json_array_append_new(blocked_by,
							    json_string(report->checks[i].name));
			}
		}
		(void)json_object_set_new(
			profiles, ctl_report_profile_name((enum dp_profile)profile),
			json_pack("{s:b, s:o}", "possible",
				  (int)ctl_report_is_possible(report, (enum dp_profile)profile),
				  "blocked_by", blocked_by));
	}
	return profiles;
}

void ctl_report_print_json(const struct ctl_report *report, FILE *stream)
{
	json_t *checks = json_array();
	json_t *object;

	for (size_t i = 0; i < report->count; i++) {
		const struct ctl_check *check = &report->checks[i];

		(void)json_array_append_new(
			checks, json_pack("{s:s, s:s, s:s, s:s, s:s?}", "area", check->area, "name",
					  check->name, "verdict", ctl_report_verdict(report, check),
					  "value", check->value, "fix", check->fix));
	}
	object = json_pack("{s:s, s:o, s:o}", "profile", ctl_report_profile_name(report->profile),
			   "checks", checks, "profiles", profiles_json(report));
	(void)json_dumpf(object, stream, JSON_INDENT(2));
	fputc('\n', stream);
	json_decref(object);
}
