//! What rules share: lists, selections, and exceptions in files of their own.

use std::path::Path;

use tempfile::TempDir;
use trailwatch::config::{self, Loaded};
use trailwatch::engine::trial::coverage::coverage;
use trailwatch::engine::trial::part::parts;
use trailwatch::engine::trial::run_tests;
use trailwatch::engine::trial::verdict::judge;
use trailwatch::engine::{RuleSet, Scratch};

/// A folder of files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn load(files: &[(&str, &str)]) -> Loaded {
    let folder = folder(files);
    let loaded = config::rules(&[folder.path().to_owned()]);
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(loaded.is_good(), "{} {:?}", problems.join("\n"), loaded.unreadable);
    loaded
}

fn rule(lines: &str) -> String {
    format!("id = \"r\"\ntitle = \"t\"\nseverity = \"low\"\ntags = [\"service.x\"]\n{lines}\n")
}

fn matching(loaded: Loaded) -> impl FnMut(&str) -> bool {
    let rules = RuleSet::new(loaded.rules);
    let mut scratch = Scratch::default();
    move |event| {
        let found = !rules.evaluate(event, &mut scratch).unwrap().matches.is_empty();
        let expected = judge(rules.rules(), event).unwrap().iter().any(|verdict| verdict.matched());
        assert_eq!(found, expected, "the matcher disagrees on {event}");
        found
    }
}

#[track_caller]
fn check(files: &[(&str, &str)], matched: &[&str], others: &[&str]) {
    let mut matches = matching(load(files));
    matched.iter().for_each(|event| assert!(matches(event), "{event}"));
    others.iter().for_each(|event| assert!(!matches(event), "{event}"));
}

/// What a line about `requestParameters.x` says of values of it, given lists.
#[track_caller]
fn check_list(lists: &str, line: &str, inside: &[&str], outside: &[&str]) {
    let event = |value: &&str| format!("{{\"requestParameters\":{{\"x\":{value}}}}}");
    let (inside, outside): (Vec<String>, Vec<String>) =
        (inside.iter().map(event).collect(), outside.iter().map(event).collect());
    let (inside, outside): (Vec<&str>, Vec<&str>) =
        (inside.iter().map(String::as_str).collect(), outside.iter().map(String::as_str).collect());
    let files = [
        ("lists.toml", lists),
        ("t.csv", "name,account\nprod,\"111122223333\"\n# gone\ntest,444455556666\n"),
        ("t.json", r#"[{"arn":"arn:aws:iam::1:role/a","x":1},{"arn":"arn:aws:iam::1:role/b"}]"#),
        ("t.txt", "\u{feff}one\n\ntwo\n"),
        ("r.toml", &rule(&format!("[match]\n{}", line.replace("x|", "requestParameters.x|")))),
    ];
    check(&files, &inside, &outside);
}

#[test]
fn lists_hold_what_their_type_says() {
    let texts = "[lists.l]\nvalues = [\"a\", \"B\"]";
    check_list(
        texts,
        r#""x|in" = "l""#,
        &["\"a\"", "\"B\"", "[\"z\",\"a\"]"],
        &["\"b\"", "1", "null", "[]", "{}", "\"\""],
    );
    check_list(texts, r#""x|not|in" = "l""#, &["\"b\"", "null", "1"], &["\"a\"", "[\"z\",\"a\"]"]);
    check_list(texts, r#""x|in|nocase" = "l""#, &["\"A\"", "\"b\""], &["\"ab\""]);
    let networks = "[lists.l]\ntype = \"cidr\"\nvalues = [\"10.0.0.0/8\", \"2001:db8::/32\", \"192.0.2.1\"]";
    check_list(
        networks,
        r#""x|in" = "l""#,
        &["\"10.2.3.4\"", "\"2001:db8::1\"", "\"192.0.2.1\""],
        &["\"192.0.2.2\"", "\"AWS Internal\""],
    );
    check_list(networks, r#""x|not|in" = "l""#, &["\"AWS Internal\""], &["\"10.2.3.4\""]);
    let globs = "[lists.l]\ntype = \"glob\"\nvalues = [\"arn:*:role/x\"]";
    check_list(globs, r#""x|in" = "l""#, &["\"arn:aws:iam::1:role/x\""], &["\"arn:aws:iam::1:role/y\""]);
    check_list("[lists.l]\nvalues = []", r#""x|not|in" = "l""#, &["\"a\""], &[]);
}

#[test]
fn lists_come_from_tables() {
    let csv = "[lists.l]\ntype = \"account\"\nfile = \"t.csv\"\ncolumn = \"account\"\nvalues = [\"000000000000\"]";
    check_list(csv, r#""x|in" = "l""#, &["\"111122223333\"", "\"444455556666\"", "\"000000000000\""], &["\"prod\""]);
    let json = "[lists.l]\ntype = \"arn\"\nfile = \"t.json\"\ncolumn = \"arn\"";
    check_list(json, r#""x|in" = "l""#, &["\"arn:aws:iam::1:role/a\""], &["\"arn:aws:iam::1:role/c\""]);
    check_list("[lists.l]\nfile = \"t.txt\"", r#""x|in" = "l""#, &["\"one\"", "\"two\""], &["\"\""]);
}

#[test]
fn lists_go_inside_and_together() {
    let lists = "[lists.l]\nvalues = [\"a\"]\n[lists.m]\nvalues = [\"b\"]";
    check_list(lists, r#""x|in" = ["l", "m"]"#, &["\"a\"", "\"b\""], &["\"c\""]);
    check_list(lists, r#""x|all|in" = ["l", "m"]"#, &["[\"a\",\"b\"]"], &["\"a\""]);
    check_list(
        lists,
        r#""x|any" = { "k|in" = "l", v = 1 }"#,
        &[r#"[{"k":"a","v":1}]"#],
        &[r#"[{"k":"b","v":1},{"k":"a"}]"#],
    );
}

#[test]
fn a_list_of_ones_own_takes_the_place_of_a_shipped_one() {
    let line = "[match]\n\"recipientAccountId|in\" = \"trusted_accounts\"";
    let event = r#"{"recipientAccountId":"111122223333"}"#;
    check(&[("r.toml", &rule(line))], &[], &[event]);
    let own = "[lists.trusted_accounts]\ntype = \"account\"\nvalues = [\"111122223333\"]";
    check(&[("r.toml", &rule(line)), ("own.toml", own)], &[event], &[]);
}

#[test]
fn selections_are_shared() {
    let shared = "[selections.human]\nactor.kind = [\"iam_user\", \"root\"]\nuse_not = [\"robot\"]\n\n\
                  [[selections.robot]]\nawsRegion = \"r1\"\n[[selections.robot]]\n\"userAgent|contains\" = \"bot\"\n";
    let human = |rest: &str| format!(r#"{{"eventSource":"s","eventName":"A","userIdentity":{{"type":"Root"}}{rest}}}"#);
    let (human, robot, other) =
        (&human(""), &human(r#","userAgent":"abot""#), r#"{"eventSource":"s","eventName":"A"}"#);
    let check = |lines: &str, matched: &[&str], others: &[&str]| {
        check(&[("shared.toml", shared), ("r.toml", &rule(lines))], matched, others);
    };
    check("[match]\neventName = \"A\"\nuse = \"human\"", &[human], &[robot, other]);
    check("[match]\neventName = \"A\"\nuse_not = [\"human\", \"robot\"]", &[other], &[human, robot]);
    check("[[either]]\nuse = [\"robot\"]\n[[either]]\nuse = [\"human\"]", &[human, robot], &[other]);
    check("condition = \"a and not human\"\n[selections.a]\neventName = \"A\"", &[robot, other], &[human]);
    check("condition = \"1 of them and robot\"\n[selections.a]\neventName = \"A\"", &[robot], &[human, other]);
    check(
        "[match]\neventName = \"A\"\n[[except]]\nname = \"x\"\nwhen = { use = [\"robot\"] }",
        &[human, other],
        &[robot],
    );
}

const EXCEPTION: &str = "[[exception]]\nname = \"quiet\"\nowner = \"us\"\nreason = \"a test\"\nrules = [RULES]\nwhen = { awsRegion = \"r1\" }\n";

#[test]
fn exceptions_go_to_the_rules_that_they_name() {
    let (plain, excepted) = (r#"{"eventName":"A","awsRegion":"r2"}"#, r#"{"eventName":"A","awsRegion":"r1"}"#);
    let own = "[match]\neventName = \"A\"\n[[except]]\nname = \"own\"\nwhen = { awsRegion = \"r3\" }";
    let all = "[match]\n\"eventName|all|contains\" = [\"A\", \"A\"]";
    for lines in ["[match]\neventName = \"A\"", "[match]\neventName = \"A\"\n\"userAgent|exists\" = false", own, all] {
        for (rules, is_excepted) in [
            ("\"r\"", true),
            ("\"x\", \"tag:service.*\"", true),
            ("\"*\"", true),
            ("\"rr\"", false),
            ("\"tag:r\"", false),
        ] {
            let exception = EXCEPTION.replace("RULES", rules);
            let matched = if is_excepted { vec![plain] } else { vec![plain, excepted] };
            let others = if is_excepted { vec![excepted] } else { vec![] };
            check(&[("e.toml", &exception), ("r.toml", &rule(lines))], &matched, &others);
        }
    }
}

#[test]
fn exceptions_go_to_sigma_rules_too() {
    let sigma =
        "title: t\nlogsource: {product: aws, service: cloudtrail}\ndetection: {a: {eventName: A}, condition: a}\n";
    let exception = EXCEPTION.replace("RULES", "\"r\"");
    check(
        &[("e.toml", &exception), ("r.yml", sigma)],
        &[r#"{"eventName":"A"}"#],
        &[r#"{"eventName":"A","awsRegion":"r1"}"#],
    );
}

#[test]
fn an_exception_in_a_file_of_its_own_is_known_by_its_place() {
    let test = "[[test]]\nname = \"n\"\nexpect = \"match\"\nevent = { eventName = \"A\" }";
    let loaded = load(&[
        ("e.toml", &EXCEPTION.replace("RULES", "\"r\"")),
        ("r.toml", &rule(&format!("[match]\neventName = \"A\"\n{test}"))),
    ]);
    let rule = &loaded.rules[0];
    let verdict = judge([rule], r#"{"eventName":"A","awsRegion":"r1"}"#).unwrap().remove(0);
    let excepted_by = verdict.excepted_by();
    assert!(excepted_by[0].written.source.name.ends_with("e.toml"));
    assert_eq!(rule.places.iter().filter(|place| place.source.name.ends_with("e.toml")).count(), 1);
    // The rule's own tests are not about it.
    assert_eq!(parts(rule).len(), 1);
    let outcomes = run_tests(rule);
    assert_eq!(coverage(rule, &outcomes).outcomes, 2);
}

#[test]
fn files_named_by_themselves_add_to_the_shipped_rules() {
    let exception = EXCEPTION.replace("RULES", "\"cloudtrail-*\"");
    let folder = folder(&[("e.toml", &exception), ("r.toml", &rule("[match]\neventName = \"A\""))]);
    let loaded = config::rules_with(&[], &[folder.path().join("e.toml")]);
    let excepted = loaded.rules.iter().filter(|rule| rule.exceptions.iter().any(|exception| exception.name == "quiet"));
    assert!(loaded.is_good() && excepted.count() >= 1);
    let loaded = config::rules_with(&[], &[folder.path().to_owned()]);
    assert_eq!(loaded.unreadable.len(), 1, "a rule stands among the exceptions");
}

#[test]
fn what_stands_beside_a_rule_that_is_named_is_found() {
    let exception = EXCEPTION.replace("RULES", "\"r\", \"another\"");
    let line = "[match]\n\"eventName|in\" = \"l\"";
    let folder = folder(&[
        ("e.toml", &exception),
        ("l.toml", "[lists.l]\nvalues = [\"A\"]"),
        ("r.toml", &rule(line)),
        ("another.toml", "this is no rule"),
    ]);
    let path = |name: &str| folder.path().join(name);
    let loaded = config::rules_with(&[path("r.toml"), path("e.toml")], &[path("l.toml")]);
    assert!(loaded.is_good() && loaded.rules[0].exceptions.len() == 1, "named and beside, but not twice");
    let loaded = config::rules(&[path("r.toml")]);
    assert!(loaded.is_good() && loaded.rules[0].exceptions.len() == 1);
    assert_eq!(loaded.shared.lint(&loaded.rules, jiff::civil::date(2026, 1, 1)), [], "the other rule was not named");
}

#[test]
fn who_is_trusted_may_stand_in_a_list() {
    let lists = "[lists.ours]\ntype = \"account\"\nvalues = [\"444455556666\"]
        [lists.organizations]\nvalues = [\"o-a1b2c3d4e5\"]
        [lists.many]\ntype = \"glob\"\nvalues = [\"7777*\"]
        [lists.networks]\ntype = \"cidr\"\nvalues = [\"10.0.0.0/8\"]";
    let line = |trusted: &str| {
        rule(&format!(
            "[match]\n\"requestParameters.policy|policy\" = {{ grants_external = true, trusted = {trusted} }}"
        ))
    };
    let event = |statement: &str| {
        format!(
            r#"{{"recipientAccountId":"111122223333","requestParameters":{{"policy":{{"Statement":{{"Effect":"Allow","Action":"*",{statement}}}}}}}}}"#
        )
    };
    let [listed, organization, other] = [
        r#""Principal":{"AWS":"arn:aws:iam::444455556666:root"}"#,
        r#""Principal":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}"#,
        r#""Principal":{"AWS":"777788889999"}"#,
    ]
    .map(event);
    for (trusted, matched, others) in [
        ("\"ours\"", [&organization, &other], vec![&listed]),
        ("[\"ours\", \"organizations\"]", [&other, &other], vec![&listed, &organization]),
        ("[\"444455556666\", \"many\"]", [&organization, &organization], vec![&listed, &other]),
        ("\"trusted_accounts\"", [&listed, &other], vec![]),
    ] {
        let matched = matched.map(String::as_str);
        let others: Vec<&str> = others.into_iter().map(String::as_str).collect();
        let declared = format!("{lists}\n[lists.trusted_accounts]\nvalues = []\nmay_be_empty = true");
        check(&[("l.toml", &declared), ("r.toml", &line(trusted))], &matched, &others);
    }
    for (trusted, told) in
        [("\"networks\"", "the list `networks` holds networks"), ("\"ourss\"", "there is no list `ourss`")]
    {
        let folder = folder(&[("l.toml", lists), ("r.toml", &line(trusted))]);
        let problems = config::rules(&[folder.path().to_owned()]).problems;
        assert_eq!(problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>(), [told]);
    }
}

#[test]
fn bounds_of_lists_are_told() {
    let many = |number: usize| (0..number).map(|n| format!("\"a{n}\"")).collect::<Vec<_>>().join(",");
    for (list, number, told) in
        [("", 100_001, "a list of 100001 values"), ("type = \"glob\"\n", 1_001, "a list of 1001 values")]
    {
        // A file of TOML is at most 1 MiB.
        let files = [
            ("shared.toml", format!("[lists.l]\n{list}file = \"t.json\"\n")),
            ("t.json", format!("[{}]", many(number))),
            ("r.toml", rule("[match]\neventName = \"A\"")),
        ];
        let folder = folder(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
        let loaded = config::rules(&[folder.path().to_owned()]);
        assert_eq!(loaded.problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>(), [told]);
    }
    let rows: String = (0..50).map(|n| format!("{n}\n")).collect();
    let list = "[lists.l]\ntype = \"account\"\nfile = \"t.csv\"\n";
    let folder = folder(&[("shared.toml", list), ("t.csv", &rows), ("r.toml", &rule("[match]\neventName = \"A\""))]);
    let problems = config::rules(&[folder.path().to_owned()]).problems;
    assert_eq!((problems.len(), problems[9].hint.as_deref()), (10, Some("and 40 more like this in the list")));
    assert_eq!(problems[3].position(), (4, 1));
    assert!(Path::new(&problems[3].source.name).ends_with("t.csv"));
}

#[test]
fn placeholders_of_sigma_are_lists() {
    let lists = "[lists.l]\nvalues = [\"Ann\", \"b*\"]\n[lists.n]\ntype = \"cidr\"\nvalues = [\"10.0.0.0/8\"]";
    let sigma = |line: &str| {
        format!(
            "title: t\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{a: {{{line}}}, condition: a}}\n"
        )
    };
    for (line, matched, other) in [
        ("'userName|expand': '%l%'", r#"{"userName":"ANN"}"#, r#"{"userName":"Anna"}"#),
        ("'userName|cased|expand': '%l%'", r#"{"userName":"Ann"}"#, r#"{"userName":"ANN"}"#),
        ("'userName|startswith|expand': '%l%'", r#"{"userName":"anna"}"#, r#"{"userName":"hanna"}"#),
        ("'userName|expand|neq': '%l%'", r#"{"userName":"Anna"}"#, r#"{"userName":"ann"}"#),
        ("'ip|cidr|expand': '%n%'", r#"{"ip":"10.1.1.1"}"#, r#"{"ip":"11.1.1.1"}"#),
        ("'ip|expand': ['%l%', '%n%']", r#"{"ip":"10.1.1.1"}"#, r#"{"ip":"11.1.1.1"}"#),
    ] {
        check(&[("l.toml", lists), ("r.yml", &sigma(line))], &[matched], &[other]);
    }
}

#[test]
fn selections_do_not_grow_without_bound() {
    let mut doubling = "[selections.s0]\neventName = \"A\"\n".to_owned();
    for n in 1..100 {
        doubling += &format!("[selections.s{n}]\nuse = [\"s{}\", \"s{}\"]\n", n - 1, n - 1);
    }
    let many: String = (0..1_001).map(|n| format!("[selections.s{n}]\neventName = \"A\"\n")).collect();
    for (shared, told) in [
        (&doubling, "with this selection there are more than 50000 predicates"),
        (&many, "more than 1000 shared selections"),
    ] {
        let folder = folder(&[("shared.toml", shared), ("r.toml", &rule("[match]\neventName = \"A\""))]);
        let problems = config::rules(&[folder.path().to_owned()]).problems;
        assert_eq!(problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>(), [told]);
    }
}
