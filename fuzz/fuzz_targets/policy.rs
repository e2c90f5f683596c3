//! Any text is a policy or a reason why it is none, judged in the same way however it is wrapped.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use trailwatch::condition::Policy;
use trailwatch::condition::policy::Glob;

fuzz_target!(|text: &str| {
    let policies = [
        Policy { grants_public: Some(true), allows: vec![Glob::nocase("s3:Get*")], ..Policy::default() },
        Policy { grants_external: Some(true), lacks_condition: vec![Glob::nocase("aws:*")], ..Policy::default() },
        Policy { allows_all: vec![Glob::nocase("*")], resources: vec![Glob::cased("arn:*")], ..Policy::default() },
    ];
    let quoted = RawValue::from_string(serde_json::to_string(text).unwrap_or_default());
    let plain = RawValue::from_string(text.to_owned());
    for policy in policies {
        let judge = |value: &RawValue| policy.judge(value, Some("111122223333"));
        let judged = quoted.as_deref().map(judge);
        if let (Ok(plain), Ok(judged)) = (plain.as_deref(), judged)
            && plain.get().starts_with('{')
        {
            assert_eq!(judge(plain), judged);
        }
    }
});
