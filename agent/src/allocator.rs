//! How the daemon's memory allocator behaves. One call of C, and no more.
#![allow(unsafe_code, reason = "the allocator's options have no safe wrapper")]

use std::ffi::c_long;

use libmimalloc_sys::mi_option_t;

/// `mi_option_purge_delay` in mimalloc.h; the crate does not name it.
const PURGE_DELAY: mi_option_t = 15;
/// Milliseconds.
const KEEP_FREED: c_long = 1_000;

/// Lets freed memory stay for a second before it is given back. A head frees and takes again the
/// same memory with every batch of jobs; given back at once, as is usual, the kernel would clear
/// each page anew. To be called before any other thread runs.
pub fn tune() {
    // SAFETY: sets a number in a table of the allocator's.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, KEEP_FREED) }
}
