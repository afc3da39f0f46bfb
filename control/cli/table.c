/*
 * The table printer. Cells are kept row after row in one growing array; a row is whole whenever its
 * last cell was given, which ctl_table_print asserts.
 */
#include "control/cli/table.h"
#include "control/cli/heap.h"

#include "consensus/base/assert.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

struct cell {
	const char *text; /* of the heap */
	enum ctl_style style;
};

struct ctl_table {
	const struct ctl_column *columns;
	unsigned column_count;
	size_t cell_count;
	size_t cell_room;
	struct cell *cells;
};

/* How one printing is laid out. Width 0: the column is left out. */
struct layout {
	size_t widths[CTL_TABLE_COLUMNS_MAX];
};

struct ctl_table *ctl_table_create(const struct ctl_column *columns, unsigned column_count)
{
	struct ctl_table *table = ctl_heap_take(1, sizeof(*table));

	QR_ASSERT(column_count > 0 && column_count <= CTL_TABLE_COLUMNS_MAX);
	table->columns = columns;
	table->column_count = column_count;
	return table;
}

void ctl_table_destroy(struct ctl_table *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->cell_count; i++)
		free((char *)table->cells[i].text);
	free(table->cells);
	free(table);
}

void ctl_table_cell(struct ctl_table *table, enum ctl_style style, const char *format, ...)
{
	va_list arguments;
	struct cell *cell;

	if (table->cell_count == table->cell_room) {
		table->cell_room = table->cell_room == 0 ? 64 : 2 * table->cell_room;
		table->cells = ctl_heap_resize(table->cells, table->cell_room, sizeof(*cell));
	}
	cell = &table->cells[table->cell_count++];
	cell->style = style;
	va_start(arguments, format);
	cell->text = ctl_heap_vprint(format, arguments);
	va_end(arguments);
}

unsigned ctl_table_rows(const struct ctl_table *table)
{
	return (unsigned)(table->cell_count / table->column_count);
}

static size_t total_width(const struct ctl_table *table, const struct layout *layout)
{
	size_t total = 0;

	for (unsigned i = 0; i < table->column_count; i++) {
		if (layout->widths[i] != 0)
			total += layout->widths[i] + (total == 0 ? 0 : GAP);
	}
	return total;
}

/* The optional column to leave out first, or the number of columns when none is left. */
static unsigned most_optional(const struct ctl_table *table, const struct layout *layout)
{
	unsigned found = table->column_count;

	for (unsigned i = 0; i < table->column_count; i++) {
		unsigned optional = table->columns[i].optional;

		if (layout->widths[i] != 0 && optional != 0 &&
		    (found == table->column_count || optional >= table->columns[found].optional))
			found = i;
	}
	return found;
}

static unsigned widest_text(const struct ctl_table *table, const struct layout *layout)
{
	unsigned found = table->column_count;

	for (unsigned i = 0; i < table->column_count; i++) {
		if (table->columns[i].align == CTL_ALIGN_LEFT &&
		    (found == table->column_count || layout->widths[i] > layout->widths[found]))
			found = i;
	}
	return found;
}

static void lay_out(const struct ctl_table *table, size_t cells, struct layout *ret_layout)
{
	for (unsigned i = 0; i < table->column_count; i++) {
		const char *title = table->columns[i].title;

		ret_layout->widths[i] = ctl_terminal_cells(title, strlen(title));
	}
	for (size_t i = 0; i < table->cell_count; i++) {
		const char *text = table->cells[i].text;
		size_t width = ctl_terminal_cells(text, strlen(text));
		size_t *column = &ret_layout->widths[i % table->column_count];

		*column = width > *column ? width : *column;
	}
	while (cells != 0 && total_width(table, ret_layout) > cells) {
		unsigned out = most_optional(table, ret_layout);

		if (out == table->column_count)
			break;
		ret_layout->widths[out] = 0;
	}
	if (cells != 0 && total_width(table, ret_layout) > cells) {
		size_t over = total_width(table, ret_layout) - cells;
		unsigned cut = widest_text(table, ret_layout);

		if (cut != table->column_count && ret_layout->widths[cut] > over + 3)
			ret_layout->widths[cut] -= over;
	}
}

static void print_spaces(FILE *stream, size_t count)
{
	fprintf(stream, "%*s", (int)count, "");
}

static void print_cell(FILE *stream, const struct cell *cell, enum ctl_align align, size_t width,
		       bool last)
{
	size_t taken = ctl_terminal_cells(cell->text, strlen(cell->text));
	size_t bytes = strlen(cell->text);
	const char *end = "";

	if (taken > width) {
		bytes = ctl_terminal_fit(cell->text, width - 1);
		end = "…";
		taken = ctl_terminal_cells(cell->text, bytes) + 1;
	}
	if (align == CTL_ALIGN_RIGHT)
		print_spaces(stream, width - taken);
	if (cell->style != CTL_STYLE_NONE)
		fputs(ctl_terminal_style(stream, cell->style), stream);
	fprintf(stream, "%.*s%s", (int)bytes, cell->text, end);
	if (cell->style != CTL_STYLE_NONE)
		fputs(ctl_terminal_style(stream, CTL_STYLE_NONE), stream);
	if (align == CTL_ALIGN_LEFT && !last)
		print_spaces(stream, width - taken);
}

static void print_row(const struct ctl_table *table, FILE *stream, const struct layout *layout,
		      const struct cell *row)
{
	unsigned last = table->column_count - 1;
	bool first = true;

	while (last > 0 && layout->widths[last] == 0)
		last--;
	for (unsigned i = 0; i <= last; i++) {
		if (layout->widths[i] == 0)
			continue;
		if (!first)
			print_spaces(stream, GAP);
		print_cell(stream, &row[i], table->columns[i].align, layout->widths[i], i == last);
		first = false;
	}
	fputc('\n', stream);
}

void ctl_table_print(const struct ctl_table *table, FILE *stream, unsigned cells)
{
	struct cell titles[CTL_TABLE_COLUMNS_MAX];
	struct layout layout;

	QR_ASSERT(table->cell_count % table->column_count == 0);
	lay_out(table, cells, &layout);
	for (unsigned i = 0; i < table->column_count; i++) {
		titles[i] =
			(struct cell){.text = table->columns[i].title, .style = CTL_STYLE_TITLE};
	}
	print_row(table, stream, &layout, titles);
	for (size_t i = 0; i < table->cell_count; i += table->column_count)
		print_row(table, stream, &layout, &table->cells[i]);
}
