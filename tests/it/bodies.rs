//! The bodies of webhooks: what each preset makes of an everyday finding, and that no value of a hostile one gets out of
//! its place.

use proptest::prelude::*;
use serde_json::Value;
use trailwatch::finding::Finding;
use trailwatch::rule::Severity;
use trailwatch::sink::webhook::body::{Body, Escape, Writer};

use crate::foreign::{bare, digest_of, finding, finding_of};

fn presets() -> [(&'static str, Body); 6] {
    [
        ("json", Body::Json),
        ("slack", Body::Slack),
        ("teams", Body::Teams),
        ("discord", Body::Discord),
        ("pagerduty", Body::PagerDuty { routing_key: "R0UT1NG".to_owned() }),
        ("alertmanager", Body::Alertmanager),
    ]
}

fn template(text: &str, escape: Escape) -> Body {
    Body::Template { text: text.to_owned(), escape }
}

fn written(body: Body, finding: &Finding) -> Value {
    serde_json::from_str(&Writer::new(body).unwrap().write(finding).unwrap()).unwrap()
}

#[test]
fn an_everyday_finding_reads_as_documented() {
    for (name, body) in presets() {
        let text = serde_json::to_string_pretty(&written(body, &finding())).unwrap();
        insta::assert_snapshot!(format!("body_{name}"), text);
    }
}

#[test]
fn a_digest_reads_as_documented() {
    let digest = digest_of(&finding());
    let texts = presets()
        .map(|(name, body)| format!("{name}\n{}", serde_json::to_string_pretty(&written(body, &digest)).unwrap()));
    insta::assert_snapshot!("digests", texts.join("\n\n"));
}

#[test]
fn a_digest_is_of_the_same_matter_as_its_finding() {
    let (finding, digest) = (finding(), digest_of(&finding()));
    assert_ne!(digest.id, finding.id);
    let pagerduty = Body::PagerDuty { routing_key: "r".to_owned() };
    assert_eq!(written(pagerduty.clone(), &digest)["dedup_key"], written(pagerduty, &finding)["dedup_key"]);
    let labels = |finding| written(Body::Alertmanager, finding)[0]["labels"].clone();
    assert_eq!(labels(&digest), labels(&finding));
}

#[test]
fn what_is_not_known_is_left_out() {
    for (name, body) in presets().into_iter().filter(|(name, _)| *name != "json") {
        let text = written(body, &bare()).to_string();
        for absent in ["ccount", "egion\"", "startsAt", "timestamp", "ession", "null"] {
            assert!(!text.contains(absent), "{name}: {absent} in {text}");
        }
    }
}

#[test]
fn every_severity_has_a_word_that_the_receiver_knows() {
    let of = |severity: Severity, body: Body, pointer: &str| {
        let finding = finding_of(None, severity);
        written(body, &finding).pointer(pointer).unwrap().as_str().unwrap().to_owned()
    };
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Informational];
    let pagerduty = |severity| of(severity, Body::PagerDuty { routing_key: "r".into() }, "/payload/severity");
    assert_eq!(severities.map(pagerduty), ["critical", "error", "warning", "info", "info"]);
    let alertmanager = |severity| of(severity, Body::Alertmanager, "/0/labels/severity");
    assert_eq!(severities.map(alertmanager), ["critical", "high", "medium", "low", "informational"]);
}

#[test]
fn templates_say_what_is_wrong_with_them() {
    let table = [
        ("a tag that is open", template("{% if title %}{{ title }}", Escape::Json)),
        ("a filter that is none", template("{{ title|shout }}", Escape::Json)),
        ("a field that is none", template("{{ titel }}", Escape::Json)),
        ("a field that this event has not", template("{{ events[0].responseElements.x }}", Escape::Json)),
        ("such a field as plain text", template("{{ events[0].errorCode }}", Escape::Text)),
        ("quotes around a value", template("{\"text\": \"{{ title }}\"}", Escape::Json)),
        ("no JSON", template("severity: {{ severity }}", Escape::Json)),
        (
            "a loop without end",
            template("{% for x in range(9999) %}{% for y in range(9999) %}.{% endfor %}{% endfor %}", Escape::Text),
        ),
        ("too much to write", template("{{ 'x' * 99999999 }}", Escape::Text)),
        ("no routing key", Body::PagerDuty { routing_key: String::new() }),
    ];
    let told = |body: Body| match Writer::new(body) {
        Err(error) => error.to_string(),
        Ok(writer) => writer.write(&finding()).unwrap_err(),
    };
    let lines: Vec<String> = table.into_iter().map(|(what, body)| format!("{what}\n  {}", told(body))).collect();
    insta::assert_snapshot!("templates_that_fail", lines.join("\n"));
}

#[test]
fn a_template_has_every_field_of_the_finding() {
    let text = r#"{"text": {{ severity ~ ": " ~ title }}, "who": {{ actor.name }}, "set": {{ events[0].requestParameters.type }},
        "error": {{ events[0].errorCode|default(none) }}, "tag": {{ rule.tags|last }}, "n": {{ why|length }}}"#;
    let value = written(template(text, Escape::Json), &finding());
    let expected = serde_json::json!({
        "text": "high: X-Ray trace encryption set to NONE", "who": "deploy", "set": "NONE", "error": null,
        "tag": "service.xray", "n": 1
    });
    assert_eq!(value, expected);
    // As docs/operating.md has it, which serves digests as well.
    let bucket = r#"{"bucket": {{ ((events|first|default({})).requestParameters|default({})).bucketName|default(none) }},
        "more": {{ digest.count if digest is defined else 0 }}}"#;
    let of = |finding: &Finding| written(template(bucket, Escape::Json), finding);
    assert_eq!(of(&finding()), serde_json::json!({"bucket": null, "more": 0}));
    assert_eq!(of(&digest_of(&finding())), serde_json::json!({"bucket": null, "more": 2}));
    let plain = Writer::new(template("{{ title }} by {{ actor.name }}", Escape::Text)).unwrap();
    assert_eq!(plain.write(&finding()).unwrap(), "X-Ray trace encryption set to NONE by deploy");
    assert_eq!(plain.content_type(), "text/plain; charset=utf-8");
}

/// Text that somebody would choose to get out of their place.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "<!channel>",
        "<@U123>",
        "@everyone",
        "@here",
        "<http://evil.example|bank>",
        "https://evil.example/x",
        "[a](http://b)",
        "![a](http://b)",
        "<at>Ann</at>",
        "</TextRun>",
        "*bold*",
        "_it_",
        "~s~",
        "`code`",
        "```",
        "> quote",
        "# head",
        "||spoiler||",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "${env:HOME}",
        "$(id)",
        "\"",
        "\\",
        "\",\"x\":\"",
        "&amp;",
        "&lt;",
        "\r\n",
        "X-Header: 1",
        "\u{1b}[31m",
        "\u{9b}2J",
        "\u{202e}",
        "\u{200b}",
        "\u{feff}",
        "\u{2028}",
        "<script>",
        "'",
        ":smile:",
        "<t:0>",
        "<#1>",
        "</",
        "é",
        "日本語",
        "🙂",
        "\u{0}",
        "a",
        " ",
        "\n- item",
        "1. ",
    ]);
    let known = prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat());
    let long = (known.clone(), 1..400_usize).prop_map(|(text, times)| text.repeat(times));
    prop_oneof![3 => known, 2 => any::<String>(), 1 => long]
}

/// Every string below a value, with the name it stands under.
fn strings<'v>(value: &'v Value, name: &'v str, found: &mut Vec<(&'v str, &'v str)>) {
    match value {
        Value::String(text) => found.push((name, text)),
        Value::Array(values) => values.iter().for_each(|value| strings(value, name, found)),
        Value::Object(members) => members.iter().for_each(|(name, value)| strings(value, name, found)),
        _ => {}
    }
}

fn all_strings(value: &Value) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    strings(value, "", &mut found);
    found
}

/// What a value is, text aside: names, kinds and order.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(_) => "".into(),
        Value::Array(values) => values.iter().map(shape).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), shape(value))).collect::<serde_json::Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}' | '\u{202e}' | '\u{2028}' | '\u{feff}')
}

/// Slack reads `&`, `<` and `>` in every text, and mark-up only in what is not plain text.
fn check_slack(message: &Value) {
    for block in message["blocks"].as_array().unwrap() {
        let texts = block["fields"].as_array().cloned().unwrap_or_else(|| vec![block["text"].clone()]);
        let limit = if block["type"] == "header" { 150 } else { 2_000 };
        assert!(texts.len() <= 10);
        for text in texts {
            assert_eq!((&text["type"], &text["emoji"]), (&"plain_text".into(), &false.into()));
            let text = text["text"].as_str().unwrap();
            assert!((1..=limit).contains(&units(text)), "{text}");
        }
    }
    for (_, text) in all_strings(message) {
        let plain = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
        assert!(!plain.contains(['&', '<', '>']), "{text}");
    }
    assert_eq!(
        (&message["mrkdwn"], &message["link_names"], &message["parse"]),
        (&false.into(), &false.into(), &"none".into())
    );
}

/// In Teams only text blocks and the like read Markdown, and only entities mention anybody.
fn check_teams(message: &Value) {
    let text = message.to_string();
    assert!(text.len() < 28_000, "{} bytes", text.len());
    let kinds: Vec<&str> =
        all_strings(message).into_iter().filter(|(name, _)| *name == "type").map(|(_, kind)| kind).collect();
    assert!(
        kinds.iter().all(|kind| ["message", "AdaptiveCard", "RichTextBlock", "TextRun"].contains(kind)),
        "{kinds:?}"
    );
}

/// In Discord a backslash makes a punctuation mark plain.
fn check_discord(message: &Value) {
    assert_eq!(message["allowed_mentions"], serde_json::json!({"parse": []}));
    let embed = &message["embeds"][0];
    let fields = embed["fields"].as_array().unwrap();
    let mut texts = vec![(256, embed["title"].as_str().unwrap())];
    texts.extend(fields.iter().map(|field| (1_024, field["value"].as_str().unwrap())));
    assert!(texts.iter().map(|(_, text)| units(text)).sum::<usize>() < 5_800);
    for (limit, text) in texts {
        assert!((1..=limit).contains(&units(text)), "{text}");
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => assert!(chars.next().is_some_and(|c| c.is_ascii_punctuation()), "{text}"),
                other => assert!(!other.is_ascii_punctuation(), "`{other}` in {text}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Neither form nor names of a message depend on what values hold; nothing in it is hidden; and mark-up is none.
    #[test]
    fn no_value_gets_out_of_its_place(value in hostile()) {
        let (hostile, everyday) = (finding_of(Some(&value), Severity::High), finding());
        let digests = (digest_of(&hostile), digest_of(&everyday));
        let pairs = [(&hostile, &everyday), (&digests.0, &digests.1)];
        let bodies = presets().into_iter().filter(|(name, _)| *name != "json");
        for ((name, body), (hostile, everyday)) in bodies.flat_map(|body| pairs.map(|pair| (body.clone(), pair))) {
            let message = written(body.clone(), hostile);
            prop_assert_eq!(shape(&message), shape(&written(body, everyday)), "{}", name);
            for (_, text) in all_strings(&message) {
                prop_assert!(!text.contains(is_hidden), "{}: {:?}", name, text);
            }
            match name {
                "slack" => check_slack(&message),
                "teams" => check_teams(&message),
                "discord" => check_discord(&message),
                "pagerduty" => prop_assert!(units(message["payload"]["summary"].as_str().unwrap()) <= 1_024),
                _ => {}
            }
        }
        prop_assert_eq!(&written(Body::Json, &hostile)["actor"]["name"], &Value::from(value));
    }

    /// A value stays one value in a template: in JSON the same string, in HTML without mark-up, in plain text on its line.
    #[test]
    fn no_value_gets_out_of_a_template(value in hostile()) {
        let finding = finding_of(Some(&value), Severity::High);
        let json = r#"{"a": {{ actor.name }}, "b": [{{ actor.session }}, {{ title ~ "!" }}], "c": {{ events[0].eventName }}}"#;
        let message = written(template(json, Escape::Json), &finding);
        prop_assert_eq!(&message["a"], &Value::from(value.as_str()));
        prop_assert_eq!(&message["b"], &serde_json::json!([value, format!("{}!", finding.title)]));
        prop_assert_eq!(&message["c"], &Value::from(value.as_str()));
        let write = |escape| Writer::new(template("A{{ actor.name }}Z", escape)).unwrap().write(&finding).unwrap();
        let shown = |escape| {
            let message = written(template(r#"{"text": {{ ["by " ~ actor.name] }}}"#, escape), &finding);
            message["text"][0].as_str().unwrap()["by ".len()..].to_owned()
        };
        let slack = shown(Escape::Slack);
        let bare = ["&amp;", "&lt;", "&gt;"].iter().fold(slack.clone(), |text, entity| text.replace(entity, ""));
        prop_assert!(!bare.contains(['<', '>', '&']) && !slack.contains(is_hidden), "{:?}", slack);
        let markdown = shown(Escape::Markdown);
        let mut characters = markdown.chars();
        while let Some(c) = characters.next() {
            let is_escaped = c == '\\' && characters.next().is_some();
            prop_assert!(is_escaped || !c.is_ascii_punctuation(), "{}", markdown);
        }
        let html = write(Escape::Html);
        prop_assert!(!html.contains(['<', '>', '"', '\'']), "{}", html);
        let plain = write(Escape::Text);
        prop_assert!(plain.strip_suffix('Z').is_some_and(|line| !line.contains(is_hidden)), "{:?}", plain);
    }
}
