/*
 * Nearest words, by the optimal string alignment distance. Pure.
 */
#include "control/cli/suggest.h"

#include <string.h>

#define WORD_MAX 64

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned ctl_suggest_distance(const char *a, const char *b)
{
	size_t a_length = strnlen(a, WORD_MAX + 1);
	size_t b_length = strnlen(b, WORD_MAX + 1);
	unsigned rows[3][WORD_MAX + 1]; /* the row before the last, the last, this one */

	if (a_length > WORD_MAX || b_length > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= b_length; j++)
		rows[1][j] = (unsigned)j;
	memcpy(rows[0], rows[1], sizeof(rows[0]));
	for (size_t i = 1; i <= a_length; i++) {
		rows[2][0] = (unsigned)i;
		for (size_t j = 1; j <= b_length; j++) {
			unsigned best = rows[1][j - 1] + (a[i - 1] != b[j - 1]);

			best = least(best, rows[1][j] + 1);
			best = least(best, rows[2][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = least(best, rows[0][j - 2] + 1);
			rows[2][j] = best;
		}
		memcpy(rows[0], rows[1], sizeof(rows[0]));
		memcpy(rows[1], rows[2], sizeof(rows[1]));
	}
	return rows[1][b_length];
}

const char *ctl_suggest(const char *word, const char *const *words, size_t word_count)
{
	const char *nearest = NULL;
	unsigned nearest_distance = (unsigned)strnlen(word, WORD_MAX) / 3 + 2;

	for (size_t i = 0; i < word_count; i++) {
		unsigned distance = ctl_suggest_distance(word, words[i]);

		if (strlen(word) >= 3 && strncmp(words[i], word, strlen(word)) == 0)
			distance = 1; /* a beginning of it */
		if (distance < nearest_distance && distance < strlen(words[i])) {
			nearest = words[i];
			nearest_distance = distance;
		}
	}
	return nearest;
}
