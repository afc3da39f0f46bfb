/* What a process shows of itself; see observe.h. Reads only. */
#include "dataplane/lcore/observe.h"

#include "dataplane/lcore/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

bool dp_process_view(struct dp_process *process, unsigned number, struct dp_slot_view *ret_view)
{
	struct dp_slot *slot;

	if (number >= process->slot_count)
		return false;
	slot = &process->slots[number];
	*ret_view = (struct dp_slot_view){
		.node = slot->host->node,
		.core = slot->number,
		.group_count = slot->snapshot_count,
		.recovered = __atomic_load_n(&slot->recovered, __ATOMIC_ACQUIRE),
		.ready_segments = __atomic_load_n(&slot->ready_segments, __ATOMIC_RELAXED),
		.dropped_segments = load(&slot->dropped_segments),
		.stats = dp_core_stats(slot->core),
		.counters = {.handed_over = load(&slot->counters.handed_over),
			     .handover_dropped = load(&slot->counters.handover_dropped),
			     .disk_submitted = load(&slot->counters.disk_submitted),
			     .disk_deferred = load(&slot->counters.disk_deferred),
			     .buffers_short = load(&slot->counters.buffers_short)},
	};
	return true;
}

bool dp_process_view_group(struct dp_process *process, unsigned number, uint32_t group,
			   struct wire_status_group *ret_status)
{
	struct dp_group_view view;

	if (number >= process->slot_count || group >= process->slots[number].snapshot_count)
		return false;
	if (!dp_snapshot_read(&process->slots[number].snapshots[group], &view))
		return false;
	*ret_status = view.status;
	return true;
}

bool dp_process_view_scrub(struct dp_process *process, unsigned number, uint32_t group,
			   struct dp_scrub_view *ret_view)
{
	const struct dp_group_config *config;
	struct dp_group_view view;
	struct dp_slot *slot;
	uint64_t pass;

	if (number >= process->slot_count || group >= process->slots[number].snapshot_count)
		return false;
	slot = &process->slots[number];
	pass = slot->host->published->scrub.pass;
	if (!dp_snapshot_read(&slot->snapshots[group], &view) || view.scrub.pass != pass)
		view.scrub = (struct dp_scrub_group){.pass = pass};
	config = dp_core_group_config(slot->core, group);
	*ret_view = (struct dp_scrub_view){.group = config->group,
					   .partition = config->partition,
					   .name = config->name,
					   .seen = view.scrub};
	return true;
}

bool dp_process_view_port(struct dp_process *process, qr_node node, uint32_t number,
			  struct dp_port_view *ret_view)
{
	const struct dp_host *host = dp_process_host(process, node);

	if (host == NULL || number >= host->port_count)
		return false;
	ret_view->name = dp_port_name(host->ports[number]);
	ret_view->is_up = dp_port_is_up(host->ports[number]);
	dp_port_read_stats(host->ports[number], &ret_view->stats);
	return true;
}

bool dp_process_is_recovered(struct dp_process *process)
{
	for (uint32_t s = 0; s < process->slot_count; s++) {
		/* L1: acquire. Pairs with L0 in slot.c. */
		if (!__atomic_load_n(&process->slots[s].recovered, __ATOMIC_ACQUIRE))
			return false;
	}
	return true;
}

uint32_t dp_process_ready_segments(struct dp_process *process)
{
	uint32_t fewest = UINT32_MAX;

	for (uint32_t s = 0; s < process->slot_count; s++) {
		uint32_t ready =
			__atomic_load_n(&process->slots[s].ready_segments, __ATOMIC_RELAXED);

		fewest = ready < fewest ? ready : fewest;
	}
	return fewest;
}

qr_nodes dp_process_links(struct dp_process *process, qr_node node)
{
	const struct dp_host *host = dp_process_host(process, node);

	/* The main thread is the only one that publishes. */
	return host == NULL ? 0 : host->published->links_down;
}

struct dp_scrub_request dp_process_scrub_of(struct dp_process *process, qr_node node,
					    bool *ret_runs)
{
	const struct dp_host *host = dp_process_host(process, node);
	struct dp_scrub_request request = {0};

	*ret_runs = false;
	if (host == NULL)
		return request;
	request = host->published->scrub;
	for (uint8_t c = 0; c < process->config.cores; c++) {
		/* L2: acquire. Pairs with L3 in slot.c. */
		*ret_runs = *ret_runs || __atomic_load_n(&host->slots[c].scrub_ended,
							 __ATOMIC_ACQUIRE) != request.pass;
	}
	return request;
}

const char *dp_process_prefix(const struct dp_process *process)
{
	return process->environment.prefix;
}

/* ---- for a person ---- */

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
	va_list arguments;
	int written;

	va_start(arguments, format);
	written =
		vsnprintf(left > 0 ? page->text + page->used_bytes : NULL, left, format, arguments);
	va_end(arguments);
	page->used_bytes += written > 0 ? (size_t)written : 0;
}

static void put_durability(struct page *page, const struct dp_config *config)
{
	uint32_t lazy = 0;

	for (uint32_t i = 0; i < config->log_count; i++)
		lazy += config->logs[i].durability == WIRE_DURABLE_MEMORY;
	if (lazy == 0) {
		put(page, "durability   quorum on disk\n");
	} else {
		put(page,
		    "durability   MEMORY ONLY for %u of %u logs: an acknowledged record can be "
		    "lost\n",
		    lazy, config->log_count);
	}
}

static void put_device(struct page *page, const struct dp_host *host)
{
	struct store_device device = {.name = ""};

	store_device_probe(host->config->data, &device);
	put(page, "node %-2u      %s%s, device %s: volatile cache %s, FUA %s\n", host->node,
	    host->config->data, host->directory.direct ? "" : ", DIRECT I/O OFF",
	    device.name[0] != '\0' ? device.name : "unknown", device.volatile_cache ? "yes" : "no",
	    device.fua ? "yes" : "no");
}

size_t dp_process_print(const struct dp_process *process, char *text, size_t text_bytes)
{
	struct page page = {.text = text, .size_bytes = text_bytes};
	const struct dp_config *config = &process->config;
	bool huge = true;
	bool locked = true;

	for (uint32_t s = 0; s < process->slot_count; s++) {
		huge = huge && process->slots[s].memory.huge;
		locked = locked && process->slots[s].memory.locked;
	}
	put(&page, "quorated %s, cluster %s, profile %s, link %s, idle %s, %u lcores\n",
	    QUORATE_VERSION, config->cluster, dp_profile_name(config->profile),
	    dp_link_name(process->plan.link), dp_idle_name(config->idle),
	    process->environment.lcore_count);
	put_durability(&page, config);
	put(&page, "direct I/O   %s\n", config->direct_io ? "on" : "OFF: through the page cache");
	for (uint32_t h = 0; h < process->host_count; h++)
		put_device(&page, &process->hosts[h]);
	put(&page, "telemetry    RUNTIME_DIRECTORY=%s dpdk-telemetry.py -f %s\n", config->run_dir,
	    process->environment.prefix);
	put(&page, "memory       packet buffers on %s pages, arenas on %s pages, %s\n",
	    process->environment.huge ? "huge" : "ordinary", huge ? "huge" : "ordinary",
	    locked ? "locked" : "not locked");
	if (page.used_bytes < text_bytes) {
		page.used_bytes += dp_budget_print(&process->budget, text + page.used_bytes,
						   text_bytes - page.used_bytes);
	}
	return page.used_bytes;
}

void dp_process_show(const struct dp_process *process)
{
	static const size_t text_bytes = 65536;
	char *text = malloc(text_bytes);

	if (text == NULL)
		return;
	(void)dp_process_print(process, text, text_bytes);
	(void)fputs(text, stdout);
	(void)fflush(stdout);
	free(text);
}
