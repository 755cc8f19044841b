//! The checkout: git, run as a program. What is reviewed is always a git tree, so that whoever reads it reads blobs: no `.git`, no
//! environment, no link to follow, nothing an earlier job left behind. It must not change the repository, nor know of findings or models.

mod files;
mod git;
mod local;
mod range;

pub use files::{Files, MAX_BLOB_BYTES};
pub use git::Git;
pub use local::{Local, directory, local};
pub use range::{branch_tip, range};
