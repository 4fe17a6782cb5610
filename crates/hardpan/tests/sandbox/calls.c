// SPDX-License-Identifier: Apache-2.0
// Makes system calls that must fail in a sandbox, and some that must not. Prints a line for each: its
// name and "ok" or the name of the error.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static void tell(const char *name, long result) {
    printf("%s %s\n", name, result < 0 ? strerrorname_np(errno) : "ok");
}

static void look_into(const char *name, const char *path) {
    char bytes[65536];
    int file = open(path, O_RDONLY);
    long result = file < 0 ? -1 : read(file, bytes, sizeof bytes);
    tell(name, result);
    if (file >= 0) close(file);
}

static void escape(void) {
    tell("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
    tell("bind", mount("/", "/tmp", NULL, MS_BIND, NULL));
    tell("umount", umount2("/proc", MNT_DETACH));
    tell("unshare", unshare(CLONE_NEWUSER));
    tell("clone", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    tell("clone3", syscall(SYS_clone3, NULL, 0));
    tell("setns", setns(0, 0));
    tell("pivot_root", syscall(SYS_pivot_root, "/", "/"));
    tell("chroot", chroot("/tmp"));
    tell("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 0));
    tell("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    tell("bpf", syscall(SYS_bpf, 0, NULL, 0));
    tell("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
    tell("userfaultfd", syscall(SYS_userfaultfd, 0));
    tell("keyctl", syscall(SYS_keyctl, 0, -3, 0, 0, 0));
    tell("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -3));
    tell("request_key", syscall(SYS_request_key, "user", "x", NULL, 0));
    tell("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL));
    tell("init_module", syscall(SYS_init_module, NULL, 0, ""));
    tell("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
    tell("reboot", reboot(RB_DISABLE_CAD));
    tell("swapon", syscall(SYS_swapon, "/x", 0));
    tell("syslog", syscall(SYS_syslog, 3, NULL, 0));
    tell("acct", syscall(SYS_acct, NULL));
    tell("open_by_handle_at", syscall(SYS_open_by_handle_at, 0, NULL, 0));
    tell("sethostname", sethostname("evil", 4));
    struct timespec time = {0, 0};
    tell("clock_settime", clock_settime(CLOCK_REALTIME, &time));
    struct timeval old = {0, 0};
    tell("settimeofday", settimeofday(&old, NULL));
    char character = 'x';
    tell("tiocsti", ioctl(0, TIOCSTI, &character));
    // The upper half of a request means nothing to the kernel.
    tell("tiocsti high", syscall(SYS_ioctl, 0, 0xabcd00000000ul | TIOCSTI, &character));
    tell("vsock", socket(40, SOCK_STREAM, 0));
    tell("alg", socket(38, SOCK_SEQPACKET, 0));
    tell("raw", socket(AF_INET, SOCK_RAW, 1));
    tell("packet", socket(AF_PACKET, SOCK_RAW, 0));
    tell("security.capability",
         setxattr("/tmp", "security.capability", "\1\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0));
    tell("trusted", setxattr("/tmp", "trusted.x", "x", 1, 0));
    tell("ptrace", ptrace(PTRACE_ATTACH, 1, 0, 0));
    tell("seize", ptrace(PTRACE_SEIZE, 1, 0, 0));
    char bytes[16];
    struct iovec here = {bytes, sizeof bytes}, there = {(void *)&tell, sizeof bytes};
    tell("process_vm_readv", process_vm_readv(1, &here, 1, &there, 1, 0));
    int first = syscall(SYS_pidfd_open, 1, 0);
    tell("pidfd_getfd", syscall(SYS_pidfd_getfd, first, 0, 0));
    look_into("mem", "/proc/1/mem");
    look_into("environ", "/proc/1/environ");
    look_into("maps", "/proc/1/maps");
    look_into("auxv", "/proc/1/auxv");
    look_into("kcore", "/proc/kcore");
    tell("exe", open("/proc/1/exe", O_RDONLY));
    tell("root", open("/proc/1/root/", O_RDONLY));
    tell("cwd", open("/proc/1/cwd/", O_RDONLY));
    tell("fd", open("/proc/1/fd", O_RDONLY));
    tell("fd 3", open("/proc/1/fd/3", O_RDONLY));
    tell("ns", open("/proc/1/ns/mnt", O_RDONLY));
    tell("sysrq", open("/proc/sysrq-trigger", O_WRONLY));
    tell("core_pattern", open("/proc/sys/kernel/core_pattern", O_WRONLY));
    tell("modprobe", open("/proc/sys/kernel/modprobe", O_WRONLY));
    tell("ip_forward", open("/proc/sys/net/ipv4/ip_forward", O_WRONLY));
    tell("kill parent", kill(getppid() > 1 ? getppid() : 0x3fffff, 0));
    tell("no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -1);
    tell("killed first", kill(1, SIGKILL) || kill(1, SIGTERM));
    struct stat status;
    tell("still there", stat("/proc/1", &status));
}

// What must work as it does elsewhere.
static void life(void) {
    pid_t child = fork();
    if (child == 0) _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) < 0);
    int status;
    waitpid(child, &status, 0);
    tell("trace a child", WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1);
    tell("memfd", memfd_create("x", 0));
    tell("socket", socket(AF_INET, SOCK_STREAM, 0));
    tell("unix", socket(AF_UNIX, SOCK_STREAM, 0));
    tell("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
    tell("pty", posix_openpt(O_RDWR));
    tell("shm", shm_open("/x", O_CREAT | O_RDWR, 0600));
    struct timespec time;
    tell("clock", clock_gettime(CLOCK_REALTIME, &time));
}

// What is recorded and not performed.
static void owners(void) {
    int file = open("/made", O_CREAT | O_RDWR, 0644);
    tell("fchown", fchown(file, 1, 2));
    tell("fchown one", fchown(file, -1, 3));
    tell("fchown closed", fchown(99, 1, 2));
    tell("fchown negative", fchown(-1, 1, 2));
    symlink("nowhere", "/link");
    tell("lchown", lchown("/link", 4, 5));
    tell("chown dangling", chown("/link", 4, 5));
    tell("chown missing", chown("/missing", 4, 5));
    tell("chown empty", chown("", 4, 5));
    tell("chown nowhere", chown((char *)8, 4, 5));
    tell("fchownat flags", fchownat(AT_FDCWD, "/made", 4, 5, 0x40000000));
    mkdir("/folder", 0755);
    close(open("/folder/file", O_CREAT | O_RDWR, 0644));
    int folder = open("/folder", O_RDONLY | O_DIRECTORY);
    tell("fchownat", fchownat(folder, "file", 6, 7, 0));
    tell("fchownat itself", fchownat(folder, "", 8, 9, AT_EMPTY_PATH));
    tell("fchownat no directory", fchownat(file, "file", 6, 7, 0));
    int path = open("/link", O_PATH | O_NOFOLLOW);
    tell("fchownat link", fchownat(path, "", 10, 11, AT_EMPTY_PATH));
    tell("chown stdout", chown("/dev/stdout", 4, 5));
    tell("chown proc", chown("/proc/self/comm", 4, 5));
    tell("chown dev", chown("/dev/null", 4, 5));
    tell("mknod", mknod("/folder/device", S_IFCHR | 0666, makedev(1, 3)));
    tell("mknod block", mknodat(folder, "block", S_IFBLK | 0600, makedev(259, 300)));
    tell("mknod there", mknod("/made", S_IFCHR | 0666, makedev(1, 3)));
    tell("mknod nowhere", mknod("/missing/device", S_IFCHR | 0666, makedev(1, 3)));
    tell("mknod whiteout", mknod("/folder/file", S_IFCHR, 0));
    tell("mknod file", mknod("/folder/plain", S_IFREG | 0600, 0));
    tell("mkfifo", mkfifo("/folder/fifo", 0600));
    tell("setuid", setuid(33));
    tell("setgid", setgid(33));
    tell("setgroups", syscall(SYS_setgroups, 0, NULL));
    tell("setresuid", setresuid(33, 33, 33));
    tell("setresuid own", setresuid(-1, getuid(), -1));
    int gone = open("/gone", O_CREAT | O_RDWR, 0644);
    unlink("/gone");
    tell("fchown gone", fchown(gone, 1, 2));
}

// Writes and gives away many files, with names that are used again.
static void reuse(void) {
    for (int round = 0; round < 200; round++) {
        int file = open("/again", O_CREAT | O_RDWR, 0644);
        if (fchown(file, 1000 + round, 1000) != 0) exit(1);
        close(file);
        unlink("/again");
    }
    close(open("/again", O_CREAT | O_RDWR, 0644));
}

// Connects to a socket without a file, by its name.
static void abstract(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
    socklen_t length = sizeof address.sun_family + 1 + strlen(name);
    int file = socket(AF_UNIX, SOCK_STREAM, 0);
    tell("abstract", connect(file, (struct sockaddr *)&address, length));
}

// Prints what /proc says of signals that are blocked or ignored, and what is open.
static void inherited(void) {
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        if (!strncmp(line, "Sig", 3) || !strncmp(line, "Cap", 3) || !strncmp(line, "Groups", 6)) fputs(line, stdout);
    fclose(status);
    for (int file = 0; file < 1024; file++)
        if (fcntl(file, F_GETFD) >= 0) printf("open %d\n", file);
}

// Starts a program under a filter that lacks a system call, as container engines' do.
// With -1 it lacks none, but somebody listens.
static void filtered(int number, char **arguments) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int flags = number < 0 ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
    int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (listener > 0) fcntl(listener, F_SETFD, 0);
    if (listener >= 0) execvp(arguments[0], arguments);
    exit(1);
}

// chown PATH UID GID, where -1 keeps a part. busybox writes what it read instead.
static void give(char **arguments) {
    tell("chown", chown(arguments[0], atoi(arguments[1]), atoi(arguments[2])));
}

int main(int count, char **arguments) {
    setvbuf(stdout, NULL, _IONBF, 0);
    const char *what = count > 1 ? arguments[1] : "";
    if (!strcmp(what, "escape")) escape();
    else if (!strcmp(what, "life")) life();
    else if (!strcmp(what, "owners")) owners();
    else if (!strcmp(what, "chown") && count == 5) give(arguments + 2);
    else if (!strcmp(what, "filtered") && count > 3) filtered(atoi(arguments[2]), arguments + 3);
    else if (!strcmp(what, "reuse")) reuse();
    else if (!strcmp(what, "abstract")) abstract(arguments[2]);
    else if (!strcmp(what, "inherited")) inherited();
    else return 2;
    return 0;
}
