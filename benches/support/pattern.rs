//! Event patterns of EventBridge, made from seeds. We read them as they are, and so do other engines.

use fastrand::Rng;
use serde_json::{Value, json};

use super::rules::{CALLS_COMMON, call, service};

/// One alternative for a field's value.
#[derive(Clone, Debug)]
pub enum Matcher {
    Exactly(String),
    Prefix(String),
    Suffix(String),
    AnyCase(String),
    Contains(String),
    AnythingBut(Vec<String>),
    Above(i64),
    Present,
}

/// All fields must fit, each with one of its alternatives.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub fields: Vec<(&'static str, Vec<Matcher>)>,
}

impl Pattern {
    /// The pattern as EventBridge and its like read it.
    pub fn eventbridge(&self) -> String {
        let mut pattern = json!({});
        for (path, matchers) in &self.fields {
            let mut place = &mut pattern;
            for name in path.split('.') {
                place = &mut place[name];
            }
            *place = matchers.iter().map(Matcher::eventbridge).collect();
        }
        pattern.to_string()
    }

    /// The pattern as a rule of ours, which reads it as it is. EventBridge has the record in `detail`.
    pub fn toml(&self, id: &str) -> String {
        let pattern = self.eventbridge();
        format!("id = \"{id}\"\ntitle = \"{id}\"\nseverity = \"low\"\nevent_pattern = '''{{\"detail\":{pattern}}}'''\n")
    }
}

impl Matcher {
    fn eventbridge(&self) -> Value {
        match self {
            Self::Exactly(text) => json!(text),
            Self::Prefix(text) => json!({ "prefix": text }),
            Self::Suffix(text) => json!({ "suffix": text }),
            Self::AnyCase(text) => json!({ "equals-ignore-case": text }),
            Self::Contains(text) => json!({ "wildcard": format!("*{text}*") }),
            Self::AnythingBut(texts) => json!({ "anything-but": texts }),
            Self::Above(number) => json!({ "numeric": [">", number] }),
            Self::Present => json!({ "exists": true }),
        }
    }
}

/// Service, call and region, exactly.
pub fn exact(count: usize) -> Vec<Pattern> {
    patterns(count, |rng| {
        let mut fields = service_and_calls(rng);
        fields.push(("awsRegion", vec![exactly("eu-west-1")]));
        fields
    })
}

/// What event patterns out in the world hold: mostly exact values, and a few of everything else.
pub fn mixed(count: usize) -> Vec<Pattern> {
    patterns(count, |rng| {
        let mut fields = service_and_calls(rng);
        match rng.u8(..10) {
            0 | 1 => fields.push(("userIdentity.type", vec![exactly("IAMUser"), exactly("Root")])),
            2 => fields.push(("userIdentity.arn", vec![Matcher::Prefix(format!("arn:aws:iam::{:012}:", rng.u32(..)))])),
            3 => fields.push(("userIdentity.arn", vec![Matcher::Suffix(format!("/svc-{}", rng.u16(..)))])),
            4 => fields.push(("userAgent", vec![Matcher::AnythingBut(vec!["console.amazonaws.com".to_owned()])])),
            5 => fields.push(("requestParameters.durationSeconds", vec![Matcher::Above(i64::from(rng.u16(..)))])),
            6 => fields.push(("errorCode", vec![Matcher::AnyCase("accessdenied".to_owned())])),
            7 => fields.push(("userAgent", vec![Matcher::Contains(word(rng))])),
            8 => fields.push(("requestParameters.roleArn", vec![Matcher::Present])),
            _ => {}
        }
        fields
    })
}

/// One substring of the user agent, and nothing else.
pub fn contains(count: usize) -> Vec<Pattern> {
    patterns(count, |rng| vec![("userAgent", vec![Matcher::Contains(word(rng))])])
}

fn patterns(count: usize, mut fields: impl FnMut(&mut Rng) -> Vec<(&'static str, Vec<Matcher>)>) -> Vec<Pattern> {
    let mut rng = Rng::with_seed(11);
    (0..count).map(|_| Pattern { fields: fields(&mut rng) }).collect()
}

/// One in thirty is about a call that is common.
fn service_and_calls(rng: &mut Rng) -> Vec<(&'static str, Vec<Matcher>)> {
    let (service, calls) = match rng.u8(..30) {
        0 => {
            let (service, call) = CALLS_COMMON[rng.usize(..CALLS_COMMON.len())];
            (format!("{service}.amazonaws.com"), vec![exactly(call)])
        }
        _ => (service(rng), (0..rng.usize(1..4)).map(|_| exactly(&call(rng))).collect()),
    };
    vec![("eventSource", vec![exactly(&service)]), ("eventName", calls)]
}

fn exactly(text: &str) -> Matcher {
    Matcher::Exactly(text.to_owned())
}

/// A word as tools have in their user agents; one in fifty is in some event.
pub fn word(rng: &mut Rng) -> String {
    const SEEN: &[&str] =
        &["Terraform/1.13.3", "Boto3/1.40.44", "aws-sdk-go-v2", "lang/python#3.13", "exec-env/AWS_Lambda"];
    if rng.u8(..50) == 0 {
        return SEEN[rng.usize(..SEEN.len())].to_owned();
    }
    let name: String = (0..rng.usize(5..10)).map(|_| rng.lowercase()).collect();
    format!("{name}/{}.{}", rng.u8(..9), rng.u8(..40))
}
