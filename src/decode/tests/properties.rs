//! What holds for any bytes, and for any records in any wrapper.

use proptest::prelude::*;

use super::*;

/// Pieces that make trouble when put together.
fn scraps() -> impl Strategy<Value = Vec<u8>> {
    let scrap = prop_oneof![
        proptest::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\n",
            "\r\n",
            " ",
            "1",
            "-",
            "null",
            "\u{FEFF}",
            "ä",
            "\0",
            "{}",
            "{\"a\":",
            "{\"a\":1}",
            "{\"eventVersion\"",
            "{\"eventVersion\":1}",
            "{\"Records\":[",
            "{\"Records\" : [{}]}",
            "\"detail-type\":1,",
            "\"detail\":{\"eventVersion\":1}",
            "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[",
            "{\"message\":\"{}\"}",
            "{\"awslogs\":{\"data\":\"",
            "H4sI",
            "\\ud800",
            "}\n{",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 1..4),
    ];
    proptest::collection::vec(scrap, 0..40).prop_map(|scraps| scraps.concat())
}

fn json(text_of: &'static str) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1.50e+7".to_owned()),
        text_of.prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec(inner, 0..3)
                .prop_map(|items| format!("{{\"k\": {}}}", items.first().cloned().unwrap_or("1".into()))),
        ]
    })
}

/// A record with members in an order and with white space of its own.
fn record() -> impl Strategy<Value = String> {
    (any::<bool>(), json("\\PC*"), json("[{}\\[\\]\"\\\\]*")).prop_map(|(version_first, one, two)| {
        let version = "\"eventVersion\":\"1.08\"";
        if version_first {
            format!("{{{version},\"one\":{one},\"two\": {two}}}")
        } else {
            format!("{{\"one\" :{one},{version},\"two\":{two}}}")
        }
    })
}

fn records() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(record(), 0..6)
}

fn check_events(records: &[String], body: impl Into<Vec<u8>>) {
    let out = decoded(body);
    assert!(out.rejects.is_empty(), "{:#?}", told(&out));
    let events: Vec<&[u8]> = out.events.iter().map(|event| &event.bytes[..]).collect();
    let records: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
    assert_eq!(events, records);
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        decoded(bytes.clone());
        decoded([&gzip::MAGIC[..], &[8, 0], &bytes].concat());
    }

    #[test]
    fn any_scraps_are_decoded_without_panic_and_within_limits(scraps in scraps(), inflated_bytes_max in 0..200_usize) {
        let limits = Limits { inflated_bytes_max, parts_max: 5, wrappers_max: 2, nesting_max: 4, record_bytes_max: 40, ..Limits::default() };
        for body in [scraps.clone(), super::gzip(&scraps)] {
            let out = decoded_from(body, &limits);
            prop_assert!(out.parts() <= 6);
            let is_within = |event: &RawEvent| event.bytes.len() <= 40 && event.bytes.starts_with(b"{");
            prop_assert!(out.events.iter().all(is_within), "{:#?}", told(&out));
        }
        for event in decoded(scraps).events.iter().filter(|event| !event.bytes.starts_with(b"{\"eventVersion\"")) {
            let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(&event.bytes);
            prop_assert!(parsed.is_ok(), "{:?}", event.bytes);
        }
    }

    #[test]
    fn records_come_out_byte_for_byte(records in records()) {
        check_events(&records, records.join("\n"));
        check_events(&records, records.join("\r\n\r\n"));
        check_events(&records, records.concat());
        check_events(&records, format!("{{\"Records\":[{}]}}", records.join(",")));
        check_events(&records, format!("[ {} ]", records.join(" ,\n ")));
        let envelopes: Vec<String> = records.iter().map(|record| format!("{{\"detail-type\":\"x\",\"id\":\"1\",\"detail\":{record}}}")).collect();
        check_events(&records, envelopes.join("\n"));
        let messages: Vec<&str> = records.iter().map(String::as_str).collect();
        check_events(&records, payload("DATA_MESSAGE", &messages));
        check_events(&records, super::gzip(records.join("\n")));
        check_events(&records, base64_gzip(&records.join("\n")));
    }

    #[test]
    fn what_came_before_a_cut_is_decoded(records in proptest::collection::vec(record(), 1..6), percent in 0..=100_usize, shape in 0..3) {
        let text = match shape {
            0 => records.join("\n"),
            1 => records.concat(),
            _ => format!("[{}]", records.join(",\n")),
        };
        let inflated_bytes_max = text.len().saturating_sub(1) * percent / 100;
        let out = decoded_from(super::gzip(&text), &Limits { inflated_bytes_max, ..Limits::default() });
        let mut end = 0;
        let is_before = |record: &&String| {
            end += text[end..].find(record.as_str()).unwrap() + record.len();
            end <= inflated_bytes_max
        };
        let events = records.iter().take_while(is_before).count();
        prop_assert_eq!(out.events.len(), events, "{:#?}", told(&out));
        prop_assert_eq!(out.rejects.len(), 1, "{:#?}", told(&out));
    }

    #[test]
    fn a_record_is_found_behind_any_broken_line(record in record(), broken in "[^\n]*") {
        let out = decoded(format!("{broken}\n{record}\n"));
        // A line may be the start of a document that the record completes, but not one of these.
        prop_assume!(!broken.trim_start().starts_with(['{', '[']));
        prop_assert!(out.events.iter().any(|event| event.bytes == record.as_bytes()), "{:#?}", told(&out));
    }

    /// Lines that are no wrappers: each byte that is not white space is in one event or one reject. There is no white
    /// space within lines here, as an event or a reject keeps what is inside of it.
    #[test]
    fn nothing_of_a_line_is_lost(lines in proptest::collection::vec(line_without_space(), 0..12)) {
        let out = decoded(lines.join(&b'\n'));
        let solid = |bytes: &[u8]| bytes.iter().filter(|byte| !is_space(byte)).count();
        let in_events: usize = out.events.iter().map(|event| solid(&event.bytes)).sum();
        let in_rejects: usize = out.rejects.iter().map(|reject| reject.bytes).sum();
        prop_assert_eq!(in_events + in_rejects, lines.iter().map(Vec::len).sum::<usize>(), "{:#?}", told(&out));
    }
}

/// Arrays are wrappers, whose brackets and commas are in no event, so none starts here.
fn line_without_space() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        record().prop_map(String::into_bytes),
        "[^\n\\[\u{FEFF}]*".prop_map(String::into_bytes),
        proptest::collection::vec(proptest::sample::select(b"{}]\",:1a\xff\xc3".to_vec()), 0..12),
        proptest::sample::select(vec!["{", "\"a\":1,", "{\"a\":", "{\"a\":{", "}"])
            .prop_map(|line| line.as_bytes().to_vec()),
    ];
    line.prop_map(|mut line| {
        line.retain(|byte| !is_space(byte));
        line
    })
}
