// SPDX-License-Identifier: GPL-2.0-only
/* Tables of the on-disk structures, as the format document has them; see fields.h. */
#include <string.h>

#include "fields.h"

static const struct sffs_field header_fields[] = {
	{ "magic", 0, 4, 1, SFFS_F_MAGIC },
	{ "crc", 4, 4, 1, SFFS_F_CRC },
	{ "block", 8, 8, 1, SFFS_F_UINT },
	{ "owner", 16, 8, 1, SFFS_F_UINT },
	{ "generation", 24, 4, 1, SFFS_F_UINT },
	{ "reserved", 28, 1, 4, SFFS_F_ZERO },
	{ }
};

static const struct sffs_struct struct_header = {
	"header", 0, sizeof(struct sffs_header),
	header_fields
};

static const struct sffs_field super_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "name", 32, 1, 8, SFFS_F_BYTES },
	{ "version", 40, 4, 1, SFFS_F_UINT },
	{ "state", 44, 4, 1, SFFS_F_UINT },
	{ "compat", 48, 8, 1, SFFS_F_HEX },
	{ "ro_compat", 56, 8, 1, SFFS_F_HEX },
	{ "incompat", 64, 8, 1, SFFS_F_HEX },
	{ "uuid", 72, 1, 16, SFFS_F_UUID },
	{ "label", 88, 1, 64, SFFS_F_TEXT },
	{ "blocks", 152, 8, 1, SFFS_F_UINT },
	{ "first_group_block", 160, 8, 1, SFFS_F_UINT },
	{ "groups", 168, 4, 1, SFFS_F_UINT },
	{ "block_shift", 172, 1, 1, SFFS_F_UINT },
	{ "sector_shift", 173, 1, 1, SFFS_F_UINT },
	{ "group_shift", 174, 1, 1, SFFS_F_UINT },
	{ "max_slots", 175, 1, 1, SFFS_F_UINT },
	{ "slots", 176, 4, 1, SFFS_F_UINT },
	{ "bitmap_blocks", 180, 4, 1, SFFS_F_UINT },
	{ "heartbeat_block", 184, 8, 1, SFFS_F_UINT },
	{ "fixed_lock_block", 192, 8, 1, SFFS_F_UINT },
	{ "mailbox_block", 200, 8, 1, SFFS_F_UINT },
	{ "journal_blocks", 208, 4, 1, SFFS_F_UINT },
	{ "slot_area_blocks", 212, 4, 1, SFFS_F_UINT },
	{ "reclaim_blocks", 216, 4, 1, SFFS_F_UINT },
	{ "qchange_blocks", 220, 4, 1, SFFS_F_UINT },
	{ "checksum_seed", 224, 4, 1, SFFS_F_HEX },
	{ "lease_ms", 228, 4, 1, SFFS_F_UINT },
	{ "heartbeat_ms", 232, 4, 1, SFFS_F_UINT },
	{ "reclaim_rate", 236, 4, 1, SFFS_F_UINT },
	{ "hash_key", 240, 1, 16, SFFS_F_BYTES },
	{ "root_ino", 256, 8, 1, SFFS_F_UINT },
	{ "quota_ino", 264, 8, 3, SFFS_F_UINT },
	{ "made_sec", 288, 8, 1, SFFS_F_UINT },
	{ "checked_sec", 296, 8, 1, SFFS_F_UINT },
	{ "unmap_granularity", 304, 4, 1, SFFS_F_UINT },
	{ "unmap_alignment", 308, 4, 1, SFFS_F_UINT },
	{ "error_block", 312, 8, 1, SFFS_F_UINT },
	{ "error_sec", 320, 8, 1, SFFS_F_UINT },
	{ "crashes", 328, 4, 1, SFFS_F_UINT },
	{ "reserved1", 332, 1, 180, SFFS_F_ZERO },
	{ "slot_area_block", 512, 8, 64, SFFS_F_UINT },
	{ "journal_block", 1024, 8, 64, SFFS_F_UINT },
	{ "reserved2", 1536, 1, 2560, SFFS_F_ZERO },
	{ }
};

static const struct sffs_struct struct_super = {
	"super block", SFFS_MAGIC_SUPER, sizeof(struct sffs_super),
	super_fields
};

static const struct sffs_field slot_record_fields[] = {
	{ "magic", 0, 4, 1, SFFS_F_MAGIC },
	{ "crc", 4, 4, 1, SFFS_F_CRC },
	{ "nonce", 8, 8, 1, SFFS_F_HEX },
	{ "slot", 16, 4, 1, SFFS_F_UINT },
	{ "incarnation", 20, 4, 1, SFFS_F_UINT },
	{ "state", 24, 1, 1, SFFS_F_UINT },
	{ "recoverer", 25, 1, 1, SFFS_F_UINT },
	{ "addr_family", 26, 1, 1, SFFS_F_UINT },
	{ "reserved1", 27, 1, 1, SFFS_F_ZERO },
	{ "recoverer_inc", 28, 4, 1, SFFS_F_UINT },
	{ "sequence", 32, 8, 1, SFFS_F_UINT },
	{ "pr_key", 40, 8, 1, SFFS_F_HEX },
	{ "mounted_sec", 48, 8, 1, SFFS_F_UINT },
	{ "flags", 56, 4, 1, SFFS_F_HEX },
	{ "addr_port", 60, 2, 1, SFFS_F_UINT },
	{ "reserved2", 62, 1, 2, SFFS_F_ZERO },
	{ "addr", 64, 1, 16, SFFS_F_BYTES },
	{ "boot_id", 80, 1, 16, SFFS_F_UUID },
	{ "host", 96, 1, 64, SFFS_F_TEXT },
	{ "reserved3", 160, 1, 352, SFFS_F_ZERO },
	{ }
};

const struct sffs_struct sffs_struct_slot = {
	"heartbeat record", SFFS_MAGIC_SLOT, sizeof(struct sffs_slot_record),
	slot_record_fields
};

static const struct sffs_field lock_record_fields[] = {
	{ "magic", 0, 4, 1, SFFS_F_MAGIC },
	{ "crc", 4, 4, 1, SFFS_F_CRC },
	{ "nonce", 8, 8, 1, SFFS_F_HEX },
	{ "version", 16, 8, 1, SFFS_F_UINT },
	{ "number", 24, 8, 1, SFFS_F_UINT },
	{ "type", 32, 1, 1, SFFS_F_UINT },
	{ "mode", 33, 1, 1, SFFS_F_UINT },
	{ "next_ticket", 34, 2, 1, SFFS_F_UINT },
	{ "flags", 36, 1, 4, SFFS_F_ZERO },
	{ "holders", 40, 8, 1, SFFS_F_HEX },
	{ "waiters", 48, 8, 1, SFFS_F_HEX },
	{ "wait_exclusive", 56, 8, 1, SFFS_F_HEX },
	{ "incarnation", 64, 4, 64, SFFS_F_UINT },
	{ "ticket", 320, 2, 64, SFFS_F_UINT },
	{ "lvb", 448, 1, 48, SFFS_F_BYTES },
	{ "writer", 496, 1, 1, SFFS_F_UINT },
	{ "reserved", 497, 1, 15, SFFS_F_ZERO },
	{ }
};

const struct sffs_struct sffs_struct_lock = {
	"lock record", SFFS_MAGIC_LOCK, sizeof(struct sffs_lock_record),
	lock_record_fields
};

static const struct sffs_field mail_request_fields[] = {
	{ "number", 0, 8, 1, SFFS_F_UINT },
	{ "holder_inc", 8, 4, 1, SFFS_F_UINT },
	{ "type", 12, 1, 1, SFFS_F_UINT },
	{ "mode", 13, 1, 1, SFFS_F_UINT },
	{ "reserved", 14, 1, 2, SFFS_F_ZERO },
	{ }
};

static const struct sffs_struct struct_mail_request = {
	"request", 0, sizeof(struct sffs_mail_request),
	mail_request_fields
};

static const struct sffs_field mail_fields[] = {
	{ "magic", 0, 4, 1, SFFS_F_MAGIC },
	{ "crc", 4, 4, 1, SFFS_F_CRC },
	{ "sequence", 8, 8, 1, SFFS_F_UINT },
	{ "sender_inc", 16, 4, 1, SFFS_F_UINT },
	{ "receiver_inc", 20, 4, 1, SFFS_F_UINT },
	{ "sender", 24, 1, 1, SFFS_F_UINT },
	{ "receiver", 25, 1, 1, SFFS_F_UINT },
	{ "count", 26, 2, 1, SFFS_F_UINT },
	{ "reserved", 28, 1, 36, SFFS_F_ZERO },
	{ "req", 64, 16, 28, SFFS_F_SUB, .sub = &struct_mail_request },
	{ }
};

const struct sffs_struct sffs_struct_mail = {
	"mailbox sector", SFFS_MAGIC_MAIL, sizeof(struct sffs_mail),
	mail_fields
};

static const struct sffs_field slot_area_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "orphan_block", 32, 8, 1, SFFS_F_UINT },
	{ "orphans", 40, 8, 1, SFFS_F_UINT },
	{ "mounts", 48, 8, 1, SFFS_F_UINT },
	{ "reserved", 56, 1, 4040, SFFS_F_ZERO },
	{ }
};

static const struct sffs_struct struct_slot_area = {
	"slot area", SFFS_MAGIC_SLOT_AREA, sizeof(struct sffs_slot_area),
	slot_area_fields
};

static const struct sffs_field orphan_fields[] = {
	{ "ino", 0, 8, 1, SFFS_F_UINT },
	{ "generation", 8, 4, 1, SFFS_F_UINT },
	{ "reserved", 12, 1, 4, SFFS_F_ZERO },
	{ }
};

static const struct sffs_struct struct_orphan = {
	"orphan", 0, sizeof(struct sffs_orphan),
	orphan_fields
};

static const struct sffs_field orphan_block_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "next", 32, 8, 1, SFFS_F_UINT },
	{ "count", 40, 4, 1, SFFS_F_UINT },
	{ "reserved", 44, 1, 4, SFFS_F_ZERO },
	{ "entry", 48, 16, 253, SFFS_F_SUB, .sub = &struct_orphan },
	{ }
};

static const struct sffs_struct struct_orphan_block = {
	"orphan table block", SFFS_MAGIC_ORPHAN, sizeof(struct sffs_orphan_block),
	orphan_block_fields
};

static const struct sffs_field reclaim_extent_fields[] = {
	{ "block", 0, 8, 1, SFFS_F_UINT },
	{ "count", 8, 4, 1, SFFS_F_UINT },
	{ "group", 12, 4, 1, SFFS_F_UINT },
	{ }
};

static const struct sffs_struct struct_reclaim_extent = {
	"extent", 0, sizeof(struct sffs_reclaim_extent),
	reclaim_extent_fields
};

static const struct sffs_field reclaim_block_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "count", 32, 4, 1, SFFS_F_UINT },
	{ "reserved", 36, 1, 12, SFFS_F_ZERO },
	{ "entry", 48, 16, 253, SFFS_F_SUB, .sub = &struct_reclaim_extent },
	{ }
};

static const struct sffs_struct struct_reclaim_block = {
	"reclaim block", SFFS_MAGIC_RECLAIM, sizeof(struct sffs_reclaim_block),
	reclaim_block_fields
};

static const struct sffs_field quota_change_fields[] = {
	{ "id", 0, 4, 1, SFFS_F_UINT },
	{ "type", 4, 1, 1, SFFS_F_UINT },
	{ "used", 5, 1, 1, SFFS_F_UINT },
	{ "reserved", 6, 1, 2, SFFS_F_ZERO },
	{ "blocks", 8, 8, 1, SFFS_F_SINT },
	{ "inodes", 16, 8, 1, SFFS_F_SINT },
	{ }
};

static const struct sffs_struct struct_quota_change = {
	"change", 0, sizeof(struct sffs_quota_change),
	quota_change_fields
};

static const struct sffs_field qchange_block_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "count", 32, 4, 1, SFFS_F_UINT },
	{ "reserved", 36, 1, 12, SFFS_F_ZERO },
	{ "entry", 48, 24, 168, SFFS_F_SUB, .sub = &struct_quota_change },
	{ "pad", 4080, 1, 16, SFFS_F_ZERO },
	{ }
};

static const struct sffs_struct struct_qchange_block = {
	"quota change block", SFFS_MAGIC_QCHANGE, sizeof(struct sffs_qchange_block),
	qchange_block_fields
};

static const struct sffs_field bitmap_summary_fields[] = {
	{ "free", 0, 2, 1, SFFS_F_UINT },
	{ "unmapped", 2, 2, 1, SFFS_F_UINT },
	{ }
};

static const struct sffs_struct struct_bitmap_summary = {
	"summary", 0, sizeof(struct sffs_bitmap_summary),
	bitmap_summary_fields
};

static const struct sffs_field group_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "blocks", 32, 4, 1, SFFS_F_UINT },
	{ "free_blocks", 36, 4, 1, SFFS_F_UINT },
	{ "unmapped_blocks", 40, 4, 1, SFFS_F_UINT },
	{ "chunks", 44, 4, 1, SFFS_F_UINT },
	{ "free_inodes", 48, 4, 1, SFFS_F_UINT },
	{ "directories", 52, 4, 1, SFFS_F_UINT },
	{ "chunk_all", 56, 4, 1, SFFS_F_UINT },
	{ "chunk_free", 60, 4, 1, SFFS_F_UINT },
	{ "crashes", 64, 4, 1, SFFS_F_UINT },
	{ "reserved", 68, 1, 60, SFFS_F_ZERO },
	{ "sum", 128, 4, 517, SFFS_F_SUB, .sub = &struct_bitmap_summary },
	{ "pad", 2196, 1, 1900, SFFS_F_ZERO },
	{ }
};

static const struct sffs_struct struct_group = {
	"group header", SFFS_MAGIC_GROUP, sizeof(struct sffs_group),
	group_fields
};

static const struct sffs_field bitmap_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "allocated", 32, 1, 2032, SFFS_F_AREA },
	{ "unmapped", 2064, 1, 2032, SFFS_F_AREA },
	{ }
};

const struct sffs_struct sffs_struct_bitmap = {
	"bitmap", SFFS_MAGIC_BITMAP, sizeof(struct sffs_bitmap),
	bitmap_fields
};

static const struct sffs_field chunk_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "free_mask", 32, 8, 1, SFFS_F_HEX },
	{ "next_all", 40, 4, 1, SFFS_F_UINT },
	{ "next_free", 44, 4, 1, SFFS_F_UINT },
	{ "prev_free", 48, 4, 1, SFFS_F_UINT },
	{ "free_inodes", 52, 4, 1, SFFS_F_UINT },
	{ "reserved", 56, 1, 4040, SFFS_F_ZERO },
	{ }
};

static const struct sffs_struct struct_chunk = {
	"inode chunk", SFFS_MAGIC_CHUNK, sizeof(struct sffs_chunk),
	chunk_fields
};

static const struct sffs_field owner_fields[] = {
	{ "slot", 0, 1, 1, SFFS_F_UINT },
	{ "mode", 1, 1, 1, SFFS_F_UINT },
	{ "reserved", 2, 1, 2, SFFS_F_ZERO },
	{ "incarnation", 4, 4, 1, SFFS_F_UINT },
	{ "since_sec", 8, 8, 1, SFFS_F_UINT },
	{ "host", 16, 1, 64, SFFS_F_TEXT },
	{ }
};

static const struct sffs_struct struct_owner = {
	"owner", 0, sizeof(struct sffs_owner),
	owner_fields
};

static const struct sffs_field inode_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "mode", 32, 4, 1, SFFS_F_UINT },
	{ "nlink", 36, 4, 1, SFFS_F_UINT },
	{ "uid", 40, 4, 1, SFFS_F_UINT },
	{ "gid", 44, 4, 1, SFFS_F_UINT },
	{ "project", 48, 4, 1, SFFS_F_UINT },
	{ "flags", 52, 4, 1, SFFS_F_HEX },
	{ "size", 56, 8, 1, SFFS_F_UINT },
	{ "blocks", 64, 8, 1, SFFS_F_UINT },
	{ "version", 72, 8, 1, SFFS_F_UINT },
	{ "atime_sec", 80, 8, 1, SFFS_F_SINT },
	{ "mtime_sec", 88, 8, 1, SFFS_F_SINT },
	{ "ctime_sec", 96, 8, 1, SFFS_F_SINT },
	{ "btime_sec", 104, 8, 1, SFFS_F_SINT },
	{ "atime_nsec", 112, 4, 1, SFFS_F_UINT },
	{ "mtime_nsec", 116, 4, 1, SFFS_F_UINT },
	{ "ctime_nsec", 120, 4, 1, SFFS_F_UINT },
	{ "btime_nsec", 124, 4, 1, SFFS_F_UINT },
	{ "parent", 128, 8, 1, SFFS_F_UINT },
	{ "rdev_major", 136, 4, 1, SFFS_F_UINT },
	{ "rdev_minor", 140, 4, 1, SFFS_F_UINT },
	{ "format", 144, 1, 1, SFFS_F_UINT },
	{ "orphan", 145, 1, 1, SFFS_F_UINT },
	{ "orphan_index", 146, 2, 1, SFFS_F_UINT },
	{ "range_blocks", 148, 4, 1, SFFS_F_UINT },
	{ "orphan_block", 152, 8, 1, SFFS_F_UINT },
	{ "range_block", 160, 8, 1, SFFS_F_UINT },
	{ "xattr_block", 168, 8, 1, SFFS_F_UINT },
	{ "entries", 176, 8, 1, SFFS_F_UINT },
	{ "reserved1", 184, 1, 8, SFFS_F_ZERO },
	{ "owner", 192, 80, 1, SFFS_F_SUB, .sub = &struct_owner },
	{ "shift_from", 272, 8, 1, SFFS_F_UINT },
	{ "shift_end", 280, 8, 1, SFFS_F_UINT },
	{ "shift_by", 288, 8, 1, SFFS_F_SINT },
	{ "reserved2", 296, 1, 216, SFFS_F_ZERO },
	{ "area", 512, 1, 2560, SFFS_F_AREA },
	{ "xattr", 3072, 1, 1024, SFFS_F_AREA },
	{ }
};

static const struct sffs_struct struct_inode = {
	"inode", SFFS_MAGIC_INODE, sizeof(struct sffs_inode),
	inode_fields
};

static const struct sffs_field node_head_fields[] = {
	{ "level", 0, 2, 1, SFFS_F_UINT },
	{ "count", 2, 2, 1, SFFS_F_UINT },
	{ "reserved1", 4, 1, 4, SFFS_F_ZERO },
	{ "reserved2", 8, 1, 8, SFFS_F_ZERO },
	{ }
};

const struct sffs_struct sffs_struct_node_head = {
	"tree node head", 0, sizeof(struct sffs_node_head),
	node_head_fields
};

static const struct sffs_field index_fields[] = {
	{ "key", 0, 8, 1, SFFS_F_HEX },
	{ "block", 8, 8, 1, SFFS_F_UINT },
	{ }
};

const struct sffs_struct sffs_struct_index = {
	"index", 0, sizeof(struct sffs_index),
	index_fields
};

static const struct sffs_field extent_fields[] = {
	{ "file_block", 0, 8, 1, SFFS_F_UINT },
	{ "block", 8, 8, 1, SFFS_F_UINT },
	{ "count", 16, 4, 1, SFFS_F_UINT },
	{ "flags", 20, 4, 1, SFFS_F_HEX },
	{ }
};

const struct sffs_struct sffs_struct_extent = {
	"extent", 0, sizeof(struct sffs_extent),
	extent_fields
};

static const struct sffs_field dir_head_fields[] = {
	{ "level", 0, 2, 1, SFFS_F_UINT },
	{ "count", 2, 2, 1, SFFS_F_UINT },
	{ "low", 4, 2, 1, SFFS_F_UINT },
	{ "dead", 6, 2, 1, SFFS_F_UINT },
	{ "reserved", 8, 1, 8, SFFS_F_ZERO },
	{ }
};

const struct sffs_struct sffs_struct_dir_head = {
	"directory leaf head", 0, sizeof(struct sffs_dir_head),
	dir_head_fields
};

static const struct sffs_field dirent_fields[] = {
	{ "key", 0, 8, 1, SFFS_F_HEX },
	{ "ino", 8, 8, 1, SFFS_F_UINT },
	{ "name_len", 16, 1, 1, SFFS_F_UINT },
	{ "type", 17, 1, 1, SFFS_F_UINT },
	{ }
};

const struct sffs_struct sffs_struct_dirent = {
	"entry", 0, sizeof(struct sffs_dirent),
	dirent_fields
};

static const struct sffs_field xattr_entry_fields[] = {
	{ "name_index", 0, 1, 1, SFFS_F_UINT },
	{ "name_len", 1, 1, 1, SFFS_F_UINT },
	{ "reserved", 2, 1, 2, SFFS_F_ZERO },
	{ "value_size", 4, 4, 1, SFFS_F_UINT },
	{ "value_block", 8, 8, 1, SFFS_F_UINT },
	{ }
};

const struct sffs_struct sffs_struct_xattr_entry = {
	"attribute", 0, sizeof(struct sffs_xattr_entry),
	xattr_entry_fields
};

static const struct sffs_field xattr_block_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "next", 32, 8, 1, SFFS_F_UINT },
	{ "reserved", 40, 1, 8, SFFS_F_ZERO },
	{ "entries", 48, 1, 4048, SFFS_F_AREA },
	{ }
};

static const struct sffs_struct struct_xattr_block = {
	"xattr block", SFFS_MAGIC_XATTR, sizeof(struct sffs_xattr_block),
	xattr_block_fields
};

static const struct sffs_field xvalue_block_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "next", 32, 8, 1, SFFS_F_UINT },
	{ "size", 40, 4, 1, SFFS_F_UINT },
	{ "reserved", 44, 1, 4, SFFS_F_ZERO },
	{ "data", 48, 1, 4048, SFFS_F_AREA },
	{ }
};

static const struct sffs_struct struct_xvalue_block = {
	"xattr value block", SFFS_MAGIC_XVALUE, sizeof(struct sffs_xvalue_block),
	xvalue_block_fields
};

static const struct sffs_field quota_fields[] = {
	{ "block_hard", 0, 8, 1, SFFS_F_UINT },
	{ "block_soft", 8, 8, 1, SFFS_F_UINT },
	{ "block_used", 16, 8, 1, SFFS_F_UINT },
	{ "inode_hard", 24, 8, 1, SFFS_F_UINT },
	{ "inode_soft", 32, 8, 1, SFFS_F_UINT },
	{ "inode_used", 40, 8, 1, SFFS_F_UINT },
	{ "block_time", 48, 8, 1, SFFS_F_UINT },
	{ "inode_time", 56, 8, 1, SFFS_F_UINT },
	{ }
};

static const struct sffs_struct struct_quota = {
	"quota", 0, sizeof(struct sffs_quota),
	quota_fields
};

static const struct sffs_field quota_block_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "quota", 32, 64, 63, SFFS_F_SUB, .sub = &struct_quota },
	{ "pad", 4064, 1, 32, SFFS_F_ZERO },
	{ }
};

static const struct sffs_struct struct_quota_block = {
	"quota block", SFFS_MAGIC_QUOTA, sizeof(struct sffs_quota_block),
	quota_block_fields
};

static const struct sffs_field range_fields[] = {
	{ "start", 0, 8, 1, SFFS_F_UINT },
	{ "end", 8, 8, 1, SFFS_F_UINT },
	{ "holder", 16, 8, 1, SFFS_F_UINT },
	{ "incarnation", 24, 4, 1, SFFS_F_UINT },
	{ "slot", 28, 1, 1, SFFS_F_UINT },
	{ "kind", 29, 1, 1, SFFS_F_UINT },
	{ "mode", 30, 1, 1, SFFS_F_UINT },
	{ "reserved", 31, 1, 1, SFFS_F_ZERO },
	{ }
};

static const struct sffs_struct struct_range = {
	"lock", 0, sizeof(struct sffs_range),
	range_fields
};

static const struct sffs_field range_block_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "version", 32, 8, 1, SFFS_F_UINT },
	{ "count", 40, 4, 1, SFFS_F_UINT },
	{ "reserved", 44, 1, 20, SFFS_F_ZERO },
	{ "range", 64, 32, 126, SFFS_F_SUB, .sub = &struct_range },
	{ }
};

static const struct sffs_struct struct_range_block = {
	"file lock list", SFFS_MAGIC_RANGE, sizeof(struct sffs_range_block),
	range_block_fields
};

/* Tree blocks have no C structure: a header, a head, and entries of a kind. */
static const struct sffs_field node_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "head", 32, 16, 1, SFFS_F_SUB, .sub = &sffs_struct_node_head },
	{ "indexes", 48, 1, 4048, SFFS_F_AREA },
	{ }
};

static const struct sffs_field extents_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "head", 32, 16, 1, SFFS_F_SUB, .sub = &sffs_struct_node_head },
	{ "extents", 48, 1, 4048, SFFS_F_AREA },
	{ }
};

static const struct sffs_field dir_fields[] = {
	{ "h", 0, 32, 1, SFFS_F_SUB, .sub = &struct_header },
	{ "head", 32, 16, 1, SFFS_F_SUB, .sub = &sffs_struct_dir_head },
	{ "entries", 48, 1, 4048, SFFS_F_AREA },
	{ }
};

static const struct sffs_struct struct_node = {
	"tree node", SFFS_MAGIC_NODE, SFFS_BLOCK_SIZE, node_fields
};

static const struct sffs_struct struct_extents = {
	"extent leaf", SFFS_MAGIC_EXTENTS, SFFS_BLOCK_SIZE, extents_fields
};

static const struct sffs_struct struct_dir = {
	"directory leaf", SFFS_MAGIC_DIR, SFFS_BLOCK_SIZE, dir_fields
};

/* The super block of a journal, as jbd2 has it. */
static const struct sffs_field journal_fields[] = {
	{ "magic", 0, 4, 1, SFFS_F_HEX, .big_endian = true },
	{ "blocktype", 4, 4, 1, SFFS_F_UINT, .big_endian = true },
	{ "blocksize", 12, 4, 1, SFFS_F_UINT, .big_endian = true },
	{ "maxlen", 16, 4, 1, SFFS_F_UINT, .big_endian = true },
	{ "first", 20, 4, 1, SFFS_F_UINT, .big_endian = true },
	{ "sequence", 24, 4, 1, SFFS_F_UINT, .big_endian = true },
	{ "start", 28, 4, 1, SFFS_F_UINT, .big_endian = true },
	{ "errno", 32, 4, 1, SFFS_F_SINT, .big_endian = true },
	{ "feature_compat", 36, 4, 1, SFFS_F_HEX, .big_endian = true },
	{ "feature_incompat", 40, 4, 1, SFFS_F_HEX, .big_endian = true },
	{ "feature_ro_compat", 44, 4, 1, SFFS_F_HEX, .big_endian = true },
	{ "uuid", 48, 1, 16, SFFS_F_UUID },
	{ "nr_users", 64, 4, 1, SFFS_F_UINT, .big_endian = true },
	{ "checksum_type", 80, 1, 1, SFFS_F_UINT },
	{ "num_fc_blocks", 84, 4, 1, SFFS_F_UINT, .big_endian = true },
	{ "head", 88, 4, 1, SFFS_F_UINT, .big_endian = true },
	{ "checksum", 252, 4, 1, SFFS_F_HEX, .big_endian = true },
	{ }
};

const struct sffs_struct sffs_struct_journal = {
	"journal super block", 0, 1024, journal_fields
};

static const struct sffs_struct * const all_structs[] = {
	&struct_super, &sffs_struct_slot, &sffs_struct_lock, &sffs_struct_mail, &struct_slot_area,
	&struct_orphan_block, &struct_reclaim_block, &struct_qchange_block, &struct_group,
	&sffs_struct_bitmap, &struct_chunk, &struct_inode, &struct_node, &struct_extents,
	&struct_dir, &struct_xattr_block, &struct_xvalue_block, &struct_quota_block,
	&struct_range_block,
};

const struct sffs_struct *sffs_struct_of(uint32_t magic)
{
	for (size_t i = 0; i < SFFS_ARRAY_SIZE(all_structs); i++)
		if (all_structs[i]->magic == magic)
			return all_structs[i];
	return NULL;
}

uint64_t sffs_field_get(const struct sffs_field *f, const void *base, unsigned int i)
{
	const uint8_t *p = (const uint8_t *)base + f->offset + (size_t)i * f->width;
	uint64_t v = 0;

	for (unsigned int k = 0; k < f->width; k++)
		v |= (uint64_t)p[f->big_endian ? f->width - 1 - k : k] << (8 * k);
	if (f->kind == SFFS_F_SINT && f->width == 4)
		v = (int64_t)(int32_t)v;
	return v;
}

void sffs_field_put(const struct sffs_field *f, void *base, unsigned int i, uint64_t v)
{
	uint8_t *p = (uint8_t *)base + f->offset + (size_t)i * f->width;

	for (unsigned int k = 0; k < f->width; k++)
		p[f->big_endian ? f->width - 1 - k : k] = v >> (8 * k);
}

bool sffs_is_zero(const void *p, size_t len)
{
	const char *c = p;

	return !len || (!*c && !memcmp(c, c + 1, len - 1));
}

bool sffs_reserved_zero(const struct sffs_struct *s, void *base, bool clear)
{
	bool zero = true;

	for (const struct sffs_field *f = s->field; f->name; f++) {
		uint8_t *p = (uint8_t *)base + f->offset;

		if (f->kind == SFFS_F_SUB) {
			for (unsigned int i = 0; i < f->count; i++)
				zero &= sffs_reserved_zero(f->sub, p + i * f->width, clear);
		} else if (f->kind == SFFS_F_ZERO && !sffs_is_zero(p, f->count)) {
			zero = false;
			if (clear)
				memset(p, 0, f->count);
		}
	}
	return zero;
}
