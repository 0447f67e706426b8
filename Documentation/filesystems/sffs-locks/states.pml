/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names that the models share with the module. mtype is Promela's enum; the
 * comments say which enum of the module a group is. One file for all models, so
 * that a state means the same in each.
 */
#ifndef SFFS_LOCKS_STATES
#define SFFS_LOCKS_STATES

/* enum sffs_lock_state: one lock as this node sees it */
mtype:lock_state = {
	SFFS_LS_NONE,		/* not held, nothing under way */
	SFFS_LS_ASKING,		/* wanted: the node waits, or its ATS is under way */
	SFFS_LS_SHARED,		/* held */
	SFFS_LS_EXCLUSIVE,	/* held */
	SFFS_LS_DRAIN,		/* giving up: no new users; the models give up unused locks */
	SFFS_LS_FLUSH,		/* giving up: commit, write home, wait */
	SFFS_LS_REVOKE,		/* giving up: take the blocks out of the journal */
	SFFS_LS_RELEASE		/* giving up: the ATS */
};

/* enum sffs_ats_result: what one COMPARE AND WRITE came to */
mtype:ats_result = {
	SFFS_ATS_DONE,		/* compared and written */
	SFFS_ATS_MISCOMPARE,	/* the record is another one: read it */
	SFFS_ATS_ATTENTION,	/* unit attention: not executed */
	SFFS_ATS_UNKNOWN	/* no answer, or one that says nothing */
};

/* enum sffs_slot_state, on disk */
mtype:slot_state = {
	SFFS_SLOT_FREE,
	SFFS_SLOT_LIVE,
	SFFS_SLOT_RECOVERING
};

/* enum sffs_recovery_stage: what a recoverer does next */
mtype:recovery_stage = {
	SFFS_REC_IDLE,
	SFFS_REC_FENCE,
	SFFS_REC_REPLAY,
	SFFS_REC_HOME,
	SFFS_REC_EMPTY,
	SFFS_REC_FREE
};

/* enum sffs_gate_mode */
mtype:gate_mode = {
	SFFS_GATE_OPEN,		/* writes pass */
	SFFS_GATE_HOLD,		/* margin, or a path is registered: writes wait */
	SFFS_GATE_FAIL		/* for good */
};

#endif /* SFFS_LOCKS_STATES */
