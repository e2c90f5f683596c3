//! Sigma rules, made from a seed: selections whose case does not count, filters, keywords.

use fastrand::Rng;

use super::keywords;
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

/// As the whole collection of SigmaHQ is: one rule in sixty is for CloudTrail, one in twenty-four looks for words anywhere, and
/// all others ask for fields of Windows, of proxies and of other clouds, which no event of CloudTrail has. All say that they are
/// for CloudTrail, so that everybody takes them.
pub fn collection(count: usize) -> Vec<Written> {
    let mut rng = Rng::with_seed(19);
    let made = |number: usize| match number % 24 {
        23 => file(number, keywords::selections(number / 24, &mut rng)),
        _ => file(number, foreign(&mut rng)),
    };
    (0..count).map(made).collect()
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
    let text = match rng.u8(..240) {
        0..4 => return detection(service, rng),
        4..46 => format!(
            "  selection:\n    TargetObject|contains: '\\{}\\{}\\'\n    Details|startswith: '{}'\n",
            lower(rng),
            lower(rng),
            lower(rng)
        ),
        46..72 => format!("  selection:\n    EventID: {}\n    Provider_Name: '{}'\n", rng.u16(..9_000), lower(rng)),
        72..92 => format!(
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

/// A word of small letters.
pub fn lower(rng: &mut Rng) -> String {
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
