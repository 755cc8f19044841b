//! The rule files on disk are the ones in the program: a file that was added or changed without a rebuild must not go unnoticed.

use std::path::Path;

use assize::codex::{Rule, builtin, parse};

fn read(folder: &Path, rules: &mut Vec<Rule>) {
    for entry in std::fs::read_dir(folder).expect("the folder is part of the repository") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            read(&path, rules);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let origin = path.strip_prefix(root).expect("below the repository").display().to_string();
            let text = std::fs::read_to_string(&path).expect("a rule file is text");
            rules.push(parse(&origin, &text).unwrap_or_else(|error| panic!("{error}")));
        }
    }
}

#[test]
fn every_rule_file_on_disk_is_in_the_program() {
    let mut on_disk = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("codex-rules"), &mut on_disk);
    on_disk.sort_by(|a, b| a.id.cmp(&b.id));
    let describe =
        |rules: &[Rule]| -> Vec<String> { rules.iter().map(|rule| format!("{} {} {}", rule.origin, rule.title, rule.body)).collect() };
    assert_eq!(describe(builtin()), describe(&on_disk), "touch src/codex/set.rs and build again");
}
