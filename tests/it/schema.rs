//! The JSON Schema of rule files, held against the reader of rules.

use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};
use trailwatch::rule::schema::{schema, shared_schema};

use super::rules::rule_files;

struct Validator(Schemas, SchemaIndex);

impl Validator {
    fn new() -> Self {
        Self::of(schema())
    }

    fn of(schema: Value) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        compiler.add_resource("rule.schema.json", schema).unwrap();
        let index = compiler.compile("rule.schema.json", &mut schemas).unwrap();
        Self(schemas, index)
    }

    fn validate(&self, path: &Path) -> Result<(), String> {
        let text = std::fs::read_to_string(path).unwrap();
        let (document, _) = DeTable::parse_recoverable(text.trim_start_matches('\u{feff}'));
        let value = table(document.get_ref());
        self.0.validate(&value, self.1).map_err(|error| format!("{}: {error:#}", path.display()))
    }
}

fn table(table: &DeTable<'_>) -> Value {
    table.iter().map(|(key, of)| (key.get_ref().to_string(), value(of.get_ref()))).collect::<Map<_, _>>().into()
}

fn value(of: &DeValue<'_>) -> Value {
    match of {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => number.as_str().parse::<i64>().map_or(json!(0), |number| json!(number)),
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(json!(0.5), |number| json!(number)),
        DeValue::Boolean(truth) => json!(truth),
        // Editors take dates for strings of that format.
        DeValue::Datetime(time) => json!(time.to_string()),
        DeValue::Array(array) => array.iter().map(|element| value(element.get_ref())).collect(),
        DeValue::Table(inner) => table(inner),
    }
}

#[test]
fn the_published_schemas_are_those_that_are_printed() {
    for (name, schema, args) in
        [("rule.schema.json", schema(), ""), ("shared.schema.json", shared_schema(), " --shared")]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        let printed = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(published, printed, "write it anew: trailwatch rules schema{args} > docs/{name}");
    }
}

#[test]
fn files_that_rules_share_are_valid_or_not() {
    let validator = Validator::of(shared_schema());
    for (file, valid) in [
        ("rules/shared/lists.toml", true),
        ("tests/fixtures/exceptions/sandbox.toml", true),
        ("tests/fixtures/broken-shared/use-unknown/shared.toml", true),
        ("tests/fixtures/broken-shared/list-key-misspelt/shared.toml", false),
        ("tests/fixtures/broken-shared/list-type-unknown/shared.toml", false),
        ("tests/fixtures/broken-shared/list-without-values/shared.toml", false),
        ("tests/fixtures/broken-shared/exception-without-rules/shared.toml", false),
        ("tests/fixtures/broken-shared/exception-of-a-bad-name/shared.toml", false),
        ("tests/fixtures/broken-shared/shared-key-misspelt/shared.toml", false),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let result = validator.validate(&path);
        assert_eq!(result.is_ok(), valid, "{file}: {result:?}");
    }
}

#[test]
fn every_good_rule_is_valid() {
    let validator = Validator::new();
    for folder in [
        "rules",
        "tests/fixtures/good-rules",
        "tests/fixtures/odd-rules",
        "tests/fixtures/explain",
        "tests/fixtures/explain-inside",
    ] {
        for path in rule_files(folder) {
            assert_eq!(validator.validate(&path), Ok(()));
        }
    }
}

/// What concerns the form of the file an editor marks, too.
#[test]
fn rules_of_a_broken_form_are_not_valid() {
    let validator = Validator::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/broken-rules");
    for name in [
        "alert-key-misspelt",
        "either-an-empty-list",
        "either-empty",
        "either-with-one-bracket",
        "empty-file",
        "exception-expires-a-datetime",
        "exception-when-a-list",
        "exception-when-empty",
        "exception-when-on-the-exception",
        "exception-with-one-bracket",
        "exception-without-name",
        "exception-without-when",
        "id-empty",
        "id-missing",
        "id-with-capitals",
        "key-misspelt",
        "key-unknown",
        "list-empty",
        "list-within-a-list",
        "match-empty",
        "match-is-a-list-of-tables",
        "match-is-a-string",
        "match-missing",
        "modifier-empty",
        "modifier-misspelt",
        "modifier-of-another-tool",
        "modifier-unknown",
        "nested-table-empty",
        "only-exceptions",
        "reference-not-a-string",
        "severity-is-a-number",
        "severity-missing",
        "severity-unknown",
        "suppress-a-number",
        "table-misspelt",
        "tag-with-capitals",
        "tags-not-a-list",
        "test-event-a-number",
        "test-expects-a-bool",
        "test-expects-something-else",
        "test-key-misspelt",
        "test-with-one-bracket",
        "test-without-event",
        "test-without-expect",
        "test-without-name",
        "title-empty",
        "title-missing",
    ] {
        let path = folder.join(format!("{name}.toml"));
        assert!(validator.validate(&path).is_err(), "{name} is valid by the schema");
    }
}
