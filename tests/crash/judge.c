/*
 * The judgement.
 *
 * Of each node, by itself:
 *   - recovery never refuses: a power cut is no damage;
 *   - every entry that was certain before the cut is there, as it was (truth.h);
 *   - every entry that is there was written there, byte by byte, after the one before it;
 *   - a snapshot that it begins with says what the entries leave that it stands for (saved.c);
 *     these were certain, and they are there, though recovery did not read them;
 *   - it is not older than the newest snapshot that was stable;
 *   - nothing that could be taken for an entry lies behind the end once the log is open;
 *   - term and vote are not older than the newest slot that was stable, and were once asked for;
 *     the term is not below that of the last entry (Raft §5.1);
 *   - what a complete recovery gave is there after another cut, and nothing else.
 *
 * Of the cluster, where groups promise durability:
 *   - the newest answered record, and so all answered ones, is on a majority;
 *   - every node that could be elected now has it (Raft §5.4.1), so it stays;
 *   - logs that agree in index and term agree in everything up to there (Raft §5.3).
 */
#include "tests/crash/judge.h"

#include "consensus/base/assert.h"
#include "tests/crash/folder.h"

#include <stdarg.h>
#include <stdio.h>

#define EVENTS_MAX 12 /* a recovery writes each slot once or twice, and some zeros */

static bool complain(struct judge *judge, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool complain(struct judge *judge, const char *format, ...)
{
	va_list arguments;

	if (judge->problem.text[0] == '\0') {
		va_start(arguments, format);
		(void)vsnprintf(judge->problem.text, sizeof(judge->problem.text), format,
				arguments);
		va_end(arguments);
	}
	return false;
}

void judge_init(struct judge *judge, struct truth *truth, const char *folder)
{
	*judge = (struct judge){.truth = truth, .folder = folder};
	revive_init(&judge->revive, truth);
}

void judge_fini(struct judge *judge)
{
	for (qr_group g = 0; g <= CLUSTER_GROUPS_MAX; g++) {
		for (qr_node node = 0; node <= TAPE_NODES; node++)
			revived_fini(&judge->results[node][g]);
		revived_fini(&judge->first[g]);
	}
	revive_fini(&judge->revive);
	media_list_fini(&judge->list);
}

void judge_stale(struct judge *judge, qr_node node)
{
	judge->fresh[node] = false;
}

/* ---- one log ---- */

static bool check_slot(struct judge *judge, qr_node node, qr_group group,
		       const struct revived *revived)
{
	const struct truth_log *log = &judge->truth->groups[group].logs[node];
	const struct raft_hard_state *now = &revived->slot.state;
	const struct raft_hard_state *then = &log->slot.state;

	if (!revived->has_slot)
		return complain(judge, "node %u group %u: no slot", node, group);
	if (now->term != 0 && !truth_asked(log, now)) {
		return complain(
			judge, "INVENTED: node %u group %u: term %llu, vote %u was never asked for",
			node, group, (unsigned long long)now->term, now->vote);
	}
	if (revived->last > 0 && !revived->invented &&
	    now->term < truth_version(judge->truth, revived->versions[revived->last])->entry.term) {
		return complain(judge,
				"FORGOTTEN: node %u group %u: term %llu is behind its own log",
				node, group, (unsigned long long)now->term);
	}
	if (!log->has_slot)
		return true;
	if (revived->slot.start.segment < log->slot.start.segment) {
		return complain(judge, "FORGOTTEN: node %u group %u: where the log begins", node,
				group);
	}
	if (revived->slot.serial < log->slot.serial || now->term < then->term ||
	    (now->term == then->term && then->vote != 0 && now->vote != then->vote)) {
		return complain(judge,
				"FORGOTTEN: node %u group %u: term %llu, vote %u was stable, "
				"recovered are %llu and %u",
				node, group, (unsigned long long)then->term, then->vote,
				(unsigned long long)now->term, now->vote);
	}
	return true;
}

static bool check_snapshot(struct judge *judge, qr_node node, qr_group group,
			   const struct revived *revived)
{
	const struct truth_log *log = &judge->truth->groups[group].logs[node];
	qr_index stable = log->snapshot.base.index;
	qr_index base = revived->base;

	if (revived->missing != 0) {
		return complain(judge,
				"LOST: node %u group %u: entry %llu, below a snapshot of entry "
				"%llu",
				node, group, (unsigned long long)revived->missing,
				(unsigned long long)base);
	}
	if (base > 0 && truth_is_named(log, revived->versions[base]))
		return true; /* what a peer gave takes the place of the log in this image already */
	if (base > log->certain || (base > 0 && revived->versions[base] != log->firm[base])) {
		return complain(judge,
				"INVENTED: node %u group %u: a snapshot of entry %llu, stable were "
				"1..%llu",
				node, group, (unsigned long long)base,
				(unsigned long long)log->certain);
	}
	if (base < stable) {
		return complain(judge,
				"LOST: node %u group %u: a snapshot of entry %llu was stable, "
				"recovery began with one of entry %llu",
				node, group, (unsigned long long)stable, (unsigned long long)base);
	}
	return true;
}

static bool check_log(struct judge *judge, qr_node node, qr_group group,
		      const struct revived *revived)
{
	const struct truth_log *log = &judge->truth->groups[group].logs[node];

	judge->counts.logs++;
	judge->counts.restored += revived->base != 0;
	judge->counts.trimmed += revived->trimmed;
	judge->counts.exchanged += log->named != TRUTH_NONE || log->given.serial != 0;
	judge->counts.entries += revived->last;
	if (revived->wrong != NULL) { /* what else is found may follow from it */
		return complain(judge, "INVENTED: node %u group %u: a snapshot of entry %llu: %s",
				node, group, (unsigned long long)revived->base, revived->wrong);
	}
	if (revived->result != QR_NOT_FOUND) {
		return complain(judge,
				"REFUSED: node %u group %u: %s at entry %llu (segment %llu, byte "
				"%llu: %s)",
				node, group, qr_error_name(revived->result),
				(unsigned long long)revived->damage.index,
				(unsigned long long)revived->damage.segment,
				(unsigned long long)revived->damage.offset_bytes,
				qr_error_name(revived->damage.reason));
	}
	if (!check_snapshot(judge, node, group, revived))
		return false;
	if (revived->invented) {
		return complain(judge,
				"INVENTED: node %u group %u: not all of entries 1..%llu were "
				"written like that",
				node, group, (unsigned long long)revived->last);
	}
	if (revived->remains) {
		return complain(judge, "REMAINS: node %u group %u: a valid entry lies behind %llu",
				node, group, (unsigned long long)revived->last);
	}
	if (!check_slot(judge, node, group, revived))
		return false;
	if (truth_is_lazy(judge->truth, group))
		return true;
	if (revived->base > 0 && truth_is_named(log, revived->versions[revived->base]))
		return true;
	if (revived->last < log->certain ||
	    (log->certain > 0 && revived->versions[log->certain] != log->firm[log->certain])) {
		return complain(judge,
				"LOST: node %u group %u: entries 1..%llu were stable, recovered "
				"are 1..%llu",
				node, group, (unsigned long long)log->certain,
				(unsigned long long)revived->last);
	}
	return true;
}

/** What a complete recovery has said is durable. */
static bool check_same(struct judge *judge, qr_node node, qr_group group)
{
	const struct revived *before = &judge->first[group];
	const struct revived *after = &judge->results[node][group];

	if (truth_is_lazy(judge->truth, group))
		return true;
	if (before->last != after->last ||
	    (after->last > 0 && before->versions[after->last] != after->versions[after->last])) {
		return complain(judge,
				"LOST: node %u group %u: recovered 1..%llu, and after another cut "
				"1..%llu",
				node, group, (unsigned long long)before->last,
				(unsigned long long)after->last);
	}
	if (before->slot.state.term != after->slot.state.term ||
	    before->slot.state.vote != after->slot.state.vote) {
		return complain(judge,
				"FORGOTTEN: node %u group %u: another vote after another cut", node,
				group);
	}
	return true;
}

/* ---- one node ---- */

/** All groups, one after the other. @return whether all of them ended. */
static bool recover(struct judge *judge, qr_node node, struct revived *results)
{
	struct revive *revive = &judge->revive;

	judge->counts.disks++;
	for (qr_group g = 1; g <= judge->truth->round.group_count; g++) {
		revive_group(revive, g, &results[g]);
		if (results[g].result == QR_AGAIN)
			return false;
	}
	(void)node;
	return true;
}

static bool check_node(struct judge *judge, qr_node node, struct revived *results)
{
	for (qr_group g = 1; g <= judge->truth->round.group_count; g++) {
		if (!check_log(judge, node, g, &results[g]))
			return false;
	}
	return true;
}

/** A first recovery, which a second power cut ends or follows. @return false: a problem. */
static bool live_once(struct judge *judge, qr_node node, const struct judge_fate *fate,
		      bool *ret_complete)
{
	struct revive *revive = &judge->revive;
	bool whole = fate->course == JUDGE_KILL_CUT;

	revive->events_left = whole ? REVIVE_NEVER : qr_prng_below(&revive->prng, EVENTS_MAX);
	*ret_complete = recover(judge, node, judge->first);
	revive->events_left = REVIVE_NEVER;
	judge->counts.again++;
	return !*ret_complete || check_node(judge, node, judge->first);
}

/** Make the node's image, recover, and judge; bytes are as before afterwards. */
static bool judge_node(struct judge *judge, qr_node node, const struct judge_fate *fate)
{
	struct media *media = &judge->truth->media[node];
	struct media_pick pick = media_pick_of(fate->mode, fate->bits, fate->seed);
	bool killed = fate->course == JUDGE_KILL_CUT || fate->course == JUDGE_KILL_CUT_IN;
	uint32_t start = media_mark(media);
	uint32_t base = start;
	bool complete = false;
	bool well = true;

	revive_reset(&judge->revive);
	judge->revive.media = media;
	judge->revive.node = node;
	judge->revive.list = &judge->list;
	qr_prng_init(&judge->revive.prng, fate->seed ^ 0x2e71);
	judge->list.count = 0;
	if (killed) {
		struct media_pick everything = media_pick_of(MEDIA_PICK_ALL, 0, 0);

		media_list_copy(&judge->list, &media->pending);
		media_list_kill(&judge->list);
		media_apply(media, &judge->list, &everything);
	} else {
		media_apply(media, &media->pending, &pick);
		base = media_mark(media);
	}
	if (fate->course != JUDGE_CUT) {
		if (!killed)
			pick = media_pick_of(MEDIA_PICK_RANDOM, 0, ~fate->seed);
		well = live_once(judge, node, fate, &complete);
		media_rewind(media, base);
		media_apply(media, &judge->list, &pick);
		judge->list.count = 0;
	}
	if (well) {
		well = recover(judge, node, judge->results[node]) &&
		       check_node(judge, node, judge->results[node]);
	}
	for (qr_group g = 1; well && complete && g <= judge->truth->round.group_count; g++)
		well = check_same(judge, node, g);
	media_rewind(media, start);
	judge->fresh[node] = well && fate->course == JUDGE_CUT &&
			     media_size(media, &media->pending).effects == 0;
	return well;
}

/** The same image as a real directory: the same is recovered, by the disk code that users have. */
static bool judge_folder(struct judge *judge, qr_node node, const struct judge_fate *fate)
{
	struct media *media = &judge->truth->media[node];
	struct media_pick pick = media_pick_of(fate->mode, fate->bits, fate->seed);
	struct store_problem refused = {""};
	uint32_t start = media_mark(media);
	enum qr_error error;

	media_apply(media, &media->pending, &pick);
	folder_write(media, judge->folder);
	media_rewind(media, start);
	judge->revive.node = node;
	judge->counts.folders++;
	error = revive_folder(&judge->revive, judge->folder, judge->first, &refused);
	if (error != QR_OK) {
		return complain(judge, "REFUSED: node %u: %s: %s", node, qr_error_name(error),
				refused.text);
	}
	if (!check_node(judge, node, judge->first))
		return false;
	for (qr_group g = 1; g <= judge->truth->round.group_count; g++) {
		if (!check_same(judge, node, g))
			return false;
	}
	return true;
}

/* ---- the cluster ---- */

static uint32_t last_of(const struct revived *revived)
{
	return revived->last == 0 ? TRUTH_NONE : revived->versions[revived->last];
}

/** Raft §5.4.1: the later term, or the longer log. */
static bool is_up_to_date(const struct store_entry *a, const struct store_entry *b)
{
	return a->term > b->term || (a->term == b->term && a->index >= b->index);
}

static bool has_answered(const struct judge *judge, qr_node node, qr_group group)
{
	const struct truth *truth = judge->truth;
	uint32_t answered = truth->groups[group].answered;
	qr_index index = truth->versions[answered].entry.index;
	const struct revived *revived = &judge->results[node][group];

	return index == 0 || (revived->last >= index && revived->versions[index] == answered);
}

static bool can_be_elected(const struct judge *judge, qr_node node, qr_group group)
{
	const struct truth *truth = judge->truth;
	const struct truth_version *own =
		truth_version(truth, last_of(&judge->results[node][group]));
	unsigned votes = 0;

	for (qr_node other = 1; other <= TAPE_NODES; other++) {
		uint32_t last = last_of(&judge->results[other][group]);

		votes += is_up_to_date(&own->entry, &truth_version(truth, last)->entry);
	}
	return votes >= TAPE_NODES / 2 + 1;
}

static bool check_answers(struct judge *judge, qr_group group)
{
	uint32_t answered = judge->truth->groups[group].answered;
	unsigned holders = 0;

	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		bool has = has_answered(judge, node, group);

		holders += has;
		if (!has && can_be_elected(judge, node, group)) {
			return complain(judge,
					"LOST: group %u: node %u can be elected and lacks answered "
					"entry %llu",
					group, node,
					(unsigned long long)truth_version(judge->truth, answered)
						->entry.index);
		}
	}
	if (holders < TAPE_NODES / 2 + 1) {
		return complain(
			judge, "LOST: group %u: answered entry %llu is on %u of %u nodes", group,
			(unsigned long long)truth_version(judge->truth, answered)->entry.index,
			holders, TAPE_NODES);
	}
	return true;
}

/** The highest index where both have the same term must be the same entry. */
static bool check_match(struct judge *judge, qr_group group, qr_node a, qr_node b)
{
	const struct truth *truth = judge->truth;
	const struct revived *one = &judge->results[a][group];
	const struct revived *two = &judge->results[b][group];
	qr_index index = one->last < two->last ? one->last : two->last;

	for (; index > 0; index--) {
		uint32_t first = one->versions[index];
		uint32_t second = two->versions[index];

		if (first == second)
			return true;
		if (truth_version(truth, first)->entry.term ==
		    truth_version(truth, second)->entry.term) {
			return complain(judge,
					"DIVERGED: group %u: nodes %u and %u differ in entry %llu "
					"of one term",
					group, a, b, (unsigned long long)index);
		}
	}
	return true;
}

static bool check_cluster(struct judge *judge)
{
	for (qr_group g = 1; g <= judge->truth->round.group_count; g++) {
		if (!truth_is_lazy(judge->truth, g) && !check_answers(judge, g))
			return false;
		for (qr_node node = 2; node <= TAPE_NODES; node++) {
			if (!check_match(judge, g, 1, node) ||
			    (node > 2 && !check_match(judge, g, 2, node)))
				return false;
		}
	}
	judge->counts.promises += judge->truth->answered_records;
	return true;
}

bool judge_image(struct judge *judge, const struct judge_fate *fates, qr_node folder)
{
	judge->counts.images++;
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		if (judge->fresh[node] && fates[node].course == JUDGE_CUT)
			continue; /* nothing was pending: the same bytes as before */
		if (!judge_node(judge, node, &fates[node]))
			return false;
	}
	if (folder != 0 && fates[folder].course == JUDGE_CUT && judge->folder != NULL &&
	    !judge_folder(judge, folder, &fates[folder]))
		return false;
	return check_cluster(judge);
}
