//! Sigma rules, made from a seed: selections whose case does not count, filters, keywords.

use fastrand::Rng;

use super::pattern::word;
use super::rules::{self, CALLS_COMMON, Written, call};

/// Calls with which attackers look around, and which trails hold many of.
const LOOKED_AT: &[(&str, &str)] = &[
    ("ec2", "DescribeSecurityGroups"),
    ("ec2", "DescribeVolumes"),
    ("ec2", "DescribeTags"),
    ("ec2", "DescribeNetworkInterfaces"),
    ("ec2", "DescribeInstanceStatus"),
    ("ec2", "DescribeVpcs"),
    ("ec2", "DescribeSubnets"),
    ("ec2", "DescribeImages"),
    ("ec2", "DescribeRegions"),
    ("s3", "GetBucketAcl"),
    ("s3", "GetBucketLocation"),
    ("s3", "GetBucketVersioning"),
    ("s3", "GetBucketTagging"),
    ("iam", "ListRoles"),
    ("iam", "ListAccessKeys"),
    ("logs", "DescribeLogGroups"),
    ("logs", "CreateLogStream"),
    ("monitoring", "DescribeAlarms"),
    ("signin", "ConsoleLogin"),
    ("cloudtrail", "LookupEvents"),
    ("ecr", "BatchGetImage"),
];

/// As SigmaHQ's rules for CloudTrail are: nearly all name the service and the call.
pub fn sigma(count: usize) -> Vec<Written> {
    about(service, count)
}

/// The same, but no service has more of them than others: kind to engines that find rules by the service alone.
pub fn even(count: usize) -> Vec<Written> {
    about(rules::service, count)
}

fn about(service: fn(&mut Rng) -> String, count: usize) -> Vec<Written> {
    let mut rng = Rng::with_seed(17);
    (0..count).map(|number| file(number, detection(service, &mut rng))).collect()
}

/// As the whole collection of SigmaHQ is: nine in ten ask for fields of Windows, of proxies and of other clouds, which no
/// event of CloudTrail has, and one in forty for words anywhere, a dozen on average. One in eight of those has a word that
/// stands in many events, as commands of routers do, and one in ten has words that leave something open, as commands of shells
/// do. All say that they are for CloudTrail, so that everybody takes them.
pub fn collection(count: usize) -> Vec<Written> {
    let mut rng = Rng::with_seed(19);
    (0..count).map(|number| file(number, foreign(&mut rng))).collect()
}

/// As collections with a rule for each call that attackers are known to make are: two rules a call, one of them for where
/// it failed. Everyday calls are among them, most of all those that show what there is.
pub fn calls(count: usize) -> Vec<Written> {
    let mut rng = Rng::with_seed(23);
    let common = CALLS_COMMON.iter().chain(LOOKED_AT);
    let common = common.map(|&(service, call)| (format!("{service}.amazonaws.com"), call.to_owned()));
    let rare: Vec<_> = (0..count).map(|_| (service(&mut rng), call(&mut rng))).collect();
    let pairs = common.chain(rare).flat_map(|(service, call)| {
        let made = format!("  selection:\n    eventSource: {service}\n    eventName: {call}\n");
        let failed = format!("{made}  code:\n    errorCode|exists: true\n  message:\n    errorMessage|exists: true\n");
        [(made, "selection"), (failed, "selection and (code or message)")]
    });
    pairs.take(count).enumerate().map(|(number, rule)| file(number, rule)).collect()
}

/// With all that collections have rules say of themselves.
fn file(number: usize, (selection, condition): (String, &'static str)) -> Written {
    let text = format!(
        "title: bench {number:05}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\n\
         description: |\n  Tells of a call that is seldom made but by those who look for a way to stay.\n  \
         Whoever has the keys of a user may make it without being asked for anything else.\n\
         references:\n  - https://example.com/attacks/{number}\n  - https://example.com/calls/{number}\n  \
         - https://example.com/reports/{number}\n  - https://example.com/notes/{number}\n\
         author: the bench\ndate: 2026-01-01\nmodified: 2026-02-01\n\
         tags:\n  - attack.persistence\n  - attack.privilege-escalation\n  - attack.t1098\n  - attack.t1078.004\n\
         logsource:\n  product: aws\n  service: cloudtrail\n\
         detection:\n{selection}  condition: {condition}\n\
         falsepositives:\n  - What administrators do.\n  - What tools do that build what is written down.\nlevel: medium\n"
    );
    Written { name: format!("bench-{number:05}.yml"), text }
}

/// A service: some have far more of the calls that attackers make than others. A sixth of those that TrailDiscover lists are
/// EC2's, a seventh IAM's, a fifteenth each those of two others (<https://traildiscover.cloud>).
fn service(rng: &mut Rng) -> String {
    match rng.u8(..100) {
        0..17 => "ec2.amazonaws.com".to_owned(),
        17..31 => "iam.amazonaws.com".to_owned(),
        31..38 => "bedrock.amazonaws.com".to_owned(),
        38..45 => "s3.amazonaws.com".to_owned(),
        _ => rules::service(rng),
    }
}

fn foreign(rng: &mut Rng) -> (String, &'static str) {
    let text = match rng.u8(..40) {
        0 => keywords(rng),
        1..=3 => return detection(service, rng),
        4..=8 => format!(
            "  selection:\n    TargetObject|contains: '\\{}\\{}\\'\n    Details|startswith: '{}'\n",
            lower(rng),
            lower(rng),
            lower(rng)
        ),
        9..=12 => format!("  selection:\n    EventID: {}\n    Provider_Name: '{}'\n", rng.u16(..9_000), lower(rng)),
        13..=15 => format!(
            "  selection:\n    cs-method: POST\n    c-uri|contains:\n{}",
            listed(rng, 4, "      - ", |rng| format!("'/{}/'", lower(rng)))
        ),
        _ => format!(
            "  selection:\n    Image|endswith:\n{}    CommandLine|contains:\n{}",
            listed(rng, 3, "      - ", |rng| format!("'\\{}.exe'", lower(rng))),
            listed(rng, 6, "      - ", |rng| format!("' -{} '", lower(rng)))
        ),
    };
    if rng.u8(..3) > 0 {
        return (text, "selection");
    }
    let filter = format!("  filter:\n    ParentImage|endswith: '\\{}.exe'\n", lower(rng));
    (text + &filter, "selection and not filter")
}

fn listed(rng: &mut Rng, most: usize, before: &str, mut item: impl FnMut(&mut Rng) -> String) -> String {
    (0..rng.usize(1..=most)).map(|_| format!("{before}{}\n", item(rng))).collect()
}

fn keywords(rng: &mut Rng) -> String {
    let is_open = rng.u8(..10) == 0;
    let item = |rng: &mut Rng| match is_open && rng.bool() {
        true => format!("'{} *{}'", lower(rng), words(rng)),
        false => format!("'{}'", words(rng)),
    };
    format!("  selection:\n{}", listed(rng, 24, "    - ", item))
}

/// What a rule looks for anywhere: two words, or, one time in twelve, something short.
fn words(rng: &mut Rng) -> String {
    const COMMANDS: [&str; 6] = ["username", "delete", "dir", "copy", "format", "show version"];
    match rng.u8(..96) {
        0 => COMMANDS[rng.usize(..COMMANDS.len())].to_owned(),
        1..=8 => (0..rng.usize(3..7)).map(|_| rng.lowercase()).collect(),
        _ => format!("{} {}", lower(rng), word(rng)),
    }
}

/// A word of small letters.
fn lower(rng: &mut Rng) -> String {
    (0..rng.usize(4..12)).map(|_| rng.lowercase()).collect()
}

fn detection(service: fn(&mut Rng) -> String, rng: &mut Rng) -> (String, &'static str) {
    if rng.u8(..20) == 0 {
        let words: Vec<String> = (0..3).map(|_| format!("      - '{}'\n", word(rng))).collect();
        return (format!("  selection:\n    userAgent|contains:\n{}", words.concat()), "selection");
    }
    let is_common = rng.u8(..10) == 0;
    let (service, calls) = match is_common {
        true => {
            let (service, call) = CALLS_COMMON[rng.usize(..CALLS_COMMON.len())];
            (format!("{service}.amazonaws.com"), vec![call.to_owned()])
        }
        false => (service(rng), (0..rng.usize(1..4)).map(|_| call(rng)).collect()),
    };
    let calls: String = calls.iter().map(|call| format!("      - {call}\n")).collect();
    let mut text = format!("  selection:\n    eventSource: {service}\n    eventName:\n{calls}");
    // What is common is looked for together with what is rare.
    text.push_str(&match rng.u8(..if is_common { 2 } else { 5 }) {
        0 => format!("    requestParameters.policyArn|endswith: '/Admin{}'\n", rng.u8(..)),
        1 => format!("    userIdentity.arn|contains: 'role/{}'\n", rng.u16(..)),
        2 => "    userIdentity.type: IAMUser\n".to_owned(),
        _ => String::new(),
    });
    if rng.u8(..3) > 0 {
        return (text, "selection");
    }
    text.push_str(&format!("  filter:\n    userIdentity.arn|endswith: '/svc-{}'\n", rng.u16(..)));
    (text, "selection and not filter")
}
