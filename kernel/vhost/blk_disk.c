// SPDX-License-Identifier: GPL-2.0-only
/* What is attached, and the configuration space that describes it (virtio 1.2, 5.2.4). */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/pagemap.h>
#include <linux/stat.h>

#include "blk.h"

/* Largest block size that guests take. */
#define ASV_BLK_MAX_BLK_SIZE	4096U

/* Geometry of a disk that never had one. */
#define ASV_BLK_HEADS		16
#define ASV_BLK_SECTORS		63

/* What a backend needs and prefers, in bytes. */
struct asv_blk_layout {
	unsigned int blk_size;
	unsigned int physical;
	unsigned int alignment;
	unsigned int io_min;
	unsigned int io_opt;
	unsigned int discard;
};

/* ---- probing ---- */

static int asv_blk_size(const struct asv_blk_disk *disk, u64 *bytes)
{
	struct kstat stat;
	int ret;

	if (disk->bdev) {
		*bytes = (u64)bdev_nr_sectors(disk->bdev) << SECTOR_SHIFT;
		return 0;
	}
	/* Asks the server where the filesystem has one. */
	ret = vfs_getattr(&disk->file->f_path, &stat, STATX_SIZE, AT_STATX_SYNC_AS_STAT);
	if (!ret)
		*bytes = stat.size;
	return ret;
}

/*
 * Alignment that data need in memory. The block layer's default, a sector, only says
 * that the driver said nothing: some then take for granted that a block lies in one
 * piece (null_blk writes past its pages if not), which a guest must not find out.
 */
static unsigned int asv_blk_mem_mask(unsigned int dma_mask, unsigned int blk_size)
{
	return dma_mask < SECTOR_SIZE - 1 ? dma_mask : dma_mask | (blk_size - 1);
}

static int asv_blk_probe_bdev(struct asv_blk_disk *disk, u32 flags,
			      struct asv_blk_layout *layout)
{
	struct block_device *bdev = I_BDEV(disk->file->f_mapping->host);

	/* A guest would not know that it has to write a zone in order. */
	if (flags & ASV_BLK_ATTACH_BUFFERED || bdev_is_zoned(bdev))
		return -EOPNOTSUPP;
	if (!disk->ro && bdev_read_only(bdev))
		return -EROFS;

	disk->bdev = bdev;
	disk->backend = &asv_blk_bdev_backend;
	disk->direct = true;
	disk->nowait = bdev_nowait(bdev);
	disk->mem_mask = asv_blk_mem_mask(bdev_dma_alignment(bdev),
					  bdev_logical_block_size(bdev));
	disk->unmap = bdev_max_discard_sectors(bdev);
	disk->secure_erase = bdev_max_secure_erase_sectors(bdev);

	layout->blk_size = bdev_logical_block_size(bdev);
	layout->physical = bdev_physical_block_size(bdev);
	layout->alignment = max(bdev_alignment_offset(bdev), 0);
	layout->io_min = bdev_io_min(bdev);
	layout->io_opt = bdev_io_opt(bdev);
	layout->discard = bdev_discard_granularity(bdev);
	return 0;
}

static int asv_blk_probe_file(struct asv_blk_disk *disk, u32 flags,
			      struct asv_blk_layout *layout)
{
	struct file *file = disk->file;
	struct super_block *sb = file_inode(file)->i_sb;
	struct kstat stat;
	int ret;

	if (!file->f_op->read_iter || (!disk->ro && !file->f_op->write_iter))
		return -EOPNOTSUPP;
	if (IS_SWAPFILE(file_inode(file)))
		return -ETXTBSY;
	ret = vfs_getattr(&file->f_path, &stat, STATX_DIOALIGN, AT_STATX_SYNC_AS_STAT);
	if (ret)
		return ret;

	disk->backend = &asv_blk_file_backend;
	disk->direct = !(flags & ASV_BLK_ATTACH_BUFFERED);
	layout->blk_size = SECTOR_SIZE;
	disk->mem_mask = 0;
	if (disk->direct) {
		if (!(file->f_mode & FMODE_CAN_ODIRECT))
			return -EOPNOTSUPP;
		if (stat.result_mask & STATX_DIOALIGN) {
			if (!stat.dio_mem_align || !stat.dio_offset_align)
				return -EOPNOTSUPP;
			layout->blk_size = max(stat.dio_offset_align, layout->blk_size);
			disk->mem_mask = asv_blk_mem_mask(stat.dio_mem_align - 1,
							  layout->blk_size);
		} else {
			if (sb->s_bdev)
				layout->blk_size = bdev_logical_block_size(sb->s_bdev);
			disk->mem_mask = layout->blk_size - 1;
		}
	}
	/* The page cache may sleep for memory and writeback at any time. */
	disk->nowait = disk->direct && file->f_mode & FMODE_NOWAIT;
	disk->unmap = !disk->ro && asv_blk_file_can_punch(file);

	layout->physical = sb->s_blocksize;
	layout->io_min = sb->s_blocksize;
	layout->discard = sb->s_blocksize;
	return 0;
}

/* ---- configuration space ---- */

static void asv_blk_config_changed(struct asv_blk *blk)
{
	blk->disk.config_gen++;
	if (blk->config_call)
		eventfd_signal(blk->config_call);
}

static void asv_blk_set_capacity(struct asv_blk_disk *disk, u64 bytes)
{
	u64 capacity = round_down(bytes, (u64)disk->blk_size) >> SECTOR_SHIFT;

	WRITE_ONCE(disk->capacity, capacity);
	disk->config.capacity = (__force __virtio64)cpu_to_le64(capacity);
}

static void asv_blk_set_geometry(struct asv_blk_disk *disk, const struct asv_blk_attach *args)
{
	struct virtio_blk_geometry *geometry = &disk->config.geometry;
	u16 cylinders = args->cylinders;

	geometry->heads = args->heads;
	geometry->sectors = args->sectors;
	if (!cylinders && !args->heads && !args->sectors) {
		geometry->heads = ASV_BLK_HEADS;
		geometry->sectors = ASV_BLK_SECTORS;
		cylinders = min_t(u64, disk->capacity / (ASV_BLK_HEADS * ASV_BLK_SECTORS),
				  U16_MAX);
	}
	geometry->cylinders = (__force __virtio16)cpu_to_le16(cylinders);
}

/* Block size and topology: the caller's, or the backend's in units of its blocks. */
static int asv_blk_set_topology(struct asv_blk_disk *disk, const struct asv_blk_attach *args,
				const struct asv_blk_layout *layout)
{
	struct virtio_blk_config *config = &disk->config;
	unsigned int blk_size = args->blk_size ?: layout->blk_size;
	u16 io_min = args->min_io_size;
	u32 io_opt = args->opt_io_size;

	if (!is_power_of_2(blk_size) || blk_size < SECTOR_SIZE ||
	    blk_size > ASV_BLK_MAX_BLK_SIZE || blk_size < layout->blk_size)
		return -EINVAL;
	if (args->blk_size) {
		if (args->physical_block_exp > 15)
			return -EINVAL;
		config->physical_block_exp = args->physical_block_exp;
		config->alignment_offset = args->alignment_offset;
	} else {
		if (args->physical_block_exp || args->alignment_offset || io_min || io_opt)
			return -EINVAL;
		config->physical_block_exp = ilog2(max(layout->physical, blk_size) / blk_size);
		config->alignment_offset = min_t(u32, layout->alignment / blk_size, U8_MAX);
		io_min = min_t(u32, layout->io_min / blk_size, U16_MAX);
		io_opt = layout->io_opt / blk_size;
	}
	disk->blk_size = blk_size;
	config->blk_size = (__force __virtio32)cpu_to_le32(blk_size);
	config->min_io_size = (__force __virtio16)cpu_to_le16(io_min);
	config->opt_io_size = (__force __virtio32)cpu_to_le32(io_opt);
	return 0;
}

static void asv_blk_set_ranges(struct asv_blk_disk *disk, const struct asv_blk_layout *layout)
{
	struct virtio_blk_config *config = &disk->config;
	const __virtio32 sectors = (__force __virtio32)cpu_to_le32(ASV_BLK_MAX_RANGE);
	const __virtio32 ranges = (__force __virtio32)cpu_to_le32(ASV_BLK_MAX_RANGES);
	const __virtio32 alignment = (__force __virtio32)
		cpu_to_le32(max(layout->discard, disk->blk_size) >> SECTOR_SHIFT);

	if (disk->unmap) {
		config->max_discard_sectors = sectors;
		config->max_discard_seg = ranges;
		config->discard_sector_alignment = alignment;
		config->write_zeroes_may_unmap = 1;
	}
	if (!disk->ro) {
		config->max_write_zeroes_sectors = sectors;
		config->max_write_zeroes_seg = ranges;
	}
	if (disk->secure_erase) {
		config->max_secure_erase_sectors = sectors;
		config->max_secure_erase_seg = ranges;
		config->secure_erase_sector_alignment = alignment;
	}
}

static u64 asv_blk_features(const struct asv_blk *blk)
{
	const struct asv_blk_disk *disk = &blk->disk;
	u64 features = BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_GEOMETRY) |
		       BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) | BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) |
		       BIT_ULL(VIRTIO_BLK_F_FLUSH) | BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE);

	if (blk->num_queues > 1)
		features |= BIT_ULL(VIRTIO_BLK_F_MQ);
	features |= BIT_ULL(disk->ro ? VIRTIO_BLK_F_RO : VIRTIO_BLK_F_WRITE_ZEROES);
	if (disk->unmap)
		features |= BIT_ULL(VIRTIO_BLK_F_DISCARD);
	if (disk->secure_erase)
		features |= BIT_ULL(VIRTIO_BLK_F_SECURE_ERASE);
	return features;
}

/* ---- attach and detach ---- */

static int asv_blk_check_args(const struct asv_blk_attach *args)
{
	if (args->flags & ~ASV_BLK_ATTACH_FLAGS ||
	    memchr_inv(args->reserved, 0, sizeof(args->reserved)))
		return -EINVAL;
	if (!args->num_queues || args->num_queues > ASV_BLK_MAX_QUEUES ||
	    args->seg_max > ASV_BLK_MAX_SEGMENTS || args->helpers > ASV_BLK_MAX_HELPERS)
		return -EINVAL;
	return 0;
}

/* Requests bypass a device's page cache: nothing old may stay in it. */
static int asv_blk_drop_cache(struct asv_blk_disk *disk)
{
	int ret;

	if (!disk->bdev)
		return 0;
	ret = sync_blockdev(disk->bdev);
	if (!ret)
		invalidate_inode_pages2(disk->file->f_mapping);
	return ret;
}

/* Fill in the disk from its open file. */
static int asv_blk_probe(struct asv_blk_disk *disk, const struct asv_blk_attach *args)
{
	const umode_t mode = file_inode(disk->file)->i_mode;
	struct asv_blk_layout layout = {};
	u64 bytes;
	int ret;

	disk->ro = args->flags & ASV_BLK_ATTACH_RO;
	if (!(disk->file->f_mode & FMODE_READ) ||
	    (!disk->ro && (!(disk->file->f_mode & FMODE_WRITE) ||
			   disk->file->f_flags & O_APPEND)))
		return -EBADF;
	if (S_ISBLK(mode))
		ret = asv_blk_probe_bdev(disk, args->flags, &layout);
	else if (S_ISREG(mode))
		ret = asv_blk_probe_file(disk, args->flags, &layout);
	else
		ret = -ENOTBLK;
	if (ret)
		return ret;
	if (disk->ro || args->flags & ASV_BLK_ATTACH_NO_UNMAP) {
		disk->unmap = false;
		disk->secure_erase = false;
	}

	ret = asv_blk_set_topology(disk, args, &layout);
	if (ret)
		return ret;
	ret = asv_blk_size(disk, &bytes);
	if (ret)
		return ret;
	asv_blk_set_capacity(disk, bytes);
	asv_blk_set_geometry(disk, args);
	asv_blk_set_ranges(disk, &layout);
	memcpy(disk->serial, args->serial, sizeof(disk->serial));
	return asv_blk_drop_cache(disk);
}

int asv_blk_attach(struct asv_blk *blk, const struct asv_blk_attach *args)
{
	struct asv_blk_disk disk = {};
	int ret;

	if (blk->disk.file)
		return -EBUSY;
	ret = asv_blk_check_args(args);
	if (ret)
		return ret;
	disk.file = fget(args->fd);
	if (!disk.file)
		return -EBADF;
	ret = asv_blk_probe(&disk, args);
	if (ret)
		goto put;
	ret = asv_dev_set_cred(&blk->dev);
	if (ret)
		goto put;
	ret = asv_helpers_start(&blk->dev, args->helpers ?: ASV_BLK_DEF_HELPERS);
	if (ret)
		goto put;

	disk.config.seg_max = (__force __virtio32)
		cpu_to_le32(args->seg_max ?: ASV_BLK_DEF_SEGMENTS);
	disk.config.num_queues = (__force __virtio16)cpu_to_le16(args->num_queues);
	disk.config_gen = blk->disk.config_gen + 1;
	blk->disk = disk;
	blk->num_queues = args->num_queues;
	blk->ops.features = ASV_CORE_FEATURES | asv_blk_features(blk);
	return asv_blk_set_wce(blk, !(args->flags & ASV_BLK_ATTACH_WRITETHROUGH));
put:
	fput(disk.file);
	return ret;
}

void asv_blk_detach_disk(struct asv_blk *blk)
{
	const u32 gen = blk->disk.config_gen;

	if (!blk->disk.file)
		return;
	asv_blk_drop_cache(&blk->disk);
	fput(blk->disk.file);
	blk->disk = (struct asv_blk_disk){ .config_gen = gen };
	blk->num_queues = 0;
	blk->ops.features = ASV_CORE_FEATURES;
}

/* ---- changes while attached ---- */

int asv_blk_refresh(struct asv_blk *blk)
{
	const u64 before = blk->disk.capacity;
	u64 bytes;
	int ret;

	if (!blk->disk.file)
		return -ENODEV;
	ret = asv_blk_size(&blk->disk, &bytes);
	if (ret)
		return ret;
	asv_blk_set_capacity(&blk->disk, bytes);
	if (blk->disk.capacity != before)
		asv_blk_config_changed(blk);
	return 0;
}

void asv_blk_update_writethrough(struct asv_blk *blk)
{
	WRITE_ONCE(blk->writethrough,
		   !blk->wce || !asv_has_feature(&blk->dev, VIRTIO_BLK_F_FLUSH));
}

int asv_blk_set_wce(struct asv_blk *blk, bool on)
{
	if (!blk->disk.file)
		return -ENODEV;
	blk->wce = on;
	blk->disk.config.wce = on;
	blk->disk.config_gen++;
	asv_blk_update_writethrough(blk);
	return 0;
}

int asv_blk_get_config(struct asv_blk *blk, struct asv_blk_config *config)
{
	BUILD_BUG_ON(sizeof(blk->disk.config) > sizeof(config->bytes));

	if (!blk->disk.file)
		return -ENODEV;
	*config = (struct asv_blk_config){
		.size = sizeof(blk->disk.config),
		.generation = blk->disk.config_gen,
	};
	memcpy(config->bytes, &blk->disk.config, sizeof(blk->disk.config));
	return 0;
}
