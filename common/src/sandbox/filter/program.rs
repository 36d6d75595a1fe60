//! The filter itself, on the architectures that have one.

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO,
    c_long, sock_filter,
};

/// `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_AARCH64` (kernel: include/uapi/linux/audit.h).
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

/// From here on x86-64 has the calls of its 32-bit pointers once more; aarch64 has none so high.
const X32_BIT: u32 = 0x4000_0000;

// `struct seccomp_data` (kernel: include/uapi/linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCH_AT: u32 = 4;
/// The low half of an argument, counted from 0; both architectures are little-endian.
const fn argument(n: u32) -> u32 {
    16 + 8 * n
}

/// Calls that open files, and which argument has the flags.
#[cfg(target_arch = "x86_64")]
const OPENS: &[(c_long, u32)] = &[(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(target_arch = "aarch64")]
const OPENS: &[(c_long, u32)] = &[(libc::SYS_openat, 2)];

/// Calls whose arguments are out of reach for a filter. Without them the C library takes older ones.
const UNKNOWN: &[c_long] = &[libc::SYS_clone3, libc::SYS_openat2];

/// What no exporter does.
const REFUSED: &[c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Mounts, namespaces, and ways around the paths.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_setns,
    libc::SYS_unshare,
    // What belongs to files and is no writing to Landlock, or would make it look longer at each file that is opened.
    libc::SYS_truncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    // Large parts of the kernel that nothing here has a use for.
    libc::SYS_bpf,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_personality,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_creat,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(target_arch = "aarch64")]
const REFUSED_HERE: &[c_long] = &[];

fn statement(code: u32, k: u32) -> sock_filter {
    jump(code, k, 0, 0)
}

/// `yes` and `no` are how many instructions are left out.
fn jump(code: u32, k: u32, yes: u8, no: u8) -> sock_filter {
    // The codes of classic BPF have 16 bits.
    sock_filter { code: code as u16, jt: yes, jf: no, k }
}

/// Compares; jumps as [`jump`] does.
fn compare(comparison: u32, value: u32, yes: u8, no: u8) -> sock_filter {
    jump(BPF_JMP | comparison | BPF_K, value, yes, no)
}

fn load(at: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, at)
}

fn refuse(errno: i32) -> sock_filter {
    statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errno.unsigned_abs())
}

fn allow() -> sock_filter {
    statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
}

/// The next instruction is left out unless the comparison holds.
fn unless_skip(comparison: u32, value: u32) -> sock_filter {
    compare(comparison, value, 0, 1)
}

/// The program; `perf` says whether performance counters are opened.
pub(super) fn of(perf: bool) -> Vec<sock_filter> {
    let mut program = vec![
        load(ARCH_AT),
        // The calls of another architecture have other numbers.
        compare(BPF_JEQ, ARCH, 1, 0),
        refuse(libc::EPERM),
        load(NUMBER),
        unless_skip(BPF_JGE, X32_BIT),
        refuse(libc::EPERM),
    ];
    // First, as these are the ones that the kernel cannot tell without running the program.
    for (call, flags) in OPENS {
        program.extend([
            compare(BPF_JEQ, number(*call), 0, 4),
            load(argument(*flags)),
            // Even a file that is opened for reading alone can be cut off by that.
            unless_skip(BPF_JSET, libc::O_TRUNC.unsigned_abs()),
            refuse(libc::EPERM),
            allow(),
        ]);
    }
    for call in UNKNOWN {
        program.extend([unless_skip(BPF_JEQ, number(*call)), refuse(libc::ENOSYS)]);
    }
    let perf = (!perf).then_some(libc::SYS_perf_event_open);
    for call in REFUSED.iter().chain(REFUSED_HERE).copied().chain(perf) {
        program.extend([unless_skip(BPF_JEQ, number(call)), refuse(libc::EPERM)]);
    }
    program.extend([
        compare(BPF_JEQ, number(libc::SYS_clone), 1, 0),
        allow(),
        // A new process is refused, a thread is not.
        load(argument(0)),
        compare(BPF_JSET, libc::CLONE_THREAD.unsigned_abs(), 1, 0),
        refuse(libc::EPERM),
        allow(),
    ]);
    program
}

fn number(call: c_long) -> u32 {
    // A number that is none would be u32::MAX, which is refused before.
    u32::try_from(call).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do with a call: runs the instructions that `of` uses.
    fn run(program: &[sock_filter], call: u32, arch: u32, arguments: [u32; 3]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let code = u32::from(step.code);
            let holds = match code & 0xf0 {
                _ if code == BPF_RET | BPF_K => return step.k,
                _ if code == BPF_LD | BPF_W | BPF_ABS => {
                    value = match step.k {
                        NUMBER => call,
                        ARCH_AT => arch,
                        at => arguments[usize::try_from((at - argument(0)) / 8).unwrap()],
                    };
                    continue;
                }
                BPF_JEQ => value == step.k,
                BPF_JGE => value >= step.k,
                BPF_JSET => value & step.k != 0,
                other => panic!("{other}"),
            };
            at += usize::from(if holds { step.jt } else { step.jf });
        }
    }

    #[track_caller]
    fn check(perf: bool, calls: &[c_long], first_argument: i32, want: u32) {
        for call in calls {
            let arguments = [first_argument.unsigned_abs(), 0, 0];
            assert_eq!(run(&of(perf), number(*call), ARCH, arguments), want, "{call}");
        }
    }

    const EPERM: u32 = SECCOMP_RET_ERRNO | 1;

    #[test]
    fn what_is_listed_is_refused_and_nothing_else() {
        check(false, REFUSED, 0, EPERM);
        check(false, REFUSED_HERE, 0, EPERM);
        let listed = |call: &c_long| REFUSED.contains(call) || REFUSED_HERE.contains(call);
        let special = [libc::SYS_clone, libc::SYS_clone3, libc::SYS_openat2, libc::SYS_perf_event_open];
        let others: Vec<c_long> = (0..1000).filter(|call| !listed(call) && !special.contains(call)).collect();
        check(false, &others, 0, SECCOMP_RET_ALLOW);
        check(false, UNKNOWN, 0, SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs());
    }

    #[test]
    fn threads_are_started_and_processes_are_not() {
        let thread = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
        check(false, &[libc::SYS_clone], thread, SECCOMP_RET_ALLOW);
        check(false, &[libc::SYS_clone], libc::CLONE_VM | libc::CLONE_VFORK, EPERM);
        check(false, &[libc::SYS_clone], libc::SIGCHLD, EPERM);
    }

    #[test]
    fn files_are_opened_and_not_cut_off() {
        let reading = (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_DIRECTORY).unsigned_abs();
        let cutting = (libc::O_RDONLY | libc::O_TRUNC).unsigned_abs();
        for &(call, flags) in OPENS {
            for (given, want) in [(reading, SECCOMP_RET_ALLOW), (cutting, EPERM)] {
                let mut arguments = [u32::MAX, 0, 0];
                arguments[flags as usize] = given;
                assert_eq!(run(&of(false), number(call), ARCH, arguments), want, "{call}");
            }
        }
    }

    #[test]
    fn counters_are_opened_when_they_are_needed() {
        check(false, &[libc::SYS_perf_event_open], 0, EPERM);
        check(true, &[libc::SYS_perf_event_open], 0, SECCOMP_RET_ALLOW);
    }

    #[test]
    fn no_call_goes_by_another_number() {
        let of_32_bits = 0x4000_0003;
        assert_eq!(run(&of(false), number(libc::SYS_read), of_32_bits, [0; 3]), EPERM);
        assert_eq!(run(&of(false), X32_BIT | 1, ARCH, [0; 3]), EPERM);
    }
}
