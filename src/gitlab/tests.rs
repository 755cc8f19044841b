//! The room against servers on this machine that answer as they are told.

mod reads;
mod sends;
mod server;

pub(super) use reads::request;
pub(super) use server::{Answer, Seen, Server};

use std::time::Duration;

use secrecy::SecretString;

use super::{Connection, DiffWait, Gitlab, Retry, Target};
use crate::change::CommitId;
use crate::round::{DiffRefs, Person};

pub(super) const TOKEN: &str = "glpat-0123456789abcdef";
pub(super) const TARGET: Target = Target { project: 42, iid: 5 };
/// Waits that nobody notices.
const SHORT: Duration = Duration::from_millis(2);
pub(super) const WAIT: DiffWait = DiffWait { attempts: 3, pause: SHORT };

pub(super) fn connection(api: &str) -> Connection {
    let retry = Retry { attempts: 3, base: SHORT, cap: SHORT, limited: SHORT, longest: Duration::from_secs(1) };
    Connection { retry, timeout: Duration::from_secs(5), ..Connection::new(api, SecretString::from(TOKEN)) }
}

pub(super) fn gitlab(server: &Server) -> Gitlab {
    let graphql = Some(format!("{}/api/graphql", server.origin));
    Gitlab::new(Connection { graphql, ..connection(&format!("{}/sub/api/v4", server.origin)) }).unwrap()
}

pub(super) fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).unwrap()
}

pub(super) fn refs() -> DiffRefs {
    DiffRefs { base: commit('b'), start: commit('c'), head: commit('a') }
}

pub(super) fn me() -> Person {
    Person { id: 9001, username: "bot".to_owned() }
}
