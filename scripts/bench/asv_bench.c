// SPDX-License-Identifier: GPL-2.0-only
/*
 * asv_bench - what `make bench` counts, in the kernel of a host with one processor whose
 * time stamp counter counts instructions.
 *
 * A guest marks the begin and the end of each measurement by a write to an I/O port, see
 * guest.h. Between the two this module adds up what its probes see: that costs less than a
 * trace does, nothing has to be read meanwhile, and what the probes themselves take is
 * known and is no part of the result. One line for each measurement is read from
 * /sys/kernel/debug/asv_bench:
 *
 *	NAME total guest exits user-exits switches launcher
 *
 * NAME is the measurement's number. The total is without the idle task; guest is what was
 * spent between kvm_entry and kvm_exit; launcher counts switches to threads of the virtual
 * machine monitor that are neither its processor nor a worker of vhost. A write begins
 * anew. After a write of "exec" the next program that is started is what is measured: NAME
 * is "entry" at the first entry of a guest, and "up" at the guest's first mark.
 */
#include <asm/msr.h>
#include <linux/debugfs.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>

#define MARK_PORT	0xf40
#define MARK_BEGIN	0x80	/* | number << 1 */
#define MARK_END	0x81
#define MARK_UP		0xff
#define WINDOWS		64
#define ENTRY		0x100	/* numbers that no mark has */
#define UP		0x101

struct window {
	unsigned int number;
	u64 begin, total, guest;
	u64 unseen;	/* of the probes and of the idle task: no part of the total */
	unsigned int exits, user_exits, switches, launcher;
};

static struct window current_window, windows[WINDOWS];
static unsigned int nwindows;
static bool counting, armed;
static u64 entered, idle_since;
static pid_t vcpu, monitor;	/* of the guest that was last entered */
static struct dentry *file;

static void begin(unsigned int number)
{
	current_window = (struct window){ .number = number, .begin = rdtsc() };
	entered = 0;
	idle_since = 0;
	counting = true;
}

/* The exit of the end's mark, and the way to user space of the begin's, do not count. */
static void begin_marked(unsigned int number)
{
	begin(number);
	current_window.exits--;
	current_window.user_exits--;
}

/* What was counted up to now, under the name @number. */
static void store(unsigned int number)
{
	struct window *w = &windows[nwindows];

	if (!counting || nwindows == WINDOWS)
		return;
	*w = current_window;
	w->number = number;
	w->total = rdtsc() - w->begin - w->unseen;
	nwindows++;
}

static void on_entry(void *data, struct kvm_vcpu *v)
{
	u64 start = rdtsc();

	vcpu = current->pid;
	monitor = current->tgid;
	if (!counting)
		return;
	if (current_window.number == ENTRY) {
		store(ENTRY);
		current_window.number = UP;
	}
	entered = rdtsc();
	current_window.unseen += entered - start;
}

static void on_exit(void *data, struct kvm_vcpu *v)
{
	u64 start = rdtsc();

	if (!counting)
		return;
	current_window.exits++;
	if (entered)
		current_window.guest += start - entered;
	entered = 0;
	current_window.unseen += rdtsc() - start;
}

static void on_userspace_exit(void *data, u32 reason)
{
	current_window.user_exits++;
}

static bool is_launcher(const struct task_struct *task)
{
	if (task->tgid != monitor || task->pid == vcpu)
		return false;
#ifdef PF_USER_WORKER
	if (task->flags & PF_USER_WORKER)
		return false;
#endif
	return true;
}

static void on_switch(void *data, bool preempt, struct task_struct *prev,
		      struct task_struct *next)
{
	u64 start = rdtsc();

	if (!counting)
		return;
	current_window.switches++;
	current_window.launcher += is_launcher(next);
	if (!prev->pid && idle_since)
		current_window.unseen += start - idle_since;
	idle_since = next->pid ? 0 : start;
	if (next->pid)
		current_window.unseen += rdtsc() - start;
}

static void on_exec(void *data, struct task_struct *task)
{
	if (!armed)
		return;
	armed = false;
	begin(ENTRY);
}

static void on_pio(void *data, unsigned int rw, unsigned int port, unsigned int size,
		   unsigned int count, const void *value)
{
	u8 mark = *(const u8 *)value;

	if (port != MARK_PORT)
		return;
	if (mark == MARK_UP)
		store(UP);
	else if ((mark & MARK_END) == MARK_BEGIN)
		begin_marked(mark >> 1 & 0x3f);
	else
		store(mark >> 1 & 0x3f);
	if ((mark & MARK_END) == MARK_END)
		counting = false;
}

/* The probes take what both kernels' tracepoints begin with. */
static struct probe {
	const char *name;
	void *fn;
	struct tracepoint *tp;
} probes[] = {
	{ "sched_switch", on_switch },
	{ "sched_process_exec", on_exec },
	{ "kvm_entry", on_entry },
	{ "kvm_exit", on_exit },
	{ "kvm_userspace_exit", on_userspace_exit },
	{ "kvm_pio", on_pio },
};

static void look(struct tracepoint *tp, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!probes[i].tp && !strcmp(probes[i].name, tp->name))
			probes[i].tp = tp;
}

static int look_in_module(struct notifier_block *nb, unsigned long action, void *arg)
{
	struct tp_module *module = arg;
	int i;

	if (action == MODULE_STATE_COMING)
		for (i = 0; i < module->mod->num_tracepoints; i++)
			look(tracepoint_ptr_deref(&module->mod->tracepoints_ptrs[i]), NULL);
	return NOTIFY_OK;
}

static struct notifier_block in_modules = { .notifier_call = look_in_module };

static int show(struct seq_file *m, void *unused)
{
	unsigned int i;

	for (i = 0; i < nwindows; i++) {
		const struct window *w = &windows[i];

		if (w->number == ENTRY || w->number == UP)
			seq_puts(m, w->number == UP ? "up" : "entry");
		else
			seq_printf(m, "%u", w->number);
		seq_printf(m, " %llu %llu %u %u %u %u\n", w->total, w->guest, w->exits,
			   w->user_exits, w->switches, w->launcher);
	}
	return 0;
}

static int open(struct inode *inode, struct file *f)
{
	return single_open(f, show, NULL);
}

static ssize_t write(struct file *f, const char __user *buf, size_t n, loff_t *pos)
{
	char line[32] = "";
	unsigned int number;

	if (copy_from_user(line, buf, min(n, sizeof(line) - 1)))
		return -EFAULT;
	if (sscanf(line, "begin %u", &number) == 1) {
		begin(number);
	} else if (sscanf(line, "end %u", &number) == 1) {
		store(number);
		counting = false;
	} else {
		counting = false;
		nwindows = 0;
		armed = !strncmp(line, "exec", 4);
	}
	return n;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE, .open = open, .read = seq_read, .llseek = seq_lseek,
	.release = single_release, .write = write,
};

static void leave(unsigned int n)
{
	while (n--)
		tracepoint_probe_unregister(probes[n].tp, probes[n].fn, NULL);
	tracepoint_synchronize_unregister();
}

static int __init bench_init(void)
{
	unsigned int i;
	int ret;

	for_each_kernel_tracepoint(look, NULL);
	ret = register_tracepoint_module_notifier(&in_modules);
	if (ret)
		return ret;
	unregister_tracepoint_module_notifier(&in_modules);
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		ret = probes[i].tp ?
			tracepoint_probe_register(probes[i].tp, probes[i].fn, NULL) : -ENOENT;
		if (ret) {
			pr_err("asv_bench: %s: %d; is kvm loaded?\n", probes[i].name, ret);
			leave(i);
			return ret;
		}
	}
	file = debugfs_create_file("asv_bench", 0600, NULL, NULL, &fops);
	return 0;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	debugfs_remove(file);
	leave(ARRAY_SIZE(probes));
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Counts what make bench measures");
MODULE_LICENSE("GPL");
