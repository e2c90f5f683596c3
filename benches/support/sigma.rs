//! Sigma rules, made from a seed: selections whose case does not count, filters, and keywords of user agents.

use fastrand::Rng;

use super::pattern::word;
use super::rules::{CALLS_COMMON, Written, call, service};

/// As SigmaHQ's rules for CloudTrail are: nearly all name the service and the call.
pub fn sigma(count: usize) -> Vec<Written> {
    let mut rng = Rng::with_seed(17);
    (0..count).map(|number| written(number, &mut rng)).collect()
}

fn written(number: usize, rng: &mut Rng) -> Written {
    let (selection, condition) = detection(rng);
    let text = format!(
        "title: bench {number:05}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\n\
         logsource:\n  product: aws\n  service: cloudtrail\n\
         detection:\n{selection}  condition: {condition}\nlevel: medium\n"
    );
    Written { name: format!("bench-{number:05}.yml"), text }
}

fn detection(rng: &mut Rng) -> (String, &'static str) {
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
