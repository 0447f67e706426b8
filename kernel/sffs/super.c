// SPDX-License-Identifier: GPL-2.0-only
/* Mount, unmount, statfs, sync, freeze; and the module itself. */
#include <linux/blkdev.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/statfs.h>

#include "fault.h"
#include "sffs.h"

/* 2446-05-10, and 32 bits before 1970. */
#define SFFS_TIME_MAX	0x37fffffffLL
#define SFFS_TIME_MIN	S32_MIN

struct sffs_options {
	bool local;
	bool nofence;
	bool quota_given;
	unsigned int quota;		/* types to be enforced, a bit each */
};

/* ---- The super block ---- */

static bool sffs_region_ok(struct sffs_sb_info *sbi, u64 block, u64 count)
{
	return block > SFFS_SUPER_BLOCK && block < sbi->blocks && count <= sbi->blocks - block;
}

static const char *sffs_geometry_fault(struct sffs_sb_info *sbi, const struct sffs_super *raw)
{
	u32 max_slots = raw->max_slots, i;
	u64 last;

	if (raw->block_shift != SFFS_BLOCK_SHIFT ||
	    (raw->sector_shift != 9 && raw->sector_shift != 12))
		return "block or sector size";
	if (!max_slots || max_slots > SFFS_MAX_SLOTS || !sbi->slots || sbi->slots > max_slots)
		return "number of slots";
	if (raw->group_shift < SFFS_GROUP_SHIFT_MIN || raw->group_shift > SFFS_GROUP_SHIFT_MAX ||
	    sbi->bitmap_blocks != sffs_bitmap_blocks(raw->group_shift))
		return "size of the groups";
	if (sbi->blocks > SFFS_MAX_BLOCKS || sbi->first_group_block <= SFFS_SUPER_BLOCK ||
	    sbi->first_group_block >= sbi->blocks || !sbi->nr_groups)
		return "place of the groups";
	last = sbi->first_group_block + ((u64)(sbi->nr_groups - 1) << raw->group_shift);
	if (last >= sbi->blocks || sbi->blocks - last < SFFS_GROUP_BITMAP + sbi->bitmap_blocks)
		return "number of groups";
	if (!sffs_region_ok(sbi, le64_to_cpu(raw->heartbeat_block),
			    sffs_record_blocks(raw->sector_shift, max_slots)) ||
	    !sffs_region_ok(sbi, le64_to_cpu(raw->fixed_lock_block),
			    sffs_record_blocks(raw->sector_shift, SFFS_FIXED_LOCKS)) ||
	    !sffs_region_ok(sbi, le64_to_cpu(raw->mailbox_block),
			    sffs_record_blocks(raw->sector_shift, max_slots * max_slots)))
		return "place of the lock regions";
	if (le32_to_cpu(raw->journal_blocks) < SFFS_JOURNAL_BLOCKS_MIN ||
	    le32_to_cpu(raw->journal_blocks) > SFFS_JOURNAL_BLOCKS_MAX)
		return "size of the journals";
	for (i = 0; i < sbi->slots; i++)
		if (!sffs_region_ok(sbi, le64_to_cpu(raw->journal_block[i]),
				    le32_to_cpu(raw->journal_blocks)) ||
		    !sffs_region_ok(sbi, le64_to_cpu(raw->slot_area_block[i]),
				    le32_to_cpu(raw->slot_area_blocks)))
			return "place of the slots";
	if (sbi->lease_ms < SFFS_LEASE_MS_MIN || sbi->lease_ms > SFFS_LEASE_MS_MAX ||
	    !sbi->heartbeat_ms || sbi->heartbeat_ms > sbi->lease_ms / 3)
		return "lease";
	return NULL;
}

static int sffs_check_features(struct fs_context *fc, const struct sffs_super *raw)
{
	if (le32_to_cpu(raw->version) != SFFS_FORMAT_VERSION) {
		errorf(fc, "format version %u is not supported", le32_to_cpu(raw->version));
		return -EINVAL;
	}
	if (le64_to_cpu(raw->incompat) & ~SFFS_INCOMPAT_SUPPORTED) {
		errorf(fc, "unknown features 0x%llx",
		       le64_to_cpu(raw->incompat) & ~SFFS_INCOMPAT_SUPPORTED);
		return -EINVAL;
	}
	if ((le64_to_cpu(raw->ro_compat) & ~SFFS_RO_COMPAT_SUPPORTED) &&
	    !(fc->sb_flags & SB_RDONLY)) {
		errorf(fc, "features 0x%llx that this module cannot write; mount it read-only",
		       le64_to_cpu(raw->ro_compat) & ~SFFS_RO_COMPAT_SUPPORTED);
		return -EROFS;
	}
	return 0;
}

static int sffs_decode_super(struct sffs_sb_info *sbi, struct fs_context *fc)
{
	const struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	const char *fault;
	int err;

	if (raw->h.magic != cpu_to_le32(SFFS_MAGIC_SUPER) || memcmp(raw->name, "SFFS\0\0\0", 8)) {
		errorf(fc, "not an SFFS volume");
		return -EINVAL;
	}
	if (!sffs_crc_ok(raw, SFFS_BLOCK_SIZE, ~0U) ||
	    raw->h.block != cpu_to_le64(SFFS_SUPER_BLOCK)) {
		errorf(fc, "the super block is damaged; run fsck.sffs");
		return -EFSCORRUPTED;
	}
	err = sffs_check_features(fc, raw);
	if (err)
		return err;
	sbi->blocks = le64_to_cpu(raw->blocks);
	sbi->first_group_block = le64_to_cpu(raw->first_group_block);
	sbi->nr_groups = le32_to_cpu(raw->groups);
	sbi->bitmap_blocks = le32_to_cpu(raw->bitmap_blocks);
	sbi->slots = le32_to_cpu(raw->slots);
	sbi->seed = le32_to_cpu(raw->checksum_seed);
	sbi->lease_ms = le32_to_cpu(raw->lease_ms);
	sbi->heartbeat_ms = le32_to_cpu(raw->heartbeat_ms);
	sbi->reclaim_rate = le32_to_cpu(raw->reclaim_rate);
	sbi->crashes = le32_to_cpu(raw->crashes);
	fault = sffs_geometry_fault(sbi, raw);
	if (fault) {
		errorf(fc, "the super block is damaged (%s); run fsck.sffs", fault);
		return -EFSCORRUPTED;
	}
	sbi->sector_shift = raw->sector_shift;
	sbi->group_shift = raw->group_shift;
	sbi->chunk_blocks = sffs_chunk_blocks(raw->sector_shift);
	sbi->chunk_inode0 = sffs_chunk_inode0(raw->sector_shift);
	sbi->root_ino = le64_to_cpu(raw->root_ino);
	sbi->inline_data = raw->incompat & cpu_to_le64(SFFS_INCOMPAT_INLINE);
	sbi->hash_key.key[0] = get_unaligned_le64(raw->hash_key);
	sbi->hash_key.key[1] = get_unaligned_le64(raw->hash_key + 8);
	return 0;
}

static int sffs_check_device(struct sffs_sb_info *sbi, struct fs_context *fc)
{
	if (bdev_logical_block_size(sbi->bdev) != 1U << sbi->sector_shift) {
		errorf(fc, "made for sectors of %u bytes, but the device has %u",
		       1U << sbi->sector_shift, bdev_logical_block_size(sbi->bdev));
		return -EINVAL;
	}
	if (bdev_nr_sectors(sbi->bdev) >> (SFFS_BLOCK_SHIFT - SECTOR_SHIFT) < sbi->blocks) {
		errorf(fc, "the device is smaller than the volume: %llu of %llu blocks",
		       bdev_nr_sectors(sbi->bdev) >> (SFFS_BLOCK_SHIFT - SECTOR_SHIFT),
		       sbi->blocks);
		return -EINVAL;
	}
	return 0;
}

/* ---- The gate of a mount ---- */

static int sffs_open_volume(struct sffs_sb_info *sbi, dev_t dev, bool write,
			    struct fs_context *fc)
{
	int err;

	sbi->gate = sffs_gate_open(dev, write, sbi, &sbi->lease);
	if (IS_ERR(sbi->gate)) {
		err = PTR_ERR(sbi->gate);
		sbi->gate = NULL;
		errorf(fc, "cannot open the device exclusively (error %d)", err);
		return err;
	}
	sbi->bdev = sffs_gate_bdev(sbi->gate);
	sffs_gate_name(sbi->gate, sbi->sb->s_id, sizeof(sbi->sb->s_id));
	if (bdev_nr_sectors(sbi->bdev) >> (SFFS_BLOCK_SHIFT - SECTOR_SHIFT) <= SFFS_SUPER_BLOCK) {
		errorf(fc, "too small for an SFFS volume");
		return -EINVAL;
	}
	sbi->super_bh = __bread(sbi->bdev, SFFS_SUPER_BLOCK, SFFS_BLOCK_SIZE);
	if (!sbi->super_bh) {
		errorf(fc, "cannot read the super block");
		return -EIO;
	}
	return sffs_decode_super(sbi, fc) ?: sffs_check_device(sbi, fc);
}

/*
 * Is it still the volume that was found first? The heartbeat and the recovery go by what it
 * was then; a growth that was replayed may have changed the rest.
 */
bool sffs_same_volume(const struct sffs_super *a, const struct sffs_super *b)
{
	return !memcmp(a->uuid, b->uuid, sizeof(a->uuid)) && a->slots == b->slots &&
	       a->sector_shift == b->sector_shift && a->checksum_seed == b->checksum_seed &&
	       a->heartbeat_block == b->heartbeat_block && a->lease_ms == b->lease_ms &&
	       a->heartbeat_ms == b->heartbeat_ms && a->journal_blocks == b->journal_blocks &&
	       !memcmp(a->journal_block, b->journal_block, sizeof(a->journal_block));
}

/* Open it once more, after what dead slots left was replayed. */
static int sffs_reopen_volume(struct sffs_sb_info *sbi, dev_t dev, bool write,
			      const struct sffs_super *first, struct fs_context *fc)
{
	int err = sffs_open_volume(sbi, dev, write, fc);

	if (err)
		return err;
	if (sffs_same_volume(first, (struct sffs_super *)sbi->super_bh->b_data))
		return 0;
	errorf(fc, "the super block has changed while it was being mounted");
	return -EUCLEAN;
}

static void sffs_close_volume(struct sffs_sb_info *sbi)
{
	brelse(sbi->super_bh);
	sbi->super_bh = NULL;
	if (sbi->gate)
		sffs_gate_close(sbi->gate);
	sbi->gate = NULL;
}

/* ---- Super operations ---- */

static void sffs_put_super(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);

	flush_workqueue(sbi->conv_wq);
	sffs_slot_release(sb);
}

static int sffs_sync_fs(struct super_block *sb, int wait)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	tid_t tid;
	int err = 0;

	if (!sbi->journal)
		return 0;
	if (sffs_is_shutdown(sbi))
		return -EIO;
	if (jbd2_journal_start_commit(sbi->journal, &tid)) {
		if (wait)
			err = jbd2_log_wait_commit(sbi->journal, tid);
	} else if (wait) {
		err = blkdev_issue_flush(sbi->bdev);
	}
	return err;
}

static int sffs_statfs(struct dentry *dentry, struct kstatfs *st)
{
	struct sffs_sb_info *sbi = SFFS_SB(dentry->d_sb);
	u64 free_blocks, unmapped, free_inodes, inodes, more;

	sffs_count_space(sbi, &free_blocks, &unmapped, &free_inodes, &inodes);
	st->f_type = SFFS_MAGIC_SUPER;
	st->f_bsize = SFFS_BLOCK_SIZE;
	st->f_blocks = sffs_usable_blocks(sbi);
	st->f_bfree = free_blocks;
	st->f_bavail = free_blocks;
	/* Inodes are made as needed: count those that the free blocks have room for. */
	more = div_u64(free_blocks, sbi->chunk_blocks) * SFFS_CHUNK_INODES;
	st->f_files = inodes + more;
	st->f_ffree = free_inodes + more;
	st->f_namelen = SFFS_NAME_MAX;
	st->f_fsid = uuid_to_fsid(dentry->d_sb->s_uuid.b);
	return 0;
}

static int sffs_freeze_fs(struct super_block *sb)
{
	return sffs_cache_commit(SFFS_SB(sb));
}

static int sffs_show_options(struct seq_file *seq, struct dentry *root)
{
	static const char * const quota[] = { ",usrquota", ",grpquota", ",prjquota" };
	const struct sffs_sb_info *sbi = SFFS_SB(root->d_sb);
	int type;

	if (sbi->local)
		seq_puts(seq, ",local");
	if (sbi->nofence)
		seq_puts(seq, ",nofence");
	for (type = 0; type < SFFS_QUOTA_TYPES; type++)
		if (sbi->quota_wanted & BIT(type))
			seq_puts(seq, quota[type]);
	return 0;
}

static const struct super_operations sffs_super_ops = {
	.alloc_inode	= sffs_alloc_inode,
	.free_inode	= sffs_free_inode,
	.dirty_inode	= sffs_dirty_inode,
	.write_inode	= sffs_write_inode,
	.evict_inode	= sffs_evict_inode,
	.put_super	= sffs_put_super,
	.sync_fs	= sffs_sync_fs,
	.freeze_fs	= sffs_freeze_fs,
	.statfs		= sffs_statfs,
	.show_options	= sffs_show_options,
};

/* ---- Mount ---- */

static void sffs_init_sb(struct super_block *sb, struct sffs_sb_info *sbi)
{
	const struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	unsigned int i;

	sb->s_magic = SFFS_MAGIC_SUPER;
	sb->s_op = &sffs_super_ops;
	if (sbi->shared)
		sb->s_d_op = &sffs_dentry_ops;
	sb->s_xattr = sffs_xattr_handlers;
	sb->s_export_op = &sffs_export_ops;
	sb->s_qcop = &sffs_quotactl_ops;
	sb->s_quota_types = QTYPE_MASK_USR | QTYPE_MASK_GRP | QTYPE_MASK_PRJ;
	sb->s_blocksize = SFFS_BLOCK_SIZE;
	sb->s_blocksize_bits = SFFS_BLOCK_SHIFT;
	sb->s_maxbytes = min_t(u64, SFFS_MAX_FILE_BLOCKS << SFFS_BLOCK_SHIFT,
			       MAX_LFS_FILESIZE) - SFFS_BLOCK_SIZE;
	sb->s_max_links = INT_MAX;
	sb->s_time_gran = 1;
	sb->s_time_min = SFFS_TIME_MIN;
	sb->s_time_max = SFFS_TIME_MAX;
	sb->s_flags |= SB_POSIXACL | SB_I_VERSION | SB_NOSEC;
	super_set_uuid(sb, raw->uuid, sizeof(raw->uuid));
	for (i = 0; i < ARRAY_SIZE(sbi->fixed); i++)
		sffs_lock_init(&sbi->fixed[i], sbi, SFFS_LOCKT_FIXED, i);
	/* It was read without its lock. */
	if (!sbi->local)
		set_bit(SFFS_CACHE_STALE, &sbi->fixed[SFFS_FIXED_SUPER].cache);
}

static int sffs_set_root(struct super_block *sb, struct fs_context *fc)
{
	struct inode *root = sffs_iget(sb, SFFS_SB(sb)->root_ino);

	if (IS_ERR(root)) {
		errorf(fc, "cannot read the root directory; run fsck.sffs");
		return PTR_ERR(root);
	}
	if (!S_ISDIR(root->i_mode) || !root->i_nlink) {
		errorf(fc, "the root is not a directory; run fsck.sffs");
		iput(root);
		return -EFSCORRUPTED;
	}
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

/* What dead slots left is replayed through a gate of its own, closed before the mount's. */
static int sffs_recover_volume(struct super_block *sb, dev_t dev, struct fs_context *fc, u64 *dead,
			       struct sffs_super *first)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	int err = sffs_open_volume(sbi, dev, !sffs_device_read_only(dev), fc);

	if (!err)
		memcpy(first, sbi->super_bh->b_data, sizeof(*first));
	if (!err)
		err = sbi->local ? sffs_slot_recover(sb, dead) :
				   sffs_node_join(sb, dev, fc, dead);
	sffs_close_volume(sbi);
	return err;
}

static bool sffs_has_quota(struct sffs_sb_info *sbi)
{
	const struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;

	return raw->ro_compat & cpu_to_le64(SFFS_RO_COMPAT_QUOTA);
}

static int sffs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct sffs_options *opt = fc->fs_private;
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct sffs_super *first;
	bool read_only;
	u64 dead;
	dev_t dev;
	int err;

	sbi->sb = sb;
	sbi->local = opt->local;
	sbi->nofence = opt->nofence;
	sbi->shared = !opt->local || sffs_lose_wanted();
	sbi->quota_wanted = opt->quota;
	if (!fc->source)
		return invalf(fc, "no device");
	if (opt->local && opt->nofence)
		return invalf(fc, "-o local is no node, and has no fencing: leave nofence out");
	err = lookup_bdev(fc->source, &dev);
	if (err) {
		errorf(fc, "%s: not a block device", fc->source);
		return err;
	}
	read_only = sffs_device_read_only(dev);
	if (read_only && !sb_rdonly(sb)) {
		errorf(fc, "the device is read-only; mount it with -o ro");
		return -EACCES;
	}
	if (!opt->local && read_only) {
		errorf(fc, "the device is read-only, and a node writes: use -o local");
		return -EROFS;
	}
	first = kmalloc(sizeof(*first), GFP_KERNEL);
	if (!first)
		return -ENOMEM;
	err = sffs_recover_volume(sb, dev, fc, &dead, first);
	if (!err)
		err = sffs_reopen_volume(sbi, dev, !read_only, first, fc);
	kfree(first);
	if (err)
		return err;
	/* Who asks for the filesystem of a device, as quotactl(2) does, means the one below. */
	sbi->anon_dev = sb->s_dev;
	sb->s_dev = dev;
	sffs_init_sb(sb, sbi);
	if (opt->quota && !sffs_has_quota(sbi)) {
		errorf(fc, "keeps no quota: mkfs.sffs --quota makes a volume that does");
		return -EINVAL;
	}
	if (sffs_gate_stable(sbi->gate))
		sb->s_iflags |= SB_I_STABLE_WRITES;
	err = super_setup_bdi(sb);
	if (!err)
		err = sffs_groups_init(sbi);
	if (!err && !read_only)
		err = sffs_slot_take(sb, dead);
	if (!err)
		err = sffs_set_root(sb, fc);
	if (err)
		return err;
	err = sffs_lose_start(sbi);
	if (err)
		return err;
	if (sbi->node)
		err = sffs_adopt_start(sb);
	if (err)
		return err;
	sffs_netlink_add(sbi);
	sffs_follow_start(sbi);
	if (sbi->journal && !sb_rdonly(sb))
		sffs_reclaim_start(sbi);
	return 0;
}

static int sffs_reconfigure(struct fs_context *fc)
{
	struct super_block *sb = fc->root->d_sb;
	struct sffs_options *opt = fc->fs_private;
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	bool was = sb_rdonly(sb);
	bool read_only = fc->sb_flags_mask & SB_RDONLY ? fc->sb_flags & SB_RDONLY : was;

	if (!read_only && was && !sbi->journal) {
		errorf(fc, "mounted from a read-only device; unmount it first");
		return -EROFS;
	}
	if (!read_only && sffs_is_shutdown(sbi)) {
		errorf(fc, "shut down; unmount it first");
		return -EROFS;
	}
	if (opt->quota && !sffs_has_quota(sbi)) {
		errorf(fc, "keeps no quota: mkfs.sffs --quota makes a volume that does");
		return -EINVAL;
	}
	if (read_only)
		sffs_reclaim_stop(sbi);
	sync_filesystem(sb);
	if (opt->quota_given) {
		sbi->quota_wanted = opt->quota;
		sffs_quota_enforce(sb);
	}
	if (!read_only)
		sffs_reclaim_start(sbi);
	return 0;
}

/* ---- Context ---- */

enum { SFFS_OPT_USER, SFFS_OPT_GROUP, SFFS_OPT_PROJECT, SFFS_OPT_NOQUOTA, SFFS_OPT_LOCAL,
	SFFS_OPT_NOFENCE };

static const struct fs_parameter_spec sffs_parameters[] = {
	fsparam_flag("local", SFFS_OPT_LOCAL),
	fsparam_flag("nofence", SFFS_OPT_NOFENCE),
	fsparam_flag("usrquota", SFFS_OPT_USER),
	fsparam_flag("grpquota", SFFS_OPT_GROUP),
	fsparam_flag("prjquota", SFFS_OPT_PROJECT),
	fsparam_flag("quota", SFFS_OPT_USER),
	fsparam_flag("noquota", SFFS_OPT_NOQUOTA),
	{ }
};

static int sffs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct sffs_options *opt = fc->fs_private;
	struct fs_parse_result result;
	int id = fs_parse(fc, sffs_parameters, param, &result);

	if (id < 0)
		return id;
	switch (id) {
	case SFFS_OPT_LOCAL:
		opt->local = true;
		break;
	case SFFS_OPT_NOFENCE:
		opt->nofence = true;
		break;
	case SFFS_OPT_NOQUOTA:
		opt->quota = 0;
		opt->quota_given = true;
		break;
	default:
		opt->quota |= BIT(id);
		opt->quota_given = true;
		break;
	}
	return 0;
}

static int sffs_get_tree(struct fs_context *fc)
{
	struct sffs_sb_info *sbi = kzalloc(sizeof(*sbi), GFP_KERNEL);

	if (!sbi)
		return -ENOMEM;
	xa_init(&sbi->groups);
	INIT_LIST_HEAD(&sbi->group_runs);
	mutex_init(&sbi->grow_mutex);
	INIT_LIST_HEAD(&sbi->mounts_entry);
	ratelimit_state_init(&sbi->damage_rate, 5 * HZ, 50);
	sffs_lease_init(&sbi->lease);
	mutex_init(&sbi->orphan_mutex);
	xa_init(&sbi->orphan_blocks);
	INIT_LIST_HEAD(&sbi->adopted);
	init_waitqueue_head(&sbi->adopt_wait);
	spin_lock_init(&sbi->free_lock);
	INIT_LIST_HEAD(&sbi->freed);
	INIT_LIST_HEAD(&sbi->committed);
	INIT_WORK(&sbi->free_work, sffs_free_work);
	INIT_LIST_HEAD(&sbi->reclaim_groups);
	INIT_DELAYED_WORK(&sbi->reclaim_work, sffs_reclaim_work);
	INIT_DELAYED_WORK(&sbi->follow_work, sffs_follow_work);
	init_waitqueue_head(&sbi->free_wait);
	sbi->reclaim_pause = jiffies;
	sffs_reap_init(sbi);
	sbi->trigger.t_frozen = sffs_frozen;
	sbi->conv_wq = alloc_workqueue("sffs", WQ_MEM_RECLAIM | WQ_FREEZABLE, 0);
	sbi->free_wq = alloc_workqueue("sffs-free", WQ_MEM_RECLAIM, 0);
	if (!sbi->conv_wq || !sbi->free_wq) {
		if (sbi->conv_wq)
			destroy_workqueue(sbi->conv_wq);
		if (sbi->free_wq)
			destroy_workqueue(sbi->free_wq);
		kfree(sbi);
		return -ENOMEM;
	}
	fc->s_fs_info = sbi;
	return get_tree_nodev(fc, sffs_fill_super);
}

static void sffs_free_sbi(struct sffs_sb_info *sbi)
{
	if (!sbi)
		return;
	sffs_locks_stop(sbi);
	sffs_adopt_exit(sbi);
	/* It was given up while the mount ended. */
	cancel_delayed_work_sync(&sbi->follow_work);
	sffs_groups_exit(sbi);
	sffs_node_leave(sbi);
	sffs_close_volume(sbi);
	sffs_node_exit(sbi);
	sffs_lease_exit(&sbi->lease);
	destroy_workqueue(sbi->conv_wq);
	destroy_workqueue(sbi->free_wq);
	kfree(sbi);
}

static void sffs_free_fc(struct fs_context *fc)
{
	sffs_free_sbi(fc->s_fs_info);	/* only if no super block took it */
	kfree(fc->fs_private);
}

static const struct fs_context_operations sffs_context_ops = {
	.parse_param	= sffs_parse_param,
	.get_tree	= sffs_get_tree,
	.reconfigure	= sffs_reconfigure,
	.free		= sffs_free_fc,
};

static int sffs_init_fs_context(struct fs_context *fc)
{
	struct sffs_options *opts = kzalloc(sizeof(*opts), GFP_KERNEL);

	if (!opts)
		return -ENOMEM;
	fc->fs_private = opts;
	fc->ops = &sffs_context_ops;
	return 0;
}

static void sffs_kill_sb(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	bool told = sbi && sffs_netlink_del(sbi);
	dev_t dev = sb->s_dev;

	if (sbi) {
		sffs_reclaim_stop(sbi);
		sffs_follow_stop(sbi);
		sffs_lose_stop(sbi);
		sffs_adopt_stop(sb);
		sffs_reap_stop(sbi);
	}
	/* The number that is given back is the VFS's; an event names the device. */
	if (sbi && sbi->anon_dev)
		sb->s_dev = sbi->anon_dev;
	kill_anon_super(sb);
	sb->s_dev = dev;
	/* A mount that failed after the slot was taken comes here without a root. */
	if (sbi && sbi->journal)
		sffs_slot_release(sb);
	sffs_free_sbi(sbi);
	if (told)
		sffs_event(sb, SFFS_EVENT_UNMOUNT, 0, "unmounted");
}

static struct file_system_type sffs_fs_type = {
	.owner			= THIS_MODULE,
	.name			= "sffs",
	.init_fs_context	= sffs_init_fs_context,
	.parameters		= sffs_parameters,
	.kill_sb		= sffs_kill_sb,
	.fs_flags		= FS_REQUIRES_DEV | FS_ALLOW_IDMAP,
};
MODULE_ALIAS_FS("sffs");

static int __init sffs_init(void)
{
	int err = sffs_gate_init();

	if (err)
		return err;
	err = sffs_inode_cache_init();
	if (err)
		goto gate;
	err = sffs_netlink_init();
	if (err)
		goto cache;
	err = sffs_nodes_init();
	if (err)
		goto netlink;
	sffs_fault_init();
	err = register_filesystem(&sffs_fs_type);
	if (!err)
		return 0;
	sffs_fault_exit();
	sffs_nodes_exit();
netlink:
	sffs_netlink_exit();
cache:
	sffs_inode_cache_exit();
gate:
	sffs_gate_exit();
	return err;
}

static void __exit sffs_exit(void)
{
	unregister_filesystem(&sffs_fs_type);
	sffs_fault_exit();
	sffs_nodes_exit();
	sffs_netlink_exit();
	sffs_inode_cache_exit();
	sffs_gate_exit();
}

module_init(sffs_init);
module_exit(sffs_exit);
MODULE_DESCRIPTION("SFFS, a cluster filesystem for virtual disks");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
