//! The identity of a finding over rounds. It must not depend on line numbers, on words of a model, on the category or on the range's length.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{Finding, Place};
use crate::change::Change;

/// Raised when the recipe changes: fingerprints of other versions never meet.
const VERSION: &str = "assize-fingerprint-1";

/// Sets the fingerprint of every finding: rule, new path and the white-space-normalised text of the first anchored line, with an ordinal
/// by position for those that are alike in all three. `change` is the original: what is shown of a masked line says nothing about it.
pub fn fingerprints(findings: &mut [Finding], change: &Change) {
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by_key(|index| findings.get(*index).map(|finding| position(&finding.place)));
    let mut seen: BTreeMap<[String; 3], usize> = BTreeMap::new();
    for index in order {
        let Some(finding) = findings.get_mut(index) else { continue };
        let key = key(finding, change);
        let ordinal = seen.entry(key.clone()).or_default();
        finding.fingerprint = digest(&key, *ordinal);
        *ordinal += 1;
    }
}

fn position(place: &Place) -> (String, u32, u32) {
    match place {
        Place::Lines(span) => (span.path().to_string(), span.first().new_counter(), span.first().old_counter()),
        Place::File { path, .. } => (path.to_string(), 0, 0),
        Place::Outside(related) => (related.path.to_string(), related.line, 0),
    }
}

fn key(finding: &Finding, change: &Change) -> [String; 3] {
    let rule = finding.rule_ids.iter().min().map(ToString::to_string).unwrap_or_default();
    let (path, text) = match &finding.place {
        Place::Lines(span) => {
            let file = change.file(span.path());
            let original = file.and_then(|file| file.lines().nth(file.line_at(span.first().reference())?));
            (span.path().to_string(), original.map_or_else(|| span.text().concat(), |line| line.text.clone()))
        }
        Place::File { path, .. } => (path.to_string(), String::new()),
        Place::Outside(related) => (related.path.to_string(), related.quote.clone()),
    };
    [rule, path, text.split_whitespace().collect::<Vec<_>>().join(" ")]
}

fn digest(key: &[String; 3], ordinal: usize) -> String {
    let mut hash = Sha256::new();
    for part in [VERSION, &key[0], &key[1], &key[2], &ordinal.to_string()] {
        // The length in front keeps parts from running into each other.
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_has_golden_values() {
        let key = ["SEC-0008".to_owned(), "src/orders.rs".to_owned(), "let q = format!(\"…\");".to_owned()];
        assert_eq!(digest(&key, 0), "467bf7cd04ea7e22");
        assert_eq!(digest(&key, 1), "5ee59cba63584cc5");
    }
}
