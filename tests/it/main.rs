//! The tests of the program as a whole: the binary itself, the rules of the house, files that are generated.

mod cli;
mod comments;
mod generated;
mod local;
#[path = "../servers/model/mod.rs"]
mod model_server;
mod model_wire;
mod range;
mod reviewers;
mod rooms;
mod stories;
