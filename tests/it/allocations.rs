//! What an event that matches nothing costs in allocations: none, once the buffers have grown.

use std::path::Path;

use trailwatch::engine::{RuleSet, Scratch};
use trailwatch::rule::{self, Rule};

const FLAT: &str = r#"{"eventVersion":"1.11","eventTime":"2026-01-15T12:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2.17.20","requestParameters":null,"responseElements":null,"readOnly":true,"recipientAccountId":"111122223333","eventID":"7f5b8f4e-0000-4000-8000-000000000002","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ines","accountId":"111122223333","userName":"ines"}}"#;

const DEEP: &str = r#"{"eventTime":"2026-01-15T12:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"RunThings","userAgent":"a \"quoted\" agent","requestParameters":{"set":{"items":[{"a":[1,2,{"b":"\n"}]}]}},"resources":[{"ARN":"arn:aws:s3:::x"},{"ARN":"arn:aws:s3:::y"}],"recipientAccountId":"111122223333","eventID":"7f5b8f4e-0000-4000-8000-000000000003","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy/Élise","sessionContext":{"sessionIssuer":{"userName":"deploy"},"attributes":{"mfaAuthenticated":"false"}}}}"#;

/// Escapes in keys, also of lone surrogates, and brackets in texts.
const ODD: &str = r#"{"eventName":"X","user\u0041gent":{"a":{"b":{}}},"resources":[{"ARN":"x"},"\n"],"other":{"a":"}","b":{"c":{}}},"\udfff":{"\ud800":1}}"#;

const LOOSE: &str = r#"{"eventSource":"ec2.amazonaws.com","eventName":443,"userAgent":[1,2.50,true,null,"\u00e9\ud800"],"sourceIPAddress":"x","requestParameters":{"n":-1.5e300,"name":["a",["b"],{"c":18446744073709551616}]},"resources":["a\tb","c\"d",{"ARN":7}],"userIdentity":"none"}"#;

fn ours(number: usize) -> Rule {
    let body = match number % 6 {
        0 => format!(
            "eventSource = \"ec2.amazonaws.com\"\neventName = \"DescribeInstances\"\nrequestParameters.name = \"n{number}\""
        ),
        1 => format!("\"userAgent|contains\" = \"tool-{number}\""),
        2 => format!("\"sourceIPAddress|cidr\" = \"10.{}.0.0/16\"", number % 256),
        3 => format!("\"requestParameters.n|gte\" = {number}"),
        4 => format!("\"userIdentity.arn|nocase|endswith\" = \"/mallory-{number}\"\noutcome = \"success\""),
        _ => format!("\"resources.ARN|re\" = '^arn:aws:kms:.*:key/{number}'\nis_write = true"),
    };
    let text = format!("id = \"r{number}\"\ntitle = \"t\"\nseverity = \"low\"\n[match]\n{body}\n");
    Rule::parse(Path::new("r.toml"), text).unwrap()
}

fn sigma() -> Vec<Rule> {
    let text = "title: t\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  selection:\n    eventSource: EC2.amazonaws.com\n    eventName: [DescribeInstances, RunThings, A, B, C]\n  other:\n    userAgent|contains: [Kali, Parrot]\n  condition: selection and other\n";
    rule::read(Path::new("t.yml"), text.as_bytes().to_vec()).rules
}

fn of_words(number: usize) -> Rule {
    let text = format!(
        "id = \"w{number}\"\ntitle = \"t\"\nseverity = \"low\"\n[match]\n\"**|contains\" = \"word-{number}\"\n"
    );
    Rule::parse(Path::new("w.toml"), text).unwrap()
}

/// The allocations of one evaluation once the buffers have grown.
fn allocations(set: &RuleSet, event: &str) -> (u64, u64) {
    let mut scratch = Scratch::default();
    for event in [FLAT, DEEP, event] {
        assert!(set.evaluate(event, &mut scratch).unwrap().matches.is_empty());
    }
    let counted = allocation_counter::measure(|| {
        let _ = set.evaluate(event, &mut scratch);
    });
    (counted.count_total, counted.bytes_total)
}

#[test]
fn an_event_that_matches_nothing_allocates_nothing() {
    let few = RuleSet::new((0..12).map(ours).chain(sigma()).collect());
    let many = RuleSet::new((0..2_000).map(ours).chain(sigma()).collect());
    for (name, event) in
        [("flat", FLAT), ("deep, with escapes and arrays", DEEP), ("of loose types", LOOSE), ("odd", ODD)]
    {
        for set in [&few, &many] {
            assert_eq!(allocations(set, event), (0, 0), "an event that is {name}, {} rules", set.rules().len());
        }
    }
}

#[test]
fn looking_for_words_anywhere_allocates_nothing_either() {
    let set = RuleSet::new((0..100).map(of_words).collect());
    for event in [FLAT, DEEP, LOOSE, ODD, &FLAT.replace("ines", "Élise")] {
        assert_eq!(allocations(&set, event), (0, 0), "{event}");
    }
}
