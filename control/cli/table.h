/*
 * A table of text: columns as wide as their content, numbers to the right, widths counted in cells.
 * On a terminal that is too narrow, optional columns go first (the least important ahead), then the
 * widest one is cut with an ellipsis; into a file nothing is ever left out.
 */
#ifndef CTL_CLI_TABLE_H
#define CTL_CLI_TABLE_H

#include "control/cli/terminal.h"

#define CTL_TABLE_COLUMNS_MAX 16

enum ctl_align { CTL_ALIGN_LEFT, CTL_ALIGN_RIGHT };

struct ctl_column {
	const char *title;
	enum ctl_align align;
	unsigned optional; /* 0: always there; else the highest goes first */
};

struct ctl_table;

/** A table of the caller, to destroy. `columns` is borrowed until then. Never NULL. */
struct ctl_table *ctl_table_create(const struct ctl_column *columns, unsigned column_count);
/** Frees everything; takes NULL. */
void ctl_table_destroy(struct ctl_table *table);
/** The next cell of the current row, which ends by itself after the last column; copied. */
void ctl_table_cell(struct ctl_table *table, enum ctl_style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
unsigned ctl_table_rows(const struct ctl_table *table);
/** @param cells  width to keep within; 0: as wide as it gets. */
void ctl_table_print(const struct ctl_table *table, FILE *stream, unsigned cells);

#endif
