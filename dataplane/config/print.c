/*
 * The effective configuration, printed as a file that says the same: what `quorated --check` shows.
 * Owns no state.
 */
#include "dataplane/config/config.h"

#include "dataplane/config/keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/** Text that counts on when its memory is full, as snprintf does. */
struct page {
	char *text;
	size_t size_bytes;
	size_t used_bytes;
};

static void put(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct page *page, const char *format, ...)
{
	size_t left = page->used_bytes < page->size_bytes ? page->size_bytes - page->used_bytes : 0;
	char *at = left > 0 ? page->text + page->used_bytes : NULL;
	va_list arguments;
	int written;

	va_start(arguments, format);
	written = vsnprintf(at, left, format, arguments);
	va_end(arguments);
	page->used_bytes += written > 0 ? (size_t)written : 0;
}

static void put_keys(struct page *page, const char *section, const void *object)
{
	uint32_t count;
	const struct dp_config_key *keys = dp_config_keys(&count);

	for (uint32_t i = 0; i < count; i++) {
		char value[DP_CONFIG_PATH_MAX + 64];

		if (strcmp(keys[i].section, section) != 0)
			continue;
		dp_config_value_format(&keys[i], object, value, sizeof(value));
		if (value[0] != '\0')
			put(page, "%s = %s\n", keys[i].name, value);
	}
}

size_t dp_config_print(const struct dp_config *config, char *text, size_t text_bytes)
{
	static const char *const sections[] = {"cluster", "dataplane", "storage"};
	struct page page = {.text = text, .size_bytes = text_bytes};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		put(&page, "%s[%s]\n", i == 0 ? "" : "\n", sections[i]);
		put_keys(&page, sections[i], config);
	}
	for (uint32_t i = 0; i < config->node_count; i++) {
		put(&page, "\n[node %u]\n", config->nodes[i].node);
		put_keys(&page, "node", &config->nodes[i]);
	}
	for (uint32_t i = 0; i < config->log_count; i++) {
		put(&page, "\n[log %s]\n", config->logs[i].name);
		put_keys(&page, "log", &config->logs[i]);
	}
	return page.used_bytes;
}

static const char *word_of(const char *section, const char *name, uint32_t position)
{
	const struct dp_config_key *key = dp_config_key_find(section, name);

	return key->words[position];
}

const char *dp_profile_name(enum dp_profile profile)
{
	return word_of("cluster", "profile", profile);
}

const char *dp_link_name(enum dp_link link)
{
	return word_of("dataplane", "link", link);
}

const char *dp_idle_name(enum dp_idle idle)
{
	return word_of("dataplane", "idle", idle);
}
