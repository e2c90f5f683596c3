//! The projection and the naive evaluator read the same of any text, and take or refuse the same texts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trailwatch::condition::explain::{self, Seen};
use trailwatch::condition::{Condition, Field, Test};
use trailwatch::decode::is_deeper_than;
use trailwatch::event::projection::DEPTH_MAX;
use trailwatch::event::{Case, Event, Fields, Path, projection_of, wanted_field};

const PATHS: [&str; 5] = ["a", "a.b", "A.b.c", "list.x", "eventName"];

fuzz_target!(|text: &str| {
    if is_deeper_than(text, DEPTH_MAX as usize) {
        return;
    }
    let paths = || PATHS.iter().map(|path| Path::parse(path, Case::Insensitive).expect("a path"));
    let projection = projection_of(paths());
    let mut fields = Fields::default();
    let is_object = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok_and(|raw| raw.get().starts_with('{'));
    let Ok(event) = Event::read(text, &projection, &mut fields) else {
        assert!(!is_object);
        return;
    };
    assert!(is_object);
    let strings: Vec<Seen> = event.strings().iter().map(|string| Seen::String(string.to_string())).collect();
    assert_eq!(strings, explain::values(&Field::Anywhere, &event));
    for (n, path) in paths().enumerate() {
        let quick = event.values(wanted_field(n)).count();
        let slow = explain::values(&Field::Path(path.clone()), &event).len();
        assert_eq!(quick, slow);
        let exists = Condition::is(Field::Path(path), Test::Exists);
        assert_eq!(trailwatch::condition::holds(&exists, &event), quick > 0);
    }
});
