//! What a configuration means, and what its faults look like.

use super::*;

fn loaded(text: &str) -> Result<Effective, Failure> {
    load(Some(&ConfigText { name: ".assize.yml".to_owned(), text: text.to_owned() }), &Env::default(), &Flags::default(), Speaker::Owner)
}

fn fault(text: &str) -> String {
    let failure = loaded(text).expect_err("faulty");
    assert_eq!(failure.exit, crate::exit::Exit::Usage);
    format!("{failure}\nhint: {}", failure.hint.as_deref().unwrap_or("-"))
}

#[test]
fn an_empty_file_changes_nothing() {
    for text in ["", "# nothing yet\n", "---\n", "version: 1\n"] {
        let effective = loaded(text).expect("valid");
        assert!(effective.origins.is_empty(), "{text:?}: {:?}", effective.origins);
        assert_eq!(effective.settings.tiers.lite, TierBound { max_lines: 100, max_files: 20 });
    }
}

#[test]
fn the_example_of_the_contract_is_understood() {
    let text = "\
version: 1
providers:
  anthropic: { kind: anthropic, api_key_env: ANTHROPIC_API_KEY }
  local:     { kind: openai, base_url: http://127.0.0.1:11434/v1/, max_parallel: 4 }
models:
  top:      [anthropic/claude-opus-4-7, anthropic/claude-opus-4-6]
  light:    [local/qwen3-coder]
reviewers:
  security: { model: top, timeout: 8m }
  docs:     { enabled: false }
tiers:
  trivial: { max_lines: 10, max_files: 20 }
  sensitive_paths: [\"infra/**\"]
filter: { ignore: [\"**/testdata/**\"], include: [], never_send: [\"customer-data/**\"] }
codex:
  sources: [builtin, { path: .assize/codex }]
  disable: { DOC-0003: \"our README is generated\" }
  severity: { PERF-0002: suggestion }
publish: { mode: comment, approve: false, max_threads: 10, thread_severity: important, labels: false }
fail_on: minor_issues, incomplete
break_glass: { phrase: break glass, by_author: false }
min_access: maintainer
limits: { max_cost_usd: 2.5, max_tokens: 4000000, timeout: 15m, max_agents: 8 }
language: de
";
    let Effective { settings, origins } = loaded(text).expect("valid");
    assert!(matches!(&settings.providers[0].key, Key::Missing { variable } if variable == "ANTHROPIC_API_KEY"));
    assert_eq!(settings.providers[1].base_url.as_deref(), Some("http://127.0.0.1:11434/v1"));
    assert_eq!(settings.models[&ModelClass::Light], [ModelName { provider: "local".into(), model: "qwen3-coder".into() }]);
    assert!(settings.tiers.sensitive.is_match("infra/dns.tf"));
    assert!(settings.filter.never_send.is_match("customer-data/a/b.csv"));
    assert_eq!((settings.codex.builtin, &settings.codex.paths[..]), (true, &[".assize/codex".to_owned()][..]));
    assert_eq!(settings.fail_on, Gate { verdict: Some(Verdict::MinorIssues), incomplete: true });
    assert_eq!((settings.language.as_str(), settings.min_access), ("de", crate::settings::Access::Maintainer));
    assert_eq!(origins["limits.max_cost_usd"], ".assize.yml:23");
}

#[test]
fn faults_name_the_place_and_the_nearest_valid_word() {
    assert_eq!(
        fault("version: 1\nmodles: {}\n"),
        ".assize.yml:2:1: unknown key `modles`\n  |\n2 | modles: {}\n  | ^\nhint: did you mean `models`?"
    );
    assert_eq!(
        fault("reviewers:\n  docs: { timeout: soon }\n"),
        ".assize.yml:2:20: `soon` is no duration\n  |\n2 |   docs: { timeout: soon }\n  |                    ^\nhint: a number and s, m or h, for example 90s or 8m"
    );
    assert!(fault("fail_on: sometimes\n").contains(":1:10: `sometimes` is nothing to fail on"));
    assert!(fault("codex: { disable: { DOC-0003: \"\" } }\n").contains("a reason is required to switch DOC-0003 off"));
    assert!(fault("codex: { severity: { DOC-0003: high } }\n").contains("`high` is no severity"));
    assert!(fault("filter: { ignore: ['a{b'] }\n").contains("not a glob"));
    assert!(fault("limits: { max_tokens: plenty }\n").starts_with(".assize.yml:1:23: "));
    assert!(fault("version: 2\n").contains("this program reads version 1"));
    assert!(fault("extends: { project: a/b, ref: v1, path: p.yml }\n").contains("not available yet"));
    assert!(fault("codex: { sources: [{ project: a/b, ref: v1, path: rules }] }\n").contains("not available yet"));
    assert!(fault("models: { top: [claude-opus-4-7] }\n").contains("needs a provider"));
    assert!(fault("tiers: { trivial: { max_lines: 500 } }\n").starts_with(".assize.yml:1:1: `trivial` allows more than"));
    assert!(fault("models: { best: [a/b] }\n").starts_with(".assize.yml:1:11: unknown class of models `best`"));
    assert!(fault("reviewers: { My Docs: { enabled: false } }\n").starts_with(".assize.yml:1:14: `My Docs` is no name"));
}

#[test]
fn a_vendors_key_makes_its_provider_when_the_file_names_none() {
    let mut env = Env::default();
    env.vars.insert("OPENAI_API_KEY".into(), "sk-test".into());
    env.vars.insert("ASSIZE_MODEL".into(), "some-model".into());
    let Effective { settings, origins } = load(None, &env, &Flags::default(), Speaker::Owner).expect("valid");
    assert_eq!(settings.providers.iter().map(|provider| provider.name.as_str()).collect::<Vec<_>>(), ["openai"]);
    assert_eq!(settings.models[&ModelClass::Top][0].model, "some-model");
    assert_eq!(origins["providers.openai"], "OPENAI_API_KEY");
    assert!(!format!("{settings:?}").contains("sk-test"), "a key must not be printed");
}

#[test]
fn in_a_merge_request_flags_and_variables_only_tighten() {
    let text =
        "fail_on: minor_issues\nproviders: { acme: { kind: openai, base_url: http://127.0.0.1:1 } }\nmodels: { top: [acme/large] }\n";
    let config = ConfigText { name: ".assize.yml".to_owned(), text: text.to_owned() };
    let check = |flags: &Flags, env: &Env| {
        load(Some(&config), env, flags, Speaker::SourceBranch)
            .map(|effective| effective.settings.fail_on)
            .map_err(|failure| failure.message)
    };
    let gate = |words: &str| Flags { fail_on: Some(words.to_owned()), ..Flags::default() };
    let env = Env::default();
    let both = Gate { verdict: Some(Verdict::MinorIssues), incomplete: true };
    assert_eq!(check(&gate("minor_issues,incomplete"), &env), Ok(both));
    for words in ["never", "significant_concerns", "incomplete"] {
        let refused = "--fail-on asks for a weaker gate than .assize.yml of the target branch";
        assert_eq!(check(&gate(words), &env), Err(refused.to_owned()), "{words}");
    }
    let other = Flags { models: vec!["top=acme/small".to_owned()], ..Flags::default() };
    assert_eq!(check(&other, &env), Err("--model replaces the models of the class top in .assize.yml of the target branch".to_owned()));
    let quick = Env { vars: [("ASSIZE_MODEL".to_owned(), "acme/small".to_owned())].into(), ..Env::default() };
    let refused = "ASSIZE_MODEL replaces the models of the class top in .assize.yml of the target branch";
    assert_eq!(check(&Flags::default(), &quick), Err(refused.to_owned()));
    // A class that the file leaves open may be filled.
    let light = Flags { models: vec!["light=acme/small".to_owned()], ..Flags::default() };
    assert!(check(&light, &env).is_ok());
}
