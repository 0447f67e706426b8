// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files whose data is in the inode's block (SFFS_FMT_INLINE), up to SFFS_INODE_AREA
 * bytes. The data is journalled with the inode: a write needs no block, and fsync
 * nothing but the commit. The page cache has a clean copy at most. Direct I/O, stores
 * through a mapping and fallocate(2) first move the data to a block, where it stays.
 *
 * An empty file's area is zero, and so the root of an empty extent tree as well: the
 * first extent makes it one (sffs_map_fill()).
 *
 * invalidate_lock is held for a change, exclusively for one of the format or one that
 * takes data away; i_rwsem excludes other writes. tree_sem covers the area. A write
 * changes the area, then the page if there is one, then the size. So a page that is read
 * meanwhile was there to be changed, or was read from what the area is now.
 */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/uio.h>

#include "sffs.h"

/**
 * sffs_inline_fill() - read a page of an inline file
 * @inode: the file
 * @folio: locked
 *
 * Return: false if the file's data is no longer inline.
 */
bool sffs_inline_fill(struct inode *inode, struct folio *folio)
{
	size_t n = folio->index ? 0 : SFFS_INODE_AREA;
	bool is_inline;
	char *to;

	down_read(&SFFS_I(inode)->tree_sem);
	is_inline = sffs_format(inode) == SFFS_FMT_INLINE;
	if (is_inline) {
		to = kmap_local_folio(folio, 0);
		memcpy(to, sffs_raw(inode)->area, n);
		memset(to + n, 0, folio_size(folio) - n);
		kunmap_local(to);
		flush_dcache_folio(folio);
	}
	up_read(&SFFS_I(inode)->tree_sem);
	if (is_inline)
		folio_mark_uptodate(folio);
	return is_inline;
}

/* The page cache's copy, if there is one, gets what the area has got. */
static void sffs_inline_update_page(struct inode *inode, loff_t pos, const void *buf, size_t len)
{
	struct page *page = find_lock_page(inode->i_mapping, 0);

	if (!page)
		return;
	if (PageUptodate(page))
		memcpy_to_page(page, pos, buf, len);
	unlock_page(page);
	put_page(page);
}

/* Put data into the area; invalidate_lock is held. */
static int sffs_inline_store(struct inode *inode, loff_t pos, const void *buf, size_t len)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	u8 *area = sffs_raw(inode)->area;
	loff_t size = i_size_read(inode);
	struct sffs_tx tx;
	int err, err2;

	sffs_tx_init(&tx, inode->i_sb);
	err = sffs_tx_start(&tx, 1);
	if (err)
		return err;
	err = sffs_tx_access(&tx, si->bh);
	if (err)
		goto stop;
	down_write(&si->tree_sem);
	if (pos > size)
		memset(area + size, 0, pos - size);
	memcpy(area + pos, buf, len);
	up_write(&si->tree_sem);
	/* Nobody who has this page locked waits for a transaction. */
	sffs_inline_update_page(inode, pos, buf, len);
	down_write(&si->tree_sem);
	if (pos + len > size)
		i_size_write(inode, pos + len);
	err = sffs_store_inode(&tx, inode);
	si->datasync_tid = tx.handle->h_transaction->t_tid;
	up_write(&si->tree_sem);
stop:
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/**
 * sffs_inline_write() - write to an inline file, if it can stay one
 * @iocb: where; i_rwsem and the cluster lock are held exclusively
 * @from: what
 *
 * User memory is read with page faults off, as everywhere under a cluster lock.
 *
 * Return: bytes written; 0 if the file is not inline, or no longer, or empty and to
 * become larger than an inline file can be; or an error.
 */
ssize_t sffs_inline_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	size_t len = iov_iter_count(from), n;
	loff_t pos = iocb->ki_pos;
	int err = 0;
	void *buf;

	if (sffs_format(inode) != SFFS_FMT_INLINE)
		return 0;
	if (pos > SFFS_INODE_AREA || len > SFFS_INODE_AREA - pos)
		return i_size_read(inode) ? sffs_inline_end(inode) : 0;
	buf = kmalloc(len, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	pagefault_disable();
	n = copy_from_iter(buf, len, from);
	pagefault_enable();
	filemap_invalidate_lock_shared(inode->i_mapping);
	if (!n)
		err = -EFAULT;
	else if (sffs_format(inode) == SFFS_FMT_INLINE)
		err = sffs_inline_store(inode, pos, buf, n) ?: n;
	filemap_invalidate_unlock_shared(inode->i_mapping);
	kfree(buf);
	if (err > 0)
		iocb->ki_pos += n;
	else
		iov_iter_revert(from, n);
	return err;
}

/* With the tree held: the area becomes an extent tree with the block, if there is one. */
static int sffs_inline_make_tree(struct sffs_tx *tx, struct inode *inode, u64 block)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	int err = sffs_tx_access(tx, si->bh);

	if (err)
		return err;
	memset(sffs_raw(inode)->area, 0, SFFS_INODE_AREA);
	si->format = SFFS_FMT_EXTENTS;
	if (block) {
		sffs_add_blocks(inode, 1);
		err = sffs_map_insert_written(tx, inode, 0, block, 1);
	}
	si->datasync_tid = tx->handle->h_transaction->t_tid;
	return err ?: sffs_store_inode(tx, inode);
}

/* In a transaction with space: write the data to a block, on disk before the commit. */
static int sffs_inline_move(struct sffs_tx *tx, struct inode *inode, void *buf)
{
	u64 block = 0;
	u32 count;
	int err = 0;

	if (i_size_read(inode)) {
		err = sffs_alloc(tx, SFFS_I(inode)->bh->b_blocknr, 1, 1, &block, &count);
		if (err)
			return err;
		memcpy(buf, sffs_raw(inode)->area, i_size_read(inode));
		err = sffs_gate_io(SFFS_SB(inode->i_sb)->gate, block, buf, 1,
				   REQ_OP_WRITE | REQ_SYNC);
	}
	if (err) {
		sffs_free(tx, block, 1, false);
		return err;
	}
	down_write(&SFFS_I(inode)->tree_sem);
	err = sffs_inline_make_tree(tx, inode, block);
	up_write(&SFFS_I(inode)->tree_sem);
	return err;
}

/**
 * sffs_inline_end_locked() - move an inline file's data to a block
 * @inode: the file, inline or not; its cluster lock and invalidate_lock are held
 *	exclusively
 *
 * Context: starts a transaction.
 * Return: 0, -ENOSPC, or an error; then the file is as it was.
 */
int sffs_inline_end_locked(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_tx tx;
	void *buf;
	int err, err2;

	if (sffs_format(inode) != SFFS_FMT_INLINE)
		return 0;
	buf = (void *)get_zeroed_page(GFP_NOFS);
	if (!buf)
		return -ENOMEM;
	sffs_tx_init(&tx, inode->i_sb);
	if (i_size_read(inode)) {
		err = min_t(s64, sffs_quota_want(inode, 1), 0) ?:
		      sffs_tx_reserve(&tx, si->bh->b_blocknr, 1);
		if (err)
			goto free;
	}
	err = sffs_tx_start(&tx, SFFS_TREE_CREDITS);
	if (err)
		goto free;
	err = sffs_inline_move(&tx, inode, buf);
	err2 = sffs_tx_stop(&tx);
	err = err ?: err2;
free:
	free_page((unsigned long)buf);
	return err;
}

/* The same for who does not hold invalidate_lock. */
int sffs_inline_end(struct inode *inode)
{
	int err;

	if (sffs_format(inode) != SFFS_FMT_INLINE)
		return 0;
	filemap_invalidate_lock(inode->i_mapping);
	err = sffs_inline_end_locked(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

/**
 * sffs_inline_set_size() - truncate an inline file, or make it longer
 * @inode: the file; i_rwsem, its cluster lock and invalidate_lock are held exclusively
 * @size: the new size, at most SFFS_INODE_AREA
 */
int sffs_inline_set_size(struct inode *inode, loff_t size)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	u8 *area = sffs_raw(inode)->area;
	loff_t old = i_size_read(inode);
	struct sffs_tx tx;
	int err, err2;

	sffs_tx_init(&tx, inode->i_sb);
	err = sffs_tx_start(&tx, 1);
	if (err)
		return err;
	down_write(&si->tree_sem);
	err = sffs_tx_access(&tx, si->bh);
	if (!err) {
		memset(area + min(old, size), 0, max(old, size) - min(old, size));
		i_size_write(inode, size);
		inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode));
		err = sffs_store_inode(&tx, inode);
	}
	up_write(&si->tree_sem);
	err2 = sffs_tx_stop(&tx);
	err = err ?: err2;
	if (err)
		return err;
	if (size < old)
		truncate_pagecache(inode, size);
	else
		pagecache_isize_extended(inode, old, size);
	return 0;
}

/* For fiemap, SEEK_HOLE and SEEK_DATA: data up to the end, a hole from there on. */
void sffs_inline_iomap(struct inode *inode, loff_t pos, struct iomap *iomap)
{
	loff_t size = i_size_read(inode);

	iomap->flags = 0;
	iomap->bdev = SFFS_SB(inode->i_sb)->bdev;
	if (pos < size) {
		iomap->type = IOMAP_INLINE;
		iomap->offset = 0;
		iomap->length = size;
		iomap->addr = (SFFS_I(inode)->bh->b_blocknr << SFFS_BLOCK_SHIFT) +
			      offsetof(struct sffs_inode, area);
		iomap->inline_data = sffs_raw(inode)->area;
	} else {
		iomap->type = IOMAP_HOLE;
		iomap->offset = size;
		iomap->length = S64_MAX - size;
		iomap->addr = IOMAP_NULL_ADDR;
	}
}
