// SPDX-License-Identifier: GPL-2.0-only
/*
 * File data between the page cache, the extents and the device, all by iomap.
 *
 * New blocks are unwritten when they are mapped, before any page is locked;
 * writeback finds them and allocates nothing. When their data is on disk a
 * worker marks them as written. So a crash shows old data, zeros or new data,
 * never what somebody else left in a block.
 */
#include <linux/pagemap.h>
#include <linux/writeback.h>

#include "sffs.h"

/* Blocks that an appending buffered write maps ahead, at most. */
#define SFFS_PREALLOC_MIN	16U
#define SFFS_PREALLOC_MAX	2048U

static bool sffs_map_valid(struct inode *inode, const struct iomap *iomap)
{
	return iomap->validity_cookie == READ_ONCE(SFFS_I(inode)->map_seq);
}

static const struct iomap_folio_ops sffs_folio_ops = {
	.iomap_valid = sffs_map_valid,
};

/* Would fdatasync() have to commit something before this range is safe? */
static bool sffs_data_pending(struct inode *inode)
{
	journal_t *journal = SFFS_SB(inode->i_sb)->journal;

	return journal && !jbd2_transaction_committed(journal, SFFS_I(inode)->datasync_tid);
}

static void sffs_set_iomap(struct inode *inode, const struct sffs_map *map, struct iomap *iomap)
{
	iomap->bdev = SFFS_SB(inode->i_sb)->bdev;
	iomap->offset = map->file_block << SFFS_BLOCK_SHIFT;
	iomap->length = min(map->count, (u64)S64_MAX >> (SFFS_BLOCK_SHIFT + 1)) <<
			SFFS_BLOCK_SHIFT;
	iomap->flags = 0;
	iomap->validity_cookie = map->seq;
	iomap->folio_ops = &sffs_folio_ops;
	if (map->block) {
		iomap->type = map->unwritten ? IOMAP_UNWRITTEN : IOMAP_MAPPED;
		iomap->addr = map->block << SFFS_BLOCK_SHIFT;
	} else {
		iomap->type = IOMAP_HOLE;
		iomap->addr = IOMAP_NULL_ADDR;
	}
}

static int sffs_iomap_begin(struct inode *inode, loff_t pos, loff_t length, unsigned int flags,
			    struct iomap *iomap, struct iomap *srcmap)
{
	struct sffs_map map;
	int err;

	if (unlikely(sffs_is_shutdown(SFFS_SB(inode->i_sb))))
		return -EIO;
	if (sffs_format(inode) == SFFS_FMT_INLINE) {
		if (!(flags & IOMAP_REPORT))
			return -EAGAIN;		/* pages are filled by sffs_inline_fill() */
		sffs_inline_iomap(inode, pos, iomap);
		return 0;
	}
	err = sffs_map_find(inode, pos >> SFFS_BLOCK_SHIFT, &map);
	if (!err)
		sffs_set_iomap(inode, &map, iomap);
	return err;
}

const struct iomap_ops sffs_iomap_ops = {
	.iomap_begin = sffs_iomap_begin,
};

/* How much to map for a write into a hole; appending writes run ahead. */
static u64 sffs_write_want(struct inode *inode, loff_t pos, loff_t length, unsigned int flags)
{
	u64 first = pos >> SFFS_BLOCK_SHIFT;
	u64 want = ((u64)(pos + length - 1) >> SFFS_BLOCK_SHIFT) - first + 1;

	if (!(flags & (IOMAP_DIRECT | IOMAP_FAULT)) && pos + length > i_size_read(inode)) {
		u64 ahead = clamp_t(u64, first, SFFS_PREALLOC_MIN, SFFS_PREALLOC_MAX);

		if (want < ahead && i_size_read(inode))
			want = ahead;
	}
	return want;
}

/* Blocks behind those of the write: released with the file unless it grows over them. */
static void sffs_note_ahead(struct inode *inode, loff_t end, const struct sffs_map *map)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	u64 map_end = map->file_block + map->count;

	if (map_end <= DIV_ROUND_UP_ULL(end, SFFS_BLOCK_SIZE))
		return;
	if (!si->ahead_end || si->ahead_end != map->file_block)
		si->ahead = map->file_block;
	si->ahead_end = map_end;
}

static int sffs_write_begin(struct inode *inode, loff_t pos, loff_t length, unsigned int flags,
			    struct iomap *iomap, struct iomap *srcmap)
{
	struct sffs_map map;
	int err;

	if (unlikely(sffs_is_shutdown(SFFS_SB(inode->i_sb))))
		return -EIO;
	/* Only an empty file comes here inline; see inline.c. */
	if (WARN_ON_ONCE(sffs_format(inode) == SFFS_FMT_INLINE && i_size_read(inode)))
		return -EIO;
	err = sffs_map_find(inode, pos >> SFFS_BLOCK_SHIFT, &map);
	if (err)
		return err;
	if (!map.block && !(flags & IOMAP_ZERO)) {
		if (flags & (IOMAP_NOWAIT | IOMAP_OVERWRITE_ONLY))
			return -EAGAIN;
		if (WARN_ON_ONCE(flags & IOMAP_FAULT))
			return -EIO;	/* page_mkwrite has mapped the page already */
		err = sffs_map_alloc(inode, pos >> SFFS_BLOCK_SHIFT,
				     sffs_write_want(inode, pos, length, flags), &map);
		if (err)
			return err;
		if (!(flags & (IOMAP_DIRECT | IOMAP_FAULT)))
			sffs_note_ahead(inode, pos + length, &map);
	}
	if ((flags & IOMAP_OVERWRITE_ONLY) && map.unwritten)
		return -EAGAIN;
	sffs_set_iomap(inode, &map, iomap);
	if ((flags & IOMAP_DIRECT) &&
	    (sffs_data_pending(inode) || pos + length > i_size_read(inode)))
		iomap->flags |= IOMAP_F_DIRTY;
	return 0;
}

static int sffs_write_end(struct inode *inode, loff_t pos, loff_t length, ssize_t written,
			  unsigned int flags, struct iomap *iomap)
{
	if (iomap->flags & IOMAP_F_SIZE_CHANGED)
		mark_inode_dirty(inode);
	return 0;
}

const struct iomap_ops sffs_write_iomap_ops = {
	.iomap_begin	= sffs_write_begin,
	.iomap_end	= sffs_write_end,
};

/* ---- Writeback ---- */

static int sffs_map_blocks(ASV_MAP_BLOCKS_ARGS)
{
	struct sffs_map map;
	int err;

	if (unlikely(sffs_is_shutdown(SFFS_SB(inode->i_sb))))
		return -EIO;
	if (offset >= wpc->iomap.offset && offset < wpc->iomap.offset + wpc->iomap.length &&
	    sffs_map_valid(inode, &wpc->iomap))
		return 0;
	err = sffs_map_find(inode, offset >> SFFS_BLOCK_SHIFT, &map);
	if (err)
		return err;
	sffs_set_iomap(inode, &map, &wpc->iomap);
	return 0;
}

static void sffs_finish_ioend(struct inode *inode, struct iomap_ioend *ioend)
{
	int err = blk_status_to_errno(asv_ioend_bio(ioend)->bi_status);
	unsigned int nofs = memalloc_nofs_save();

	if (!err)
		err = sffs_map_convert(inode, ioend->io_offset >> SFFS_BLOCK_SHIFT,
				       DIV_ROUND_UP_ULL(ioend->io_offset + ioend->io_size,
							SFFS_BLOCK_SIZE), false);
	iomap_finish_ioends(ioend, err);
	memalloc_nofs_restore(nofs);
}

/* Convert what writeback has put on disk, neighbours together. */
void sffs_io_work(struct work_struct *work)
{
	struct sffs_inode_info *si = container_of(work, struct sffs_inode_info, io_work);
	struct iomap_ioend *ioend;
	unsigned long flags;
	LIST_HEAD(list);

	spin_lock_irqsave(&si->io_lock, flags);
	list_replace_init(&si->io_list, &list);
	spin_unlock_irqrestore(&si->io_lock, flags);
	iomap_sort_ioends(&list);
	while ((ioend = list_first_entry_or_null(&list, struct iomap_ioend, io_list))) {
		list_del_init(&ioend->io_list);
		iomap_ioend_try_merge(ioend, &list);
		sffs_finish_ioend(&si->vfs, ioend);
	}
}

static void sffs_end_bio(struct bio *bio)
{
	struct iomap_ioend *ioend = asv_bio_ioend(bio);
	struct sffs_inode_info *si = SFFS_I(ioend->io_inode);
	unsigned long flags;

	spin_lock_irqsave(&si->io_lock, flags);
	if (list_empty(&si->io_list))
		queue_work(SFFS_SB(si->vfs.i_sb)->conv_wq, &si->io_work);
	list_add_tail(&ioend->io_list, &si->io_list);
	spin_unlock_irqrestore(&si->io_lock, flags);
}

static int sffs_prepare_ioend(struct iomap_ioend *ioend, int status)
{
	if (ioend->io_type == IOMAP_UNWRITTEN)
		asv_ioend_bio(ioend)->bi_end_io = sffs_end_bio;
	return status;
}

static const struct iomap_writeback_ops sffs_writeback_ops = {
	.map_blocks	= sffs_map_blocks,
	.prepare_ioend	= sffs_prepare_ioend,
};

static int sffs_writepages(struct address_space *mapping, struct writeback_control *wbc)
{
	struct iomap_writepage_ctx wpc = { };

	return iomap_writepages(mapping, wbc, &wpc, &sffs_writeback_ops);
}

/* The file's lock is not taken with a folio locked: try, else wait outside and retry. */
static int sffs_read_folio(struct file *file, struct folio *folio)
{
	struct inode *inode = folio->mapping->host;
	struct sffs_inode_info *si = SFFS_I(inode);
	int err;

	if (likely(sffs_trylock(&si->lock, SFFS_LOCK_SHARED))) {
		if (sffs_format(inode) == SFFS_FMT_INLINE && sffs_inline_fill(inode, folio)) {
			folio_unlock(folio);
			err = 0;
		} else {
			err = iomap_read_folio(folio, &sffs_iomap_ops);
		}
		sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
		return err;
	}
	folio_unlock(folio);
	err = sffs_lock(&si->lock, SFFS_LOCK_SHARED);
	if (err)
		return err;
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
	return AOP_TRUNCATED_PAGE;
}

static void sffs_readahead(struct readahead_control *rac)
{
	struct sffs_inode_info *si = SFFS_I(rac->mapping->host);

	if (!sffs_trylock(&si->lock, SFFS_LOCK_SHARED))
		return;
	/* The VFS asks for the one page of an inline file again. */
	if (sffs_format(rac->mapping->host) != SFFS_FMT_INLINE)
		iomap_readahead(rac, &sffs_iomap_ops);
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
}

static sector_t sffs_bmap(struct address_space *mapping, sector_t block)
{
	struct sffs_lock *lock = &SFFS_I(mapping->host)->lock;
	sector_t found;

	if (sffs_lock(lock, SFFS_LOCK_SHARED))
		return 0;
	found = iomap_bmap(mapping, block, &sffs_iomap_ops);
	sffs_unlock(lock, SFFS_LOCK_SHARED);
	return found;
}

/* The kernel would write to a swap file's blocks past every lock. */
static int sffs_swap_activate(struct swap_info_struct *sis, struct file *file, sector_t *span)
{
	return -EINVAL;
}

const struct address_space_operations sffs_aops = {
	.read_folio		= sffs_read_folio,
	.readahead		= sffs_readahead,
	.writepages		= sffs_writepages,
	.dirty_folio		= iomap_dirty_folio,
	.release_folio		= iomap_release_folio,
	.invalidate_folio	= iomap_invalidate_folio,
	.bmap			= sffs_bmap,
	.swap_activate		= sffs_swap_activate,
	.direct_IO		= noop_direct_IO,
	.migrate_folio		= filemap_migrate_folio,
	.is_partially_uptodate	= iomap_is_partially_uptodate,
	ASV_ERROR_REMOVE_FOLIO,
};
