/*
 * The scrub reads every log from its beginning to its end, so that what rots is found while
 * somebody still has it. What it cannot read is repaired like for any other reader: repair.c.
 *
 * In the background it reads `scrub_bytes_per_second`, for ever, with a pause between passes.
 * Somebody may ask for a pass (dp_published.scrub): it takes the place of that one, begins at once,
 * and counts by group what it reads, finds, and sees repaired.
 *
 * A pass ends. Each group has a goal, which is what it had applied when the pass began: it is
 * committed, so it may be given up by a trim or be replaced by a snapshot, both of which bring the
 * goal nearer, but it does not go back. A group that does not serve is put behind the others, and
 * left out when it does not come back for UNREADY_NS in which no other one is read either. An entry
 * is lost when every member says twice that it does not have it; for one that says nothing, because
 * it is just being started, a pass waits for UNHEARD_NS in all.
 *
 * Owns one reader while it reads. A crash forgets the pass; nothing of it is on the disk.
 */
#include "dataplane/node/internal.h"

#define PIECE_BYTES (256u << 10) /* in one turn, */
#define PIECES_A_SECOND 16	 /* or less, for a rate that is low */
#define TRIES 2
#define UNREADY_NS 10000000000u
#define UNHEARD_NS 5000000000u

static qr_ns patience_ns(const struct dp_core *core)
{
	return DP_PATIENCE_TIMES * core->config.retransmit_min_ns;
}

static bool is_on(const struct dp_core *core)
{
	return core->group_count != 0 &&
	       (core->scrub.asked_runs || core->config.scrub_bytes_per_second != 0);
}

static void stop_reading(struct dp_scrub *scrub)
{
	if (scrub->reader != NULL)
		dp_reader_release(scrub->reader);
	scrub->reader = NULL;
}

/** At the group that `position` names. */
static void enter(struct dp_core *core)
{
	struct dp_scrub *scrub = &core->scrub;

	scrub->index = scrub->asked_runs ? core->groups[scrub->position].scrubbed.next : 1;
	scrub->damaged_index = 0;
	scrub->resumes = false;
}

static void begin_background(struct dp_core *core, qr_ns pause_ns)
{
	core->scrub.position = 0;
	core->scrub.at_ns = core->now_ns + pause_ns;
	enter(core);
}

/* ---- a pass that was asked for ---- */

static void end_pass(struct dp_core *core)
{
	core->scrub.asked_runs = false;
	core->stats.scrub_passes++;
	if (core->group_count != 0)
		begin_background(core, core->config.scrub_pause_ns);
}

static void begin_pass(struct dp_core *core)
{
	struct dp_scrub *scrub = &core->scrub;

	stop_reading(scrub);
	scrub->asked = core->published->scrub;
	scrub->asked_runs = true;
	scrub->left = core->group_count;
	scrub->unready = 0;
	scrub->unready_until_ns = 0;
	scrub->unheard_until_ns = 0;
	scrub->waits = false;
	for (uint32_t g = 0; g < core->group_count; g++) {
		core->groups[g].scrubbed =
			(struct dp_scrub_group){.pass = scrub->asked.pass, .next = 1};
	}
	if (core->group_count == 0) {
		end_pass(core);
	} else {
		begin_background(core, 0);
	}
}

/** Of a group that runs. */
static void set_goal(struct dp_group *group)
{
	struct dp_scrub_group *scrubbed = &group->scrubbed;
	qr_block end;

	if (store_log_block_after(group->log, group->applied, &end) != QR_OK)
		end = store_log_tail(group->log);
	scrubbed->begun = true;
	scrubbed->goal = group->applied;
	scrubbed->first = store_log_origin(group->log).block;
	if (end > scrubbed->first)
		scrubbed->total_bytes = (end - scrubbed->first) * QR_BLOCK_BYTES;
}

static void set_goals(struct dp_core *core)
{
	for (uint32_t g = 0; g < core->group_count; g++) {
		if (core->groups[g].phase == DP_PHASE_RUNNING)
			set_goal(&core->groups[g]);
	}
}

static void next_group(struct dp_core *core);

static void finish_group(struct dp_core *core, struct dp_group *group, enum dp_scrub_state state)
{
	struct dp_scrub_group *scrubbed = &group->scrubbed;

	if (core->scrub.damaged_index != 0)
		scrubbed->damaged--; /* what became of it is not known */
	scrubbed->state = state;
	if (state == DP_SCRUB_DONE) {
		scrubbed->passed_bytes = scrubbed->total_bytes;
	} else if (group->phase != DP_PHASE_RUNNING) {
		scrubbed->reason = dp_group_refusal(group);
	} else {
		scrubbed->reason = group->raft.failed ? QR_POISONED : QR_TIMED_OUT;
	}
	core->scrub.left--;
	core->scrub.unready = 0;
	next_group(core);
}

/** It cannot be read now: others are, meanwhile. */
static void put_off(struct dp_core *core)
{
	struct dp_scrub *scrub = &core->scrub;

	if (++scrub->unready >= scrub->left) {
		scrub->unready = 0;
		scrub->at_ns = core->now_ns + patience_ns(core);
		if (scrub->unready_until_ns == 0)
			scrub->unready_until_ns = core->now_ns + UNREADY_NS;
	}
	next_group(core);
}

/** @return whether the group's next entry can be read. */
static bool visit(struct dp_core *core, struct dp_group *group)
{
	struct dp_scrub *scrub = &core->scrub;
	struct dp_scrub_group *scrubbed = &group->scrubbed;
	bool late = scrub->unready_until_ns != 0 && core->now_ns >= scrub->unready_until_ns;

	if (group->phase == DP_PHASE_RUNNING && !scrubbed->begun)
		set_goal(group);
	if (group->phase == DP_PHASE_RUNNING && scrub->index > scrubbed->goal) {
		finish_group(core, group, DP_SCRUB_DONE);
	} else if (late || group->phase == DP_PHASE_DAMAGED || group->raft.failed) {
		finish_group(core, group, DP_SCRUB_LEFT_OUT);
	} else if (group->phase != DP_PHASE_RUNNING || scrub->index > group->applied) {
		put_off(core);
	} else {
		return true;
	}
	return false;
}

/* ---- what it finds ---- */

static void found_sound(struct dp_scrub *scrub, struct dp_group *group,
			const struct store_location *at)
{
	struct dp_scrub_group *scrubbed = &group->scrubbed;
	qr_block end = at->block + at->blocks;

	if (scrub->damaged_index == at->index) {
		scrubbed->repaired++;
	} else if (scrub->damaged_index != 0) {
		scrubbed->damaged--; /* the log begins behind it by now */
	}
	scrub->damaged_index = 0;
	scrub->unready_until_ns = 0;
	scrubbed->next = at->index + 1;
	scrubbed->verified_bytes += (uint64_t)at->blocks * QR_BLOCK_BYTES;
	if (end > scrubbed->first)
		scrubbed->passed_bytes = (end - scrubbed->first) * QR_BLOCK_BYTES;
}

static void found_damage(struct dp_scrub *scrub, struct dp_group *group)
{
	if (!scrub->asked_runs || scrub->damaged_index == scrub->index)
		return;
	scrub->damaged_index = scrub->index;
	scrub->tries = 0;
	group->scrubbed.damaged++;
}

/** Whether to ask the members again for an entry that none of them gave. */
static bool is_tried_again(struct dp_core *core, const struct dp_group *group)
{
	struct dp_scrub *scrub = &core->scrub;
	bool unheard = group->lost_index == scrub->index && group->lost_unheard;

	if (!scrub->asked_runs || core->peer_count == 0)
		return false;
	if (unheard && scrub->unheard_until_ns == 0)
		scrub->unheard_until_ns = core->now_ns + UNHEARD_NS;
	if (++scrub->tries >= TRIES && !(unheard && core->now_ns < scrub->unheard_until_ns))
		return false;
	scrub->at_ns = group->lost_index == scrub->index && group->lost_until_ns > core->now_ns
			       ? group->lost_until_ns
			       : core->now_ns + patience_ns(core);
	return true;
}

/** The entry is passed over: `next` is the next one that can be found. */
static void skip(struct dp_scrub *scrub, struct dp_group *group, qr_index next, bool lost)
{
	struct dp_scrub_group *scrubbed = &group->scrubbed;

	if (scrub->asked_runs && lost) {
		if (scrubbed->lost < DP_SCRUB_LOST_MAX) {
			scrubbed->first_lost[scrubbed->lost] = (struct dp_scrub_lost){
				.index = scrub->index,
				.next = next <= scrubbed->goal ? next : scrubbed->goal + 1};
		}
		scrubbed->lost++;
		scrubbed->unheard = scrubbed->unheard || group->lost_unheard;
	} else if (scrub->damaged_index == scrub->index) {
		scrubbed->damaged--; /* given up with the damage */
	}
	scrub->damaged_index = 0;
	scrub->index = next;
	if (scrub->asked_runs)
		scrubbed->next = next;
}

static void pass_over(struct dp_core *core, struct dp_group *group, enum qr_error error)
{
	struct dp_scrub *scrub = &core->scrub;
	qr_index origin = store_log_origin(group->log).index;

	scrub->resumes = false;
	if (error == QR_OUT_OF_RANGE) { /* a trim */
		if (scrub->index <= origin)
			skip(scrub, group, origin + 1, false);
		return;
	}
	found_damage(scrub, group);
	/* As far as that goes, what is behind it is looked at. */
	if (!is_tried_again(core, group)) {
		/* It is still here, but all have agreed to begin behind it. */
		bool lost = scrub->index > store_log_start(group->log).before;

		skip(scrub, group, store_log_next_start(group->log, scrub->index), lost);
	}
}

/* ---- reading ---- */

static void next_group(struct dp_core *core)
{
	struct dp_scrub *scrub = &core->scrub;
	bool last;

	stop_reading(scrub);
	if (scrub->asked_runs && scrub->left == 0) {
		end_pass(core);
		return;
	}
	do {
		last = ++scrub->position >= core->group_count;
		if (last)
			scrub->position = 0;
	} while (scrub->asked_runs &&
		 core->groups[scrub->position].scrubbed.state != DP_SCRUB_WAITS);
	if (!scrub->asked_runs) {
		scrub->at_ns = core->now_ns;
		if (last && core->recovering > 0) { /* and was left out */
			scrub->at_ns += patience_ns(core);
		} else if (last) {
			scrub->at_ns += core->config.scrub_pause_ns;
			core->stats.scrub_passes++;
		}
	}
	enter(core);
}

/** @return false: no reader is free. */
static bool begin_reading(struct dp_core *core, struct dp_group *group)
{
	struct dp_scrub *scrub = &core->scrub;

	/* The last one is left to others. */
	if (dp_reader_count_free(core) >= 2)
		scrub->reader = dp_reader_acquire(core, group);
	if (scrub->reader == NULL)
		return false;
	if (scrub->resumes) {
		store_reader_start_at(scrub->reader->reader, group->log, &scrub->from,
				      dp_reader_tag(core, scrub->reader));
	} else {
		store_reader_start_index(scrub->reader->reader, group->log, scrub->index,
					 dp_reader_tag(core, scrub->reader));
	}
	scrub->resumes = false;
	return true;
}

static qr_index last_to_read(const struct dp_scrub *scrub, const struct dp_group *group)
{
	return scrub->asked_runs && group->scrubbed.goal < group->applied ? group->scrubbed.goal
									  : group->applied;
}

/**
 * Read on. Errors: QR_AGAIN  waiting for the disk; QR_NOT_FOUND  the log's end; QR_BUSY  no reader
 * is free, or what was found is being repaired; else damage that nobody can mend.
 */
static enum qr_error read_piece(struct dp_core *core, struct dp_group *group)
{
	struct dp_scrub *scrub = &core->scrub;
	uint64_t rate = scrub->asked_runs ? scrub->asked.bytes_per_second
					  : core->config.scrub_bytes_per_second;
	uint64_t piece = rate != 0 && rate / PIECES_A_SECOND < PIECE_BYTES ? rate / PIECES_A_SECOND
									   : PIECE_BYTES;
	uint64_t bytes = 0;

	if (scrub->reader == NULL && !begin_reading(core, group))
		return QR_BUSY;
	do {
		const struct store_location *at = &scrub->reader->location;
		enum qr_error error = QR_NOT_FOUND;

		if (scrub->index <= last_to_read(scrub, group))
			error = dp_reader_next(core, scrub->reader);
		if (error != QR_OK)
			return error;
		if (scrub->asked_runs)
			found_sound(scrub, group, at);
		scrub->index = at->index + 1;
		bytes += (uint64_t)at->blocks * QR_BLOCK_BYTES;
		core->stats.scrubbed_bytes += (uint64_t)at->blocks * QR_BLOCK_BYTES;
	} while (bytes < piece);
	scrub->at_ns = core->now_ns;
	if (rate != 0)
		scrub->at_ns += bytes * 1000000000u / rate;
	return QR_OK;
}

static void read_on(struct dp_core *core, struct dp_group *group)
{
	struct dp_scrub *scrub = &core->scrub;
	enum qr_error error = read_piece(core, group);

	scrub->waits = error == QR_AGAIN;
	if (error == QR_OK || error == QR_AGAIN)
		return;
	stop_reading(scrub);
	if (error == QR_NOT_FOUND && !scrub->asked_runs) {
		next_group(core);
	} else if (error == QR_NOT_FOUND) {
		if (visit(core, group))
			put_off(core); /* the disk does not have it yet: durability = memory */
	} else if (error == QR_BUSY && core->repair.group == group) {
		found_damage(scrub, group);
		scrub->resumes = true;
		scrub->from = core->repair.missing;
		scrub->waits = true;
	} else if (error == QR_BUSY) {
		scrub->at_ns = core->now_ns + core->config.retransmit_min_ns;
	} else {
		pass_over(core, group, error);
	}
}

void dp_scrub_leave(struct dp_core *core, const struct dp_group *group)
{
	struct dp_scrub *scrub = &core->scrub;

	if (core->group_count == 0 || &core->groups[scrub->position] != group)
		return;
	stop_reading(scrub);
	scrub->waits = false;
	if (scrub->asked_runs && scrub->damaged_index != 0)
		core->groups[scrub->position].scrubbed.damaged--; /* found again, if it stays */
	enter(core);
}

void dp_scrub_pump(struct dp_core *core)
{
	struct dp_scrub *scrub = &core->scrub;
	struct dp_group *group;

	if (core->published != NULL && core->published->scrub.pass != scrub->asked.pass) {
		begin_pass(core);
		set_goals(core);
	}
	if (!is_on(core) || core->now_ns < scrub->at_ns)
		return;
	scrub->waits = core->repair.group != NULL;
	if (scrub->waits)
		return;
	group = &core->groups[scrub->position];
	if (scrub->asked_runs) {
		if (visit(core, group))
			read_on(core, group);
	} else if (group->phase == DP_PHASE_RUNNING && !group->raft.failed) {
		read_on(core, group);
	} else {
		next_group(core);
	}
}

qr_ns dp_scrub_deadline(const struct dp_core *core)
{
	return is_on(core) && !core->scrub.waits ? core->scrub.at_ns : UINT64_MAX;
}

/* ---- for others ---- */

uint64_t dp_core_scrub_ended(const struct dp_core *core)
{
	return core->scrub.asked_runs ? 0 : core->scrub.asked.pass;
}

uint32_t dp_core_scrub_position(const struct dp_core *core)
{
	return core->scrub.position;
}

enum qr_error dp_core_scrub_group(const struct dp_core *core, uint32_t position,
				  struct dp_scrub_group *ret_group)
{
	if (position >= core->group_count)
		return QR_NOT_FOUND;
	*ret_group = core->groups[position].scrubbed;
	return QR_OK;
}
