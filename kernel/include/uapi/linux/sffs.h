/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What programs can ask of a mounted SFFS volume: ioctls on any of its files, and a
 * generic netlink family for the state of its slots, locks and space, and for events.
 */
#ifndef _LINUX_SFFS_H
#define _LINUX_SFFS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* ---- ioctls ------------------------------------------------------------- */

#define SFFS_IOC_MAGIC	0xf5

/**
 * struct sffs_grow - for SFFS_IOC_GROW
 * @blocks: in: blocks of 4096 bytes that the volume shall have, 0: all of its device;
 *	out: blocks that it has now
 */
struct sffs_grow {
	__u64 blocks;
};

/**
 * SFFS_IOC_GROW - make a mounted volume larger, after its device has become so
 *
 * What is left over behind the last group of at least 16 MiB is not used. On return the
 * new size is on the disk. A crash meanwhile leaves the volume with its old size.
 *
 * Context: sleeps, for long if very much is added; can be killed.
 * Errors: EPERM without CAP_SYS_ADMIN; EINVAL less than now; ENOSPC more than the device
 * has; EFBIG more groups than the format has room for; EROFS, EIO, EUCLEAN, ENOMEM, EINTR.
 */
#define SFFS_IOC_GROW		_IOWR(SFFS_IOC_MAGIC, 1, struct sffs_grow)

#define SFFS_OWNED_HERE		0x1	/* the owner is this host */

/**
 * struct sffs_owner_info - for SFFS_IOC_GET_OWNER
 * @ino: in: number of the file, 0: the one that the descriptor is of
 * @mode: 0 nobody, 1 one host runs on this disk
 * @flags: SFFS_OWNED_*
 * @slot: of the owner
 * @incarnation: of that slot
 * @since_sec: when it was taken, seconds since 1970
 * @host: its name, ends with a zero
 *
 * An owner whose host is gone is none.
 */
struct sffs_owner_info {
	__u64 ino;
	__u32 mode;
	__u32 flags;
	__u32 slot;
	__u32 incarnation;
	__s64 since_sec;
	char  host[64];
};

/**
 * SFFS_IOC_GET_OWNER - which host owns a virtual disk
 *
 * One that another host owns cannot be opened, so it can be named by its inode number on a
 * descriptor of another file of the volume; that wants CAP_DAC_READ_SEARCH.
 *
 * Errors: EINVAL not a regular file; ESTALE no such inode; EPERM; EIO, EUCLEAN.
 */
#define SFFS_IOC_GET_OWNER	_IOWR(SFFS_IOC_MAGIC, 2, struct sffs_owner_info)

/**
 * SFFS_IOC_TAKE_OWNER - make this host the owner of a virtual disk
 *
 * It stays the owner until it releases the disk, unmounts the volume or dies; elsewhere
 * open, unlink, truncate and rename over it fail with EBUSY. Taking it again changes nothing.
 *
 * Errors: EBADF not open for writing; EINVAL not a regular file; EBUSY another host is the
 * owner; EROFS, EIO.
 */
#define SFFS_IOC_TAKE_OWNER	_IO(SFFS_IOC_MAGIC, 3)

/**
 * SFFS_IOC_RELEASE_OWNER - this host no longer owns a virtual disk
 *
 * Errors: as SFFS_IOC_TAKE_OWNER; nothing is done, and it succeeds, if nobody is the owner.
 */
#define SFFS_IOC_RELEASE_OWNER	_IO(SFFS_IOC_MAGIC, 4)

/**
 * struct sffs_reclaim_group - for SFFS_IOC_RECLAIM
 * @group: in: number of an allocation group, from 0 on
 * @groups: out: how many there are
 * @bytes: out: what was unmapped
 */
struct sffs_reclaim_group {
	__u32 group;
	__u32 groups;
	__u64 bytes;
};

/**
 * SFFS_IOC_RECLAIM - give what is free in one allocation group back to the array
 *
 * As FITRIM of that group, whatever the rate is. A program that goes through all groups can
 * show how far it is.
 *
 * Context: sleeps; can be killed.
 * Errors: EPERM without CAP_SYS_ADMIN; EINVAL no such group; EOPNOTSUPP the device takes no
 * UNMAP; EROFS, EIO, EUCLEAN, ENOMEM, EINTR.
 */
#define SFFS_IOC_RECLAIM	_IOWR(SFFS_IOC_MAGIC, 5, struct sffs_reclaim_group)

/**
 * SFFS_IOC_SET_RECLAIM - how fast freed space is given back in the background
 *
 * The argument is in kB/s: 0 not at all, 0xffffffff as fast as it goes. On return it is on
 * the disk, and in force.
 *
 * Errors: EPERM without CAP_SYS_ADMIN; EROFS, EIO, EINTR.
 */
#define SFFS_IOC_SET_RECLAIM	_IOW(SFFS_IOC_MAGIC, 6, __u32)

/* ---- Generic netlink ---------------------------------------------------- */

#define SFFS_GENL_NAME		"sffs"
#define SFFS_GENL_VERSION	1
#define SFFS_GENL_EVENTS	"events"	/* multicast group */

/**
 * enum sffs_genl_cmd - messages of the family
 * @SFFS_CMD_GET_SPACE: dump: a message for each mounted volume: SFFS_A_DEV, _UUID, _LABEL,
 *	_BLOCKS, _FREE, _UNMAPPED, _PENDING, _RECLAIM
 * @SFFS_CMD_GET_NODES: dump: a message for each slot: SFFS_A_DEV, _SLOT, _STATE,
 *	_INCARNATION, _HOST, _MOUNTED, _SLOT_FLAGS, and _HERE for this host's own
 * @SFFS_CMD_GET_LOCKS: dump: a message for each lock that this node has a record of in
 *	memory: the fixed ones, groups, and inodes that are in use: SFFS_A_DEV, _LOCK_TYPE,
 *	_LOCK_NUMBER, _LOCK_MODE, _USES_SHARED, _USES_EXCLUSIVE
 * @SFFS_CMD_EVENT: to the group SFFS_GENL_EVENTS: SFFS_A_DEV, _UUID, _EVENT, _TEXT, and
 *	_BLOCK where there is one. A listener that is too slow, or a host short of memory,
 *	loses events.
 *
 * The dumps want CAP_NET_ADMIN, and take an SFFS_A_DEV to tell of one volume only.
 */
enum sffs_genl_cmd {
	SFFS_CMD_UNSPEC,
	SFFS_CMD_GET_SPACE,
	SFFS_CMD_GET_NODES,
	SFFS_CMD_GET_LOCKS,
	SFFS_CMD_EVENT,
};

/**
 * enum sffs_attr - attributes of the messages
 * @SFFS_A_DEV: u32, the volume's st_dev as stat(2) tells it of its files
 * @SFFS_A_UUID: 16 bytes
 * @SFFS_A_LABEL: string
 * @SFFS_A_BLOCKS: u64, blocks of 4096 bytes that files and metadata can use
 * @SFFS_A_FREE: u64, blocks of them that are free
 * @SFFS_A_UNMAPPED: u64, blocks of those that the array does not back
 * @SFFS_A_PENDING: u64, free blocks that wait for the transaction that freed them
 * @SFFS_A_SLOT: u32
 * @SFFS_A_STATE: u32, enum sffs_slot_state of the format
 * @SFFS_A_INCARNATION: u32
 * @SFFS_A_HOST: string
 * @SFFS_A_MOUNTED: u64, seconds since 1970
 * @SFFS_A_SLOT_FLAGS: u32, SFFS_SLOTF_* of the format
 * @SFFS_A_HERE: flag, the slot is this host's
 * @SFFS_A_LOCK_TYPE: u32, enum sffs_lock_type of the format
 * @SFFS_A_LOCK_NUMBER: u64, of the resource
 * @SFFS_A_LOCK_MODE: u32, enum sffs_lock_mode in which this node holds it
 * @SFFS_A_USES_SHARED: u32, tasks and requests of this node that read under it
 * @SFFS_A_USES_EXCLUSIVE: u32, those that write under it
 * @SFFS_A_EVENT: u32, enum sffs_event
 * @SFFS_A_TEXT: string, for people
 * @SFFS_A_BLOCK: u64, block that the event is about
 * @SFFS_A_PAD: nothing
 * @SFFS_A_RECLAIM: u32, how fast freed space is given back, as for SFFS_IOC_SET_RECLAIM
 */
enum sffs_attr {
	SFFS_A_UNSPEC,
	SFFS_A_DEV,
	SFFS_A_UUID,
	SFFS_A_LABEL,
	SFFS_A_BLOCKS,
	SFFS_A_FREE,
	SFFS_A_UNMAPPED,
	SFFS_A_PENDING,
	SFFS_A_SLOT,
	SFFS_A_STATE,
	SFFS_A_INCARNATION,
	SFFS_A_HOST,
	SFFS_A_MOUNTED,
	SFFS_A_SLOT_FLAGS,
	SFFS_A_HERE,
	SFFS_A_LOCK_TYPE,
	SFFS_A_LOCK_NUMBER,
	SFFS_A_LOCK_MODE,
	SFFS_A_USES_SHARED,
	SFFS_A_USES_EXCLUSIVE,
	SFFS_A_EVENT,
	SFFS_A_TEXT,
	SFFS_A_BLOCK,
	SFFS_A_PAD,
	SFFS_A_RECLAIM,
	__SFFS_A_MAX,
	SFFS_A_MAX = __SFFS_A_MAX - 1
};

/**
 * enum sffs_event - what SFFS_CMD_EVENT tells of
 * @SFFS_EVENT_MOUNT: a volume was mounted here
 * @SFFS_EVENT_UNMOUNT: and is so no longer
 * @SFFS_EVENT_SHUTDOWN: this mount never writes again; SFFS_A_TEXT says why
 * @SFFS_EVENT_DAMAGE: SFFS_A_BLOCK is not what it should be
 * @SFFS_EVENT_GROWN: the volume is larger; SFFS_A_BLOCK is its new size
 */
enum sffs_event {
	SFFS_EVENT_UNSPEC,
	SFFS_EVENT_MOUNT,
	SFFS_EVENT_UNMOUNT,
	SFFS_EVENT_SHUTDOWN,
	SFFS_EVENT_DAMAGE,
	SFFS_EVENT_GROWN,
};

#endif /* _LINUX_SFFS_H */
