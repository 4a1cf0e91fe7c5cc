//! Names that users write, resolved below directories that they cannot leave.
//!
//! A name is checked as text, then looked up by the kernel (`openat2`: beneath, no links, no magic
//! links) by a thread that has the user's file-system identity. What was found is held by its
//! descriptor, never by its name: a user who renames things meanwhile changes nothing. This package
//! knows nothing of jobs, of engines or of who may use what.
//!
//! [`resolve`] finds a directory below one of the administrator's; [`Pins`] mounts what was found
//! where the user cannot reach it, so that its path can be handed to another daemon. [`Tree`]
//! lists, reads, writes, packs and removes below one directory.
//!
//! Every call blocks: call from a thread that may wait.

pub mod error;
pub mod limits;

mod name;
pub use name::{shown, unshown};
mod ids;
pub use ids::{Ids, as_user};
mod descend;
mod resolve;
pub use resolve::{Pinnable, resolve};

mod kernel;
mod mountinfo;
mod pins;
pub use pins::{Access, Pins};

mod entry;
pub use entry::{Entry, Kind};
mod omission;
pub use omission::{Omission, Omissions, Why};
mod sweep;
mod tree;
mod walk;
pub use error::{BeneathError, NameFault};
pub use tree::{Archived, Format, Given, LEFT_OUT, Opened, Page, Parents, Tree, Usage};
