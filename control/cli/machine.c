/*
 * Small files of the kernel. Owns nothing; a file that is not there is an answer, not an error.
 */
#include "control/cli/machine.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ctl_path ctl_machine_path(const struct ctl_machine *machine, const char *format, ...)
{
	struct ctl_path path;
	size_t used = strlen(machine->root);
	va_list arguments;

	(void)snprintf(path.text, sizeof(path.text), "%s", machine->root);
	if (used < sizeof(path.text)) {
		va_start(arguments, format);
		(void)vsnprintf(path.text + used, sizeof(path.text) - used, format, arguments);
		va_end(arguments);
	}
	return path;
}

bool ctl_machine_read(struct ctl_path path, char ret_text[CTL_MACHINE_TEXT_BYTES])
{
	int fd = open(path.text, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got = -1;

	ret_text[0] = '\0';
	if (fd < 0)
		return false;
	do {
		got = read(fd, ret_text + used, CTL_MACHINE_TEXT_BYTES - 1 - used);
		used += got > 0 ? (size_t)got : 0;
	} while (got > 0 && used < CTL_MACHINE_TEXT_BYTES - 1);
	(void)close(fd);
	while (used > 0 && isspace((unsigned char)ret_text[used - 1]))
		used--;
	ret_text[used] = '\0';
	return got >= 0;
}

bool ctl_machine_read_u64(struct ctl_path path, uint64_t *ret_value)
{
	char text[CTL_MACHINE_TEXT_BYTES];
	char *end;
	unsigned long long value;

	if (!ctl_machine_read(path, text) || !isdigit((unsigned char)text[0]))
		return false;
	value = strtoull(text, &end, 10);
	if (*end != '\0')
		return false;
	*ret_value = value;
	return true;
}

bool ctl_machine_read_link(struct ctl_path path, char ret_name[CTL_MACHINE_NAME_BYTES])
{
	char target[512];
	ssize_t length = readlink(path.text, target, sizeof(target) - 1);
	const char *slash;

	ret_name[0] = '\0';
	if (length <= 0)
		return false;
	target[length] = '\0';
	slash = strrchr(target, '/');
	(void)snprintf(ret_name, CTL_MACHINE_NAME_BYTES, "%.255s",
		       slash != NULL ? slash + 1 : target);
	return true;
}

bool ctl_machine_has(struct ctl_path path)
{
	return access(path.text, F_OK) == 0;
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void ctl_machine_names(struct ctl_path path, struct ctl_names *ret_names)
{
	struct dirent **entries = NULL;
	int count = scandir(path.text, &entries, is_shown, versionsort);

	*ret_names = (struct ctl_names){0};
	if (count <= 0) {
		free(entries);
		return;
	}
	ret_names->names = calloc((size_t)count, sizeof(*ret_names->names));
	for (int i = 0; i < count; i++) {
		char *name = ret_names->names != NULL ? strdup(entries[i]->d_name) : NULL;

		if (name != NULL)
			ret_names->names[ret_names->count++] = name;
		free(entries[i]);
	}
	free(entries);
}

void ctl_machine_names_fini(struct ctl_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct ctl_names){0};
}
