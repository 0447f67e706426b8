// SPDX-License-Identifier: GPL-2.0-only
/* Extents in one leaf: see extleaf.h. */
#include "extleaf.h"

struct sffs_extent ext_part(const struct sffs_extent *e, u64 first, u64 end)
{
	if (first < ext_first(e))
		first = ext_first(e);
	if (end > ext_end(e))
		end = ext_end(e);
	return ext_make(first, le64_to_cpu(e->block) + first - ext_first(e), end - first,
			ext_unwritten(e));
}

unsigned int ext_without(const struct sffs_extent *e, u64 first, u64 end,
			 struct sffs_extent *part)
{
	unsigned int n = 0;

	if (ext_first(e) < first)
		part[n++] = ext_part(e, 0, first);
	if (end < ext_end(e))
		part[n++] = ext_part(e, end, ~0ULL);
	return n;
}

unsigned int ext_changed(const struct sffs_extent *e, u64 first, u64 end, bool unwritten,
			 struct sffs_extent *part)
{
	unsigned int n = 0;

	if (ext_first(e) < first)
		part[n++] = ext_part(e, 0, first);
	part[n] = ext_part(e, first, end);
	part[n++].flags = cpu_to_le32(unwritten ? SFFS_EXTENT_UNWRITTEN : 0);
	if (end < ext_end(e))
		part[n++] = ext_part(e, end, ~0ULL);
	return n;
}

static bool ext_mergeable(const struct sffs_extent *a, const struct sffs_extent *b)
{
	return a->flags == b->flags && ext_end(a) == ext_first(b) &&
	       le64_to_cpu(a->block) + ext_count(a) == le64_to_cpu(b->block) &&
	       ext_count(a) + ext_count(b) <= ~0U;
}

/* Join neighbours in a short list; returns the new length. */
static unsigned int ext_join(struct sffs_extent *e, unsigned int n)
{
	unsigned int i, out = 0;

	for (i = 1; i < n; i++) {
		if (ext_mergeable(&e[out], &e[i]))
			e[out].count = cpu_to_le32(ext_count(&e[out]) + ext_count(&e[i]));
		else
			e[++out] = e[i];
	}
	return n ? out + 1 : 0;
}

int extleaf_search(const struct sffs_extent *ext, unsigned int count, u64 key)
{
	unsigned int low = 0, high = count;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (ext_first(&ext[mid]) <= key)
			low = mid + 1;
		else
			high = mid;
	}
	return (int)low - 1;
}

unsigned int extleaf_splice(struct sffs_extent *ext, unsigned int count, unsigned int max,
			    unsigned int at, unsigned int old, const struct sffs_extent *new,
			    unsigned int nr_new)
{
	struct sffs_extent list[5];
	unsigned int n = 0;

	if (at && nr_new) {
		list[n++] = ext[--at];
		old++;
	}
	memcpy(list + n, new, nr_new * sizeof(*new));
	n += nr_new;
	if (at + old < count && nr_new)
		list[n++] = ext[at + old++];
	n = ext_join(list, n);
	if (count - old + n > max)
		return count - old + n;
	memmove(ext + at + n, ext + at + old, (count - at - old) * sizeof(*ext));
	memcpy(ext + at, list, n * sizeof(*ext));
	if (n < old)
		memset(ext + count - old + n, 0, (old - n) * sizeof(*ext));
	return count - old + n;
}
