//! The tests of the program as a whole: the binary itself, the rules of the house, files that are generated.

mod cli;
mod generated;
mod local;
mod rooms;
