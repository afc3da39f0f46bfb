/*
 * What a replication core holds. One struct per noun; the functions are in internal.h.
 *
 * Every group that has something to do in this turn is `dirty`; a turn visits those only.
 */
#ifndef DP_NODE_STATE_H
#define DP_NODE_STATE_H

#include "dataplane/node/core.h"
#include "dataplane/node/repair.h"
#include "dataplane/node/sessions.h"
#include "dataplane/transport/assembly.h"
#include "dataplane/transport/replay.h"
#include "dataplane/transport/stream.h"
#include "storage/engine/reader.h"

#define DP_TIMES 4096	   /* entries whose stage times are kept; a power of two */
#define DP_HELD_MAX 64	   /* messages of a group that wait for the disk */
#define DP_MAIL_MAX 256	   /* messages to one peer that wait for a datagram */
#define DP_REPLIES_MAX 256 /* small answers that wait for a datagram */
#define DP_READS_MAX 64	   /* client reads being served or held */
#define DP_OPENS_MAX 64	   /* session opens that wait for their commit */
#define DP_TAILS_MAX RAFT_READS_MAX
#define DP_PARTS_MAX 8		/* chunks being put together from several datagrams */
#define DP_ISLANDS_MAX 32	/* pieces of such a chunk that do not touch yet */
#define DP_ANSWERS_PER_REPLY 48 /* fit the smallest datagram */
#define DP_TRIMS_MAX 4 /* there is one a second at most, and the slots are as old at most */
#define DP_RETRY_NS 1000000000u /* how often the store is asked to look after itself */
#define DP_BUSY_RETRY_US 200u
#define DP_READ_TURN_BYTES (128u << 10) /* of records for readers, in one turn */
#define DP_READER_KEEP_NS 10000000u	/* a stream keeps its reader so long, */
#define DP_READER_IDLE_NS 2000000u	/* unless it does not come back for so long */

enum dp_phase {
	DP_PHASE_NEW,
	DP_PHASE_RECOVERING,
	DP_PHASE_RUNNING,
	DP_PHASE_SILENT,  /* a snapshot takes the place of its log */
	DP_PHASE_DAMAGED, /* recovery refused: serves nothing, says why */
};

/** When an entry passed its stages. */
struct dp_times {
	qr_ns opened_ns;
	qr_ns closed_ns;
};

/** An entry that says where the log begins. */
struct dp_trim {
	qr_index index; /* 0: none */
	struct store_start start;
};

/** A group's view of one peer. */
struct dp_link {
	struct dp_stream stream;
	qr_block credit;	  /* from the newest ACK, also before a stream starts */
	qr_ns room_ns;		  /* when it said that its disk has room; 0: it said otherwise */
	qr_ns full_ns;		  /* when it said that it has none */
	struct dp_reader *reader; /* a cold reader that fills a lagging follower; NULL */
	uint64_t grown_bytes;	  /* of the log meanwhile: they go without a pace */
	qr_index moved_to;	  /* what it had, or was offered, when that last changed */
	qr_ns moved_ns;
};

struct dp_group {
	const struct dp_group_config *config;
	struct store_log *log;
	struct dp_sessions *sessions;
	struct dp_assembly *assembly;
	enum dp_phase phase;
	enum qr_error damage;
	struct store_extent segments; /* at the start */
	bool dirty;
	bool failed_told; /* consensus knows that the store is poisoned */

	struct raft_group raft;
	qr_ns deadline_ns;     /* raft's, and the transport's */
	bool waits_for_repair; /* of another group's entry, before one of its own */
	qr_index lost_index;   /* no member had it */
	qr_ns lost_until_ns;   /* it is not asked for again before, */
	qr_ns lost_for_ns;     /* so long: twice as long each time */
	bool lost_unheard;     /* a member did not say whether it has it */
	struct dp_scrub_group scrubbed;
	uint64_t owed; /* by the disk: a number, and since when it is this */
	qr_ns owed_since_ns;
	uint64_t elections;

	/* recovery */
	bool mends;	    /* it waits for an entry that its disk has lost, */
	bool asked;	    /* which was asked for since its place was looked at */
	bool unfit;	    /* what the others have does not follow what is here */
	uint32_t run_count; /* in `runs`, which holds the newest */
	struct raft_term_run runs[RAFT_TERM_RUNS_MAX];
	qr_index commit_hint;
	struct dp_trim trims[DP_TRIMS_MAX]; /* that were read, and not yet known to be committed */

	qr_index applied;
	uint64_t applied_time_ns; /* when that entry was closed; 0: not known */
	qr_offset committed_end;  /* one past the last committed record */
	qr_ns committed_ns;	  /* when the commit last moved */
	struct raft_position durable_told;
	uint64_t state_told;

	/* leader */
	bool wants_noop;
	qr_ns tenure_ns;       /* since when it leads, or tried to hand that over */
	uint32_t open_records; /* in the open entry */
	qr_ns opened_ns;
	qr_ns retry_ns;	     /* of store_log_retry */
	qr_index trim_index; /* of the latest trim entry of this leader */

	/* follower */
	qr_node stream_from; /* whose fragments these are */
	qr_term stream_term;
	bool ack_due;
	bool ack_now;
	qr_ns ack_at_ns;
	uint64_t echo_ns;
	qr_index acked_index;

	struct dp_link links[DP_PEERS_MAX];    /* by the core's peer position */
	struct raft_message held[DP_HELD_MAX]; /* they wait for the disk */
	uint32_t held_count;
	struct dp_times times[DP_TIMES];
};

/** A message that is ready to leave. */
struct dp_mail {
	qr_group group;
	struct raft_message message;
};

struct dp_peer {
	struct dp_peer_config config;
	struct dp_replay replay;
	uint32_t incarnation;
	qr_ns heard_ns;
	uint32_t mail_count;
	struct dp_mail mail[DP_MAIL_MAX];
};

/** A cold reader and who uses it. */
struct dp_reader {
	struct store_reader *reader;
	struct dp_group *group; /* NULL: never used */
	bool busy;		/* a stream or a read holds it */
	bool has_entry;
	bool is_stale; /* `location` is an entry that was cut off */
	struct store_location location;
	struct qr_span bytes;
	enum qr_error result; /* of the latest next */
	uint64_t used_turn;
	qr_ns used_ns;	/* when it was taken last */
	qr_ns keeps_ns; /* until then it is not taken from a client that streams */
};

enum dp_reply_kind {
	DP_REPLY_SESSION,
	DP_REPLY_CHUNK,
	DP_REPLY_TAIL,
	DP_REPLY_RECORDS, /* an error or an empty end */
	DP_REPLY_DESCRIPTION,
	DP_REPLY_STATUS,
};

/** A small answer, turned into a datagram when there is a buffer. */
struct dp_reply {
	enum dp_reply_kind kind;
	qr_group group;
	struct dp_address to;
	union {
		struct wire_session_reply session;
		struct {
			uint64_t session;
			enum qr_error status;
			qr_node leader;
			uint32_t retry_us;
			uint64_t sequence;
			uint64_t expected;
		} chunk;
		struct wire_tail_reply tail;
		struct wire_records records;
		struct wire_describe describe;
		struct wire_status status;
	};
};

/** A client's read, until its last slice has left. */
struct dp_read {
	bool used;
	struct dp_group *group;
	struct dp_address to;
	uint64_t request;
	qr_offset next;
	uint32_t left_bytes;
	uint32_t slice;
	uint32_t piece_offset; /* of a record that is larger than a datagram */
	qr_ns until_ns;	       /* hold it at the end of the log until then */
	struct dp_reader *reader;
};

struct dp_open {
	bool used;
	struct dp_group *group;
	struct dp_address to;
	uint64_t nonce[2];
};

struct dp_tail {
	bool used;
	struct dp_group *group;
	struct dp_address to;
	uint64_t request;
	uint64_t context; /* names it in consensus' read rounds */
	bool ready;	  /* the round is done: answer once `index` is applied */
	qr_index index;
};

/** A chunk of several datagrams. */
struct dp_parts {
	bool used;
	qr_group group;
	uint64_t session;
	uint64_t sequence;
	uint32_t total_bytes;
	uint32_t island_count;
	struct {
		uint32_t from;
		uint32_t until;
	} islands[DP_ISLANDS_MAX];
	uint64_t touched_turn;
	uint8_t *body;
};

struct dp_core {
	struct dp_core_config config;
	struct dp_stats stats;
	qr_ns now_ns;
	qr_ns polled_ns; /* the turn before */
	qr_ns started_ns;
	uint64_t turn;
	uint32_t random;
	uint64_t wall_ns; /* wall clock at wall_at_ns */
	qr_ns wall_at_ns;
	const struct dp_published *published;
	bool stopping;
	qr_ns stop_at_ns; /* leadership is kept no longer than this */

	uint32_t incarnation;
	uint64_t counter; /* of outgoing datagrams */

	uint32_t group_count;
	struct dp_group *groups;
	qr_ns deadline_ns;   /* the earliest of the groups' */
	uint32_t recovering; /* groups not yet running or damaged */
	uint32_t mending;    /* those of them that wait for an entry from a peer */
	struct raft_effects effects;

	uint32_t peer_count;
	struct dp_peer peers[DP_PEERS_MAX];

	qr_ns fill_at_ns; /* when the next bytes may leave for a replica that lags */

	uint32_t reader_count;
	struct dp_reader *readers;
	uint32_t reader_cursor; /* the first to read from the disk: round robin */

	struct dp_fetch fetches[DP_PEERS_MAX]; /* by peer position */
	bool fetching;			       /* one of them waits */
	struct dp_piece piece;
	struct dp_repair repair;
	struct dp_install install;
	struct dp_scrub scrub;

	struct store_snapshot_buffer snapshot_buffer; /* the groups use it one at a time */
	struct dp_group *snapshot_user;		      /* NULL: nobody does */

	uint32_t reply_head;
	uint32_t reply_count;
	struct dp_reply replies[DP_REPLIES_MAX];
	uint32_t read_count;
	uint32_t read_cursor; /* round robin */
	qr_ns read_at_ns;     /* when the reads want the next turn; UINT64_MAX: none waits */
	struct dp_read reads[DP_READS_MAX];
	struct dp_open opens[DP_OPENS_MAX];
	uint64_t tail_context;
	struct dp_tail tails[DP_TAILS_MAX];
	struct dp_parts parts[DP_PARTS_MAX];

	/* the buffers of this turn */
	struct dp_tx *tx;
	unsigned tx_max;
	unsigned tx_used;
};

#endif
