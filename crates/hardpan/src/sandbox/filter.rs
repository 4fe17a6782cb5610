// SPDX-License-Identifier: Apache-2.0
//! The system call filter of a sandboxed program.
//!
//! One filter, written in the instructions of the kernel: an allow-list, a few calls whose arguments
//! are looked at, and the calls about ownership, which are answered by the first process.

use libc::{c_long, sock_filter};

use super::Identity;
use super::syscalls::{ALLOWED, ALLOWED_HERE, CHOWN, CHOWN_HERE, REFUSED};

/// What programs of this machine say that they are (`AUDIT_ARCH_…`).
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// Numbers from here on are of the x32 ABI.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// New namespaces of every kind that `clone` can make.
const NAMESPACES: u32 = 0x7E02_0000;
const AF_ALG: u32 = 38;
const AF_VSOCK: u32 = 40;
/// Puts characters into a terminal as if they were typed.
const TIOCSTI: u32 = 0x5412;
/// Does the same through a virtual console, among others.
const TIOCLINUX: u32 = 0x541C;
/// Personalities that a program may have: Linux, without random addresses or not, as older ones;
/// the last asks only.
const PERSONALITIES: [u32; 5] = [0, 0x8, 0x2_0000, 0x2_0008, u32::MAX];

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const EQUAL: u16 = 0x15;
const GREATER_OR_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;

const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
/// Low half of an argument: both machines are little endian, and what is looked at has 32 bits.
const fn argument_at(index: u32) -> u32 {
    16 + 8 * index
}

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const ASK: u32 = libc::SECCOMP_RET_USER_NOTIF;
const fn fail(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}
/// Returns success without doing anything.
const PRETEND: u32 = fail(0);

/// Makes the filter for a program that sees itself as this user.
pub(super) fn filter(identity: Identity) -> Vec<sock_filter> {
    let mut code = Code(Vec::with_capacity(512));
    code.load(ARCHITECTURE_AT);
    code.unless_equal(ARCHITECTURE, libc::SECCOMP_RET_KILL_PROCESS);
    code.load(NUMBER_AT);
    #[cfg(target_arch = "x86_64")]
    code.0
        .extend([jump(GREATER_OR_EQUAL, X32, 0, 1), plain(RETURN, libc::SECCOMP_RET_KILL_PROCESS)]);
    let mut allowed: Vec<c_long> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|&(_, number)| number).collect();
    code.ranges(&mut allowed, ALLOW);
    let mut refused: Vec<c_long> = REFUSED.iter().map(|&(_, number)| number).collect();
    code.ranges(&mut refused, fail(libc::EPERM));
    for &(_, number) in CHOWN.iter().chain(CHOWN_HERE) {
        code.on(number, |code| code.give(ASK));
    }
    special(&mut code);
    users(&mut code, identity);
    code.give(fail(libc::ENOSYS));
    code.0
}

/// Calls that are allowed with some arguments.
fn special(code: &mut Code) {
    code.on(libc::SYS_clone, |code| {
        code.load(argument_at(0));
        code.0.push(plain(AND, NAMESPACES));
        code.unless_equal(0, fail(libc::EPERM));
        code.give(ALLOW);
    });
    code.on(libc::SYS_socket, |code| {
        code.load(argument_at(0));
        code.if_equal(AF_ALG, fail(libc::EAFNOSUPPORT));
        code.if_equal(AF_VSOCK, fail(libc::EAFNOSUPPORT));
        code.give(ALLOW);
    });
    code.on(libc::SYS_ioctl, |code| {
        code.load(argument_at(1));
        code.if_equal(TIOCSTI, fail(libc::EPERM));
        code.if_equal(TIOCLINUX, fail(libc::EPERM));
        code.give(ALLOW);
    });
    code.on(libc::SYS_personality, |code| {
        code.load(argument_at(0));
        for personality in PERSONALITIES {
            code.if_equal(personality, ALLOW);
        }
        code.give(fail(libc::EPERM));
    });
    let nodes = |index: u32| {
        move |code: &mut Code| {
            code.load(argument_at(index));
            code.0.push(plain(AND, libc::S_IFMT));
            code.if_equal(libc::S_IFCHR, ASK);
            code.if_equal(libc::S_IFBLK, ASK);
            code.give(ALLOW);
        }
    };
    #[cfg(target_arch = "x86_64")]
    code.on(libc::SYS_mknod, nodes(1));
    code.on(libc::SYS_mknodat, nodes(2));
}

/// Calls that make the process somebody else. Only one user exists here: who is root may become
/// anybody, and stays what it is.
fn users(code: &mut Code, identity: Identity) {
    let other = if identity.uid == 0 { PRETEND } else { fail(libc::EPERM) };
    let by_ids = [
        (libc::SYS_setuid, identity.uid, 1),
        (libc::SYS_setreuid, identity.uid, 2),
        (libc::SYS_setresuid, identity.uid, 3),
        (libc::SYS_setgid, identity.gid, 1),
        (libc::SYS_setregid, identity.gid, 2),
        (libc::SYS_setresgid, identity.gid, 3),
    ];
    for (number, own, count) in by_ids {
        code.on(number, |code| {
            for index in 0..count {
                code.load(argument_at(index));
                // The own one, or (but for the first two calls) the one that means no change.
                let keep = if count == 1 { own } else { u32::MAX };
                code.0.push(jump(EQUAL, own, 2, 0));
                code.0.push(jump(EQUAL, keep, 1, 0));
                code.give(other);
            }
            code.give(ALLOW);
        });
    }
    code.on(libc::SYS_setgroups, |code| code.give(other));
}

/// Instructions so far. The number of the call is loaded between blocks.
struct Code(Vec<sock_filter>);

impl Code {
    fn load(&mut self, at: u32) {
        self.0.push(plain(LOAD, at));
    }

    fn give(&mut self, result: u32) {
        self.0.push(plain(RETURN, result));
    }

    fn if_equal(&mut self, value: u32, result: u32) {
        self.0.extend([jump(EQUAL, value, 0, 1), plain(RETURN, result)]);
    }

    fn unless_equal(&mut self, value: u32, result: u32) {
        self.0.extend([jump(EQUAL, value, 1, 0), plain(RETURN, result)]);
    }

    /// Adds a block for one call. It must end with a result.
    fn on(&mut self, number: c_long, block: impl FnOnce(&mut Self)) {
        let at = self.0.len();
        self.0.push(jump(EQUAL, word(number), 0, 0));
        block(self);
        let length = self.0.len() - at - 1;
        // Blocks have at most a dozen instructions.
        self.0[at].jf = u8::try_from(length).unwrap_or(u8::MAX);
    }

    /// Gives one result for all of these calls.
    fn ranges(&mut self, numbers: &mut Vec<c_long>, result: u32) {
        numbers.sort_unstable();
        numbers.dedup();
        for range in numbers.chunk_by(|a, b| a + 1 == *b) {
            let (Some(first), Some(last)) = (range.first(), range.last()) else { continue };
            self.0.extend([
                jump(GREATER_OR_EQUAL, word(*first), 0, 2),
                jump(GREATER_OR_EQUAL, word(*last + 1), 1, 0),
                plain(RETURN, result),
            ]);
        }
    }
}

/// Numbers of calls are small.
fn word(number: c_long) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn plain(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests;
