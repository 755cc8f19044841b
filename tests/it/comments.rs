//! What is posted on merge requests: the texts as they stand, what they may never do, and pages to look at.

mod cases;
mod gallery;
mod properties;
mod scene;
mod summaries;
mod threads;
