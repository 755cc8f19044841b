//! Who may do what on a merge request. It must not ask GitLab: levels are given, and a level that is not known permits nothing.

use std::collections::BTreeMap;

use super::Person;
use crate::review::Severity;

/// A level of access to the project, by GitLab's numbers: 10 guest, 20 reporter, 30 developer, 40 maintainer, 50 owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessLevel(u8);

impl AccessLevel {
    /// May push to branches that are not protected.
    pub const DEVELOPER: Self = Self(30);
    /// May merge into protected branches.
    pub const MAINTAINER: Self = Self(40);

    /// Returns the level of this number.
    pub const fn new(number: u8) -> Self {
        Self(number)
    }
}

/// The people of a merge request.
#[derive(Clone, Copy, Debug)]
pub struct People<'a> {
    /// Who opened it.
    pub author: &'a Person,
    /// The level of each person who wrote, reacted or resolved, by number; none for somebody who is no member.
    pub access: &'a BTreeMap<u64, Option<AccessLevel>>,
    /// What dismissing a critical, lifting the gate and lowering a tier takes.
    pub min_access: AccessLevel,
}

impl People<'_> {
    /// Returns whether the person is known to have at least the level that is asked for.
    pub fn reach(&self, person: &Person) -> bool {
        self.access.get(&person.id).copied().flatten().is_some_and(|level| level >= self.min_access)
    }

    /// Returns whether the person may decide that a finding of this severity stays: anybody, but a critical takes somebody else than the author
    /// who has the level that is asked for.
    pub fn may_dismiss(&self, person: &Person, severity: Severity) -> bool {
        match severity {
            Severity::Critical => person.id != self.author.id && !person.is_bot() && self.reach(person),
            Severity::Important | Severity::Suggestion | Severity::Nit => !person.is_bot(),
        }
    }
}

impl Person {
    /// Returns whether the name is one that GitLab gives to the users of access tokens, service accounts and itself.
    pub fn is_bot(&self) -> bool {
        let name = self.username.as_str();
        let token = |prefix: &str| {
            let number = name.strip_prefix(prefix).map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
            number.is_some_and(|rest| rest.starts_with("_bot"))
        };
        token("project_") || token("group_") || name.starts_with("service_account_") || name == "ghost" || name.ends_with("-bot")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: u64, username: &str) -> Person {
        Person { id, username: username.to_owned() }
    }

    #[test]
    fn a_critical_is_dismissed_by_somebody_else_whose_level_is_known() {
        let author = person(1, "ann");
        let levels = [(1, 50), (2, 30), (3, 20)].map(|(id, level)| (id, Some(AccessLevel::new(level))));
        let mut access = BTreeMap::from(levels);
        access.insert(4, None);
        let people = People { author: &author, access: &access, min_access: AccessLevel::DEVELOPER };
        let may = |id, severity| people.may_dismiss(&person(id, "somebody"), severity);
        assert_eq!([1, 2, 3, 4, 5].map(|id| may(id, Severity::Critical)), [false, true, false, false, false]);
        assert_eq!([1, 2, 3, 4, 5].map(|id| may(id, Severity::Important)), [true; 5]);
        assert!(!people.may_dismiss(&person(2, "project_7_bot_abc"), Severity::Suggestion));
    }

    #[test]
    fn users_of_tokens_are_told_from_people() {
        for name in ["project_12_bot", "group_3_bot_0f", "service_account_group_9", "ghost", "renovate-bot"] {
            assert!(person(1, name).is_bot(), "{name}");
        }
        for name in ["mira", "project_manager", "botho", "group_x_bot"] {
            assert!(!person(1, name).is_bot(), "{name}");
        }
    }
}
