//! Every text that is posted on a merge request, one function each. A pure room: findings and state in, Markdown out; it must not decide what
//! is posted, and no foreign text gets past `defuse`.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod defuse;
mod page;
mod phrases;
mod reply;
mod summary;
mod thread;

pub use defuse::{Links, cell, code, code_block, code_cell, guarded, line, prose, suggestion};
pub use page::{Page, blob_url};
pub use reply::reply;
pub use summary::{Did, Facts, Instructions, Lifted, Task, Undone, summary};
pub use thread::thread;
