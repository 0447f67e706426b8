// SPDX-License-Identifier: GPL-2.0-only
/*
 * quotactl(2): what quota tools ask and set. Usage is kept whenever the volume is made
 * for it; limits count for the types that a mount option or quotaon(8) names.
 */
#include <linux/fs.h>

#include "quota.h"

/* A call on a type that is kept; its limits need not be enforced. */
static struct sffs_quota_info *sffs_quota_of(struct super_block *sb, int type)
{
	struct sffs_quota_info *q = SFFS_SB(sb)->quota;

	return q && type < SFFS_QUOTA_TYPES && q->file[type] ? q : NULL;
}

static int sffs_get_dqblk(struct super_block *sb, struct kqid qid, struct qc_dqblk *d)
{
	struct sffs_quota_info *q = sffs_quota_of(sb, qid.type);
	u32 id = from_kqid(&init_user_ns, qid);
	struct sffs_quota now;
	int err;

	if (!q)
		return -ESRCH;
	err = sffs_quota_get(q, qid.type, id, &now);
	if (err)
		return err;
	memset(d, 0, sizeof(*d));
	d->d_spc_hardlimit = le64_to_cpu(now.block_hard);
	d->d_spc_softlimit = le64_to_cpu(now.block_soft);
	d->d_ino_hardlimit = le64_to_cpu(now.inode_hard);
	d->d_ino_softlimit = le64_to_cpu(now.inode_soft);
	d->d_space = le64_to_cpu(now.block_used);
	d->d_ino_count = le64_to_cpu(now.inode_used);
	/* Those of identifier 0 are the default times, see sffs_get_state(). */
	d->d_spc_timer = id ? le64_to_cpu(now.block_time) : 0;
	d->d_ino_timer = id ? le64_to_cpu(now.inode_time) : 0;
	return 0;
}

static int sffs_get_nextdqblk(struct super_block *sb, struct kqid *qid, struct qc_dqblk *d)
{
	struct sffs_quota_info *q = sffs_quota_of(sb, qid->type);
	u32 id = from_kqid(&init_user_ns, *qid);
	int err;

	if (!q)
		return -ESRCH;
	err = sffs_quota_try_sync(sb) ?: sffs_quota_next(q, qid->type, &id);
	if (err)
		return err;
	*qid = make_kqid(&init_user_ns, qid->type, id);
	return sffs_get_dqblk(sb, *qid, d);
}

/* Write an identifier's entry under the quota lock; the VFS keeps the mount from freezing. */
static int sffs_quota_set(struct sffs_quota_info *q, int type, u32 id, const struct sffs_quota *set)
{
	struct sffs_lock *lock = &q->sbi->fixed[SFFS_FIXED_QUOTA];
	int err;

	mutex_lock(&q->sync);
	err = sffs_lock(lock, SFFS_LOCK_EXCLUSIVE);
	if (!err) {
		err = sffs_quota_write(q, type, id, set);
		sffs_unlock(lock, SFFS_LOCK_EXCLUSIVE);
	}
	mutex_unlock(&q->sync);
	return err;
}

static int sffs_set_dqblk(struct super_block *sb, struct kqid qid, struct qc_dqblk *d)
{
	struct sffs_quota_info *q = sffs_quota_of(sb, qid.type);
	u32 id = from_kqid(&init_user_ns, qid);
	struct sffs_quota set;
	int err;

	if (!q)
		return -ESRCH;
	if (d->d_fieldmask & ~(QC_SPC_SOFT | QC_SPC_HARD | QC_INO_SOFT | QC_INO_HARD |
			       QC_SPC_TIMER | QC_INO_TIMER))
		return -EINVAL;
	if (!id)
		return -EINVAL;		/* never limited */
	err = sffs_quota_get(q, qid.type, id, &set);
	if (err)
		return err;
	if (d->d_fieldmask & QC_SPC_HARD)
		set.block_hard = cpu_to_le64(d->d_spc_hardlimit);
	if (d->d_fieldmask & QC_SPC_SOFT)
		set.block_soft = cpu_to_le64(d->d_spc_softlimit);
	if (d->d_fieldmask & QC_INO_HARD)
		set.inode_hard = cpu_to_le64(d->d_ino_hardlimit);
	if (d->d_fieldmask & QC_INO_SOFT)
		set.inode_soft = cpu_to_le64(d->d_ino_softlimit);
	if (d->d_fieldmask & QC_SPC_TIMER)
		set.block_time = cpu_to_le64(d->d_spc_timer);
	if (d->d_fieldmask & QC_INO_TIMER)
		set.inode_time = cpu_to_le64(d->d_ino_timer);
	return sffs_quota_set(q, qid.type, id, &set);
}

static int sffs_get_state(struct super_block *sb, struct qc_state *state)
{
	struct sffs_quota_info *q = SFFS_SB(sb)->quota;
	int type;

	memset(state, 0, sizeof(*state));
	for (type = 0; q && type < SFFS_QUOTA_TYPES; type++) {
		struct qc_type_state *s = &state->s_state[type];

		if (!q->file[type])
			continue;
		s->flags = QCI_SYSFILE | QCI_ACCT_ENABLED;
		if (READ_ONCE(q->enforced) & BIT(type))
			s->flags |= QCI_LIMITS_ENFORCED;
		s->spc_timelimit = sffs_quota_grace(q, type, false);
		s->ino_timelimit = sffs_quota_grace(q, type, true);
		s->ino = q->file[type]->i_ino;
		s->blocks = q->file[type]->i_blocks;
		s->nextents = 1;
	}
	return 0;
}

/* The times of grace, which the entry of identifier 0 holds. */
static int sffs_set_info(struct super_block *sb, int type, struct qc_info *info)
{
	struct sffs_quota_info *q = sffs_quota_of(sb, type);
	struct sffs_quota set;
	int err;

	if (!q)
		return -ESRCH;
	if (info->i_fieldmask & ~(QC_SPC_TIMER | QC_INO_TIMER))
		return -EINVAL;
	err = sffs_quota_get(q, type, 0, &set);
	if (err)
		return err;
	if (info->i_fieldmask & QC_SPC_TIMER)
		set.block_time = cpu_to_le64(info->i_spc_timelimit);
	if (info->i_fieldmask & QC_INO_TIMER)
		set.inode_time = cpu_to_le64(info->i_ino_timelimit);
	err = sffs_quota_set(q, type, 0, &set);
	if (err)
		return err;
	q->block_grace[type] = le64_to_cpu(set.block_time);
	q->inode_grace[type] = le64_to_cpu(set.inode_time);
	return 0;
}

/* The types that a mask of FS_QUOTA_*_ENFD names; usage is kept anyway. */
static int sffs_quota_types(struct sffs_quota_info *q, unsigned int flags, unsigned int *types)
{
	static const unsigned int enfd[] = {
		FS_QUOTA_UDQ_ENFD, FS_QUOTA_GDQ_ENFD, FS_QUOTA_PDQ_ENFD
	};
	unsigned int type;

	*types = 0;
	for (type = 0; q && type < SFFS_QUOTA_TYPES; type++) {
		if (!(flags & enfd[type]))
			continue;
		if (!q->file[type])
			return -ESRCH;
		*types |= BIT(type);
	}
	return q ? 0 : -ESRCH;
}

static int sffs_quota_enable(struct super_block *sb, unsigned int flags)
{
	struct sffs_quota_info *q = SFFS_SB(sb)->quota;
	unsigned int types;
	int err = sffs_quota_types(q, flags, &types);

	if (!err)
		WRITE_ONCE(q->enforced, q->enforced | types);
	return err;
}

static int sffs_quota_disable(struct super_block *sb, unsigned int flags)
{
	struct sffs_quota_info *q = SFFS_SB(sb)->quota;
	unsigned int types;
	int err = sffs_quota_types(q, flags, &types);

	if (!err)
		WRITE_ONCE(q->enforced, q->enforced & ~types);
	return err;
}

static int sffs_quota_sync_type(struct super_block *sb, int type)
{
	return sffs_quota_try_sync(sb);
}

const struct quotactl_ops sffs_quotactl_ops = {
	.quota_enable	= sffs_quota_enable,
	.quota_disable	= sffs_quota_disable,
	.quota_sync	= sffs_quota_sync_type,
	.set_info	= sffs_set_info,
	.get_dqblk	= sffs_get_dqblk,
	.get_nextdqblk	= sffs_get_nextdqblk,
	.set_dqblk	= sffs_set_dqblk,
	.get_state	= sffs_get_state,
};
