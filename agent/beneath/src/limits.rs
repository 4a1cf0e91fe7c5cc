//! Every bound of this package, named once.

/// Bytes of a path that a user writes; the kernel takes one more, for the NUL.
pub const PATH_BYTES_MAX: usize = 4_095;
/// Bytes of one part of a path, as in the kernel's file systems.
pub const PART_BYTES_MAX: usize = 255;
/// Parts of a path that a user writes.
pub const PARTS_MAX: usize = 128;
/// Bytes of a name that an error tells; the rest is cut off.
pub const TOLD_BYTES_MAX: usize = 200;
/// Supplementary groups of a user, as in the kernel (`NGROUPS_MAX`).
pub const GROUPS_MAX: usize = 65_536;
/// How often a lookup is asked again if the kernel says that names changed under it.
pub const AGAIN_MAX: usize = 64;

/// Bytes of a pin's name.
pub const PIN_NAME_BYTES_MAX: usize = 128;
/// Pins that are cleared at once; the kernel's own bound is 100,000 mounts.
pub const PINS_MAX: usize = 16_384;
/// Mounts on top of each other that are taken away from one pin.
pub const STACKED_MAX: usize = 8;
/// Bytes of `/proc/…/mountinfo`.
pub const MOUNTINFO_BYTES_MAX: u64 = 64 << 20;

/// Entries of one page of a listing.
pub const PAGE_MAX: usize = 1_000;
/// Entries of a directory that can be listed at all.
pub const SCAN_MAX: usize = 1_000_000;
/// Directories inside each other that a walk enters; each holds one descriptor.
pub const WALK_DEPTH_MAX: usize = 128;
/// Entries that one walk looks at.
pub const WALK_ENTRIES_MAX: u64 = 10_000_000;
/// Entries of a zip file: its writer remembers each until the end.
pub const ZIP_ENTRIES_MAX: u64 = 100_000;
/// Left-out entries that are told by name; all are counted.
pub const OMISSIONS_MAX: usize = 1_000;

/// Bytes read and written at once.
pub const COPY_BYTES: usize = 128 << 10;
/// Temporary names that are tried for one thing.
pub const TEMPORARY_NAMES_MAX: usize = 16;

/// Directories inside each other that a removal enters; deeper ones are moved up first.
pub const REMOVE_LEVELS_MAX: usize = 32;
/// Rounds of a removal. Each goes as many levels deeper into what the one before moved up.
pub const REMOVE_ROUNDS_MAX: usize = 10_000;
/// Rounds of a removal that have moved nothing up and yet were not the last one. One is normal.
pub const REMOVE_QUIET_ROUNDS_MAX: usize = 8;

/// Bytes of the files of one pin that are in memory.
pub const MEMORY_BYTES_MAX: u64 = 4 << 20;
