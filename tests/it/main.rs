//! The tests of the program as a whole: the binary itself, the rules of the house, files that are generated.

mod cli;
mod comments;
mod component;
mod component_job;
mod component_review;
mod faults;
mod generated;
#[path = "../servers/gitlab/mod.rs"]
mod gitlab;
mod gitlab_server;
mod live;
mod local;
mod merge_requests;
#[path = "../servers/model/mod.rs"]
mod model_server;
mod model_wire;
mod pipeline;
mod range;
mod reviewers;
mod rooms;
mod serve;
mod stories;
mod weather;
