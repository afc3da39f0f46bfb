/*
 * What the disk of one node holds, and what a power cut may leave of it: folders, files and bytes
 * that are stable, and in order the effects of operations that are not.
 *
 * An effect is in flight until its operation ends, then cached, and firm once it must survive:
 *   a write with O_DSYNC     when it has ended
 *   other changes of a file  when a sync of that file has ended that began after they had
 *   names                    likewise, by a sync of their folder
 *
 * A cut keeps all firm effects and of the others any subset, in their order, each write torn at any
 * sector of 512 bytes. A process that is killed leaves everything in caches: it is all seen by the
 * next one, and none of it is firm by that.
 *
 * An image is made in place: effects are applied to the bytes, and rewound afterwards.
 */
#ifndef QR_TESTS_CRASH_MEDIA_H
#define QR_TESTS_CRASH_MEDIA_H

#include "consensus/base/prng.h"
#include "tests/crash/tape.h"

#define MEDIA_SECTOR_BYTES 512u
#define MEDIA_FILES_MAX 512
#define MEDIA_NAMES_MAX 256
#define MEDIA_SYNCS_MAX 64
#define MEDIA_NONE UINT32_MAX

struct media_name {
	char name[TAPE_NAME_BYTES];
	uint32_t file;
};

struct media_file {
	bool exists;
	bool folder;
	bool named; /* has, or is being given, a name that does not end in ".tmp" */
	uint32_t size_bytes;
	uint32_t room_bytes; /* of data; beyond size_bytes they are zero */
	uint8_t *data;
	uint32_t name_count;
	struct media_name *names;
};

enum media_state { MEDIA_INFLIGHT, MEDIA_CACHED, MEDIA_FIRM };

struct media_effect {
	struct tape_op op;
	enum media_state state;
	uint64_t ended;
};

struct media_list {
	struct media_effect *items;
	uint32_t count;
	uint32_t room;
};

/* ---- which effects survive ---- */

enum media_mode {
	MEDIA_PICK_NONE,    /* what is firm */
	MEDIA_PICK_ALL,	    /* everything */
	MEDIA_PICK_PREFIX,  /* the first `bits` units, in order: one effect is torn */
	MEDIA_PICK_EFFECTS, /* those whose bit is set, whole */
	MEDIA_PICK_SECTORS, /* those sectors whose bit is set */
	MEDIA_PICK_RANDOM,  /* any, torn in any way */
};

/** Units are sectors of what matters to a recovery; effects on *.tmp files are left to chance. */
struct media_pick {
	enum media_mode mode;
	uint64_t bits;
	struct qr_prng prng;
	/* the effect that is being applied */
	uint32_t style;
	uint32_t from;
	uint32_t until;
};

struct media_pick media_pick_of(enum media_mode mode, uint64_t bits, uint64_t seed);

/* ---- a node's disk ---- */

struct media_sync {
	uint32_t id;
	uint32_t file;
	uint64_t begun;
};

struct media_undo {
	struct media_undo_record *records;
	uint32_t count;
	uint32_t room;
	uint8_t *bytes;
	size_t used_bytes;
	size_t room_bytes;
};

typedef void (*media_firm)(void *context, const struct tape_op *op);

struct media {
	struct media_file *files; /* MEDIA_FILES_MAX */
	uint32_t file_count;
	struct media_list pending;
	uint32_t sync_count;
	struct media_sync syncs[MEDIA_SYNCS_MAX];
	uint64_t clock;
	uint64_t version; /* of the stable part: another one with every change */
	struct media_undo undo;
	media_firm on_firm; /* told of each effect that becomes firm; may be NULL */
	void *context;
};

void media_init(struct media *media);
void media_fini(struct media *media);

void media_begin(struct media *media, const struct tape_op *op);
/** Failed operations have no effect. */
void media_end(struct media *media, uint32_t id, bool failed);
/** The process ends. */
void media_kill(struct media *media);
/** Power is cut: the image that `pick` makes is what is stable now. */
void media_cut(struct media *media, struct media_pick *pick);

/** Whether a write begins over one that has not ended. */
bool media_overlaps_inflight(const struct media *media, const struct tape_op *op);

/** Whether a later effect, of those that are pending, lies over one that is just becoming firm. */
bool media_is_overwritten(const struct media *media, const struct tape_op *op);

struct media_size {
	uint32_t effects; /* that matter and are not firm */
	uint32_t sectors; /* of them */
	bool names;	  /* some are names */
};
struct media_size media_size(const struct media *media, const struct media_list *list);

/* ---- images ---- */

/** Apply effects to the bytes; can be rewound to what media_mark returned before. */
void media_apply(struct media *media, const struct media_list *list, struct media_pick *pick);
uint32_t media_mark(const struct media *media);
void media_rewind(struct media *media, uint32_t mark);

/** Add an effect to a list that a recovery makes on top of an image, seen at once. */
struct media_effect *media_write(struct media *media, struct media_list *list,
				 const struct tape_op *op);
void media_list_copy(struct media_list *to, const struct media_list *from);
void media_list_kill(struct media_list *list);
/** All that a file's sync makes firm when it ends now. */
void media_list_sync(struct media_list *list, uint32_t file);
void media_list_fini(struct media_list *list);

/** Of the bytes as they are now, an image applied or not. */
uint32_t media_find(const struct media *media, uint32_t folder, const char *name);
const struct media_file *media_file(const struct media *media, uint32_t file);
/** As a running program sees it. */
uint32_t media_find_visible(struct media *media, uint32_t folder, const char *name);

#endif
