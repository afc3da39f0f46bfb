/*
 * Which term each entry of the own log has.
 *
 * Terms never fall along a log (Raft §5.4.1 follows from it), so a log is a short list of runs: the
 * first index of every term that left entries. The list is a ring of RAFT_TERM_RUNS_MAX; when it is
 * full the oldest run is forgotten. So the cost of everything here grows with elections, never with
 * the length of the log, and almost every question is about the newest run.
 *
 * Invariants: firsts and terms of the runs rise strictly; the newest run starts at or below `last`;
 * the term of `last` is always known (log.c refuses a truncation that would lose it). A forgotten
 * term is answered by 0, and 0 never equals the term of an entry: what is not known never matches.
 */
#include "consensus/raft/internal.h"

static uint32_t slot_of(const struct raft_group *group, uint32_t position)
{
	QR_ASSERT(position <= RAFT_TERM_RUNS_MAX);
	return (group->run_head + position) % RAFT_TERM_RUNS_MAX;
}

static const struct raft_term_run *run_at(const struct raft_group *group, uint32_t position)
{
	QR_ASSERT(position < group->run_count);
	return &group->runs[slot_of(group, position)];
}

/* The newest run that starts at or below `index`; there is one. */
static const struct raft_term_run *run_of(const struct raft_group *group, qr_index index)
{
	uint32_t low = 0;
	uint32_t high = group->run_count - 1;

	if (index >= run_at(group, high)->first)
		return run_at(group, high);
	QR_ASSERT(run_at(group, 0)->first <= index);
	while (low + 1 < high) {
		uint32_t middle = low + (high - low) / 2;

		if (run_at(group, middle)->first <= index) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return run_at(group, low);
}

void raft_terms_init(struct raft_group *group, const struct raft_term_run *runs, uint32_t run_count)
{
	uint32_t skip = run_count > RAFT_TERM_RUNS_MAX ? run_count - RAFT_TERM_RUNS_MAX : 0;

	QR_ASSERT((run_count == 0) == (group->last == 0));
	group->run_head = 0;
	group->run_count = 0;
	for (uint32_t i = skip; i < run_count; i++) {
		QR_ASSERT(runs[i].first >= 1 && runs[i].first <= group->last);
		raft_terms_append(group, runs[i].first, runs[i].term);
	}
}

/* The entry at `index`, above all known ones, has `term`. */
void raft_terms_append(struct raft_group *group, qr_index index, qr_term term)
{
	QR_ASSERT(term > 0);
	if (group->run_count > 0) {
		const struct raft_term_run *newest = run_at(group, group->run_count - 1);

		if (newest->term == term)
			return;
		QR_ASSERT(term > newest->term && index > newest->first);
	}
	if (group->run_count == RAFT_TERM_RUNS_MAX) {
		group->run_head = slot_of(group, 1);
	} else {
		group->run_count++;
	}
	group->runs[slot_of(group, group->run_count - 1)] = (struct raft_term_run){
		.first = index,
		.term = term,
	};
}

void raft_terms_truncate(struct raft_group *group, qr_index last)
{
	while (group->run_count > 0 && run_at(group, group->run_count - 1)->first > last)
		group->run_count--;
	QR_ASSERT(last == 0 || group->run_count > 0);
}

qr_term raft_term_at(const struct raft_group *group, qr_index index)
{
	if (index == 0 || index > group->last)
		return 0;
	QR_ASSERT(group->run_count > 0);
	if (index < run_at(group, 0)->first)
		return 0;
	return run_of(group, index)->term;
}

/*
 * The highest index at or below `index` whose term is at most `term`. Terms below the first run are
 * forgotten, but lower than that run's: the answer may then be an index of unknown term.
 */
qr_index raft_terms_find_at_most(const struct raft_group *group, qr_index index, qr_term term)
{
	QR_ASSERT(index <= group->last);
	for (uint32_t i = group->run_count; i > 0; i--) {
		const struct raft_term_run *run = run_at(group, i - 1);

		if (run->term <= term)
			break;
		if (run->first <= index)
			index = run->first - 1;
	}
	return index;
}
