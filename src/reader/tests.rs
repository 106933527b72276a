//! What the client relies on.

use super::EventReader;
use crate::event::{Event, LONG_ID};
use crate::parser::{Parser, Step};

fn reader() -> EventReader<&'static str> {
    EventReader::new(Parser::new())
}

fn ended_as_other(chunks: &[&'static str]) -> bool {
    let mut reader = reader();
    for &chunk in chunks {
        reader.push(chunk);
        while reader.step().expect("no limit").is_some() {}
    }
    reader.ended_as_other()
}

#[test]
fn a_body_of_unknown_lines_is_not_an_event_stream() {
    for body in [
        "{\"error\": \"overloaded\"}",
        "{\n  \"error\": \"overloaded\"\n}\n",
        "\n\n<html>\n\n",
        "x\nda",
        "Data: 1\n\n",
        " data: 1\n\n",
    ] {
        assert!(ended_as_other(&[body]), "{body:?}");
        let (head, rest) = body.split_at(1);
        assert!(ended_as_other(&[head, rest]), "{body:?}");
    }
}

#[test]
fn a_known_line_or_the_beginning_of_one_is_an_event_stream() {
    for body in [
        "",
        "\n",
        "\r\n\r\n",
        "\u{feff}",
        "d",
        "da",
        "data",
        "data:",
        "data: x",
        ":",
        ": c",
        "id",
        "i",
        "retry: x",
        "eve",
        "x\n:",
        "x\nretry: soon\n",
        "x\nid: \0\n",
        "x\ndata: 1\n\n",
        "data: 1\n\nx\n",
    ] {
        assert!(!ended_as_other(&[body]), "{body:?}");
        for at in body.char_indices().map(|(at, _)| at) {
            let (head, rest) = body.split_at(at);
            assert!(!ended_as_other(&[head, rest]), "{body:?} at {at}");
        }
    }
}

#[test]
fn unknown_lines_are_counted_whether_or_not_they_are_returned() {
    for tells in [false, true] {
        let mut reader = reader();
        reader.tell_asides(tells);
        reader.push("x\n: c\ny: z\ndata: 1\n\n");
        let mut told = 0;
        while let Some(step) = reader.step().expect("no limit") {
            told += usize::from(matches!(step, Step::Ignored(_)));
        }
        assert_eq!(
            (reader.ignored_lines(), told),
            (2, if tells { 2 } else { 0 })
        );
        reader.reset("");
        assert_eq!(reader.ignored_lines(), 0);
        assert!(!reader.saw_known_line());
    }
}

#[test]
fn empty_events_are_returned_if_enabled() {
    let mut reader = reader();
    reader.report_empty_events(true);
    reader.push("id: 1\nevent: t\n\nid: 2\n\nevent\n\nevent: u\ndata\n\n");
    assert!(!reader.has_event(), "it waits for `step`");
    assert!(matches!(reader.step(), Ok(Some(Step::EmptyEvent))));
    assert!(reader.is_empty_event());
    assert_eq!(reader.id_commits(), 1);
    let event = reader.take_event();
    assert_eq!(
        (event.event_type(), event.data(), event.last_event_id()),
        ("t", "", "1")
    );
    assert!(event.has_own_id());
    assert!(matches!(reader.step(), Ok(Some(Step::LastEventId))));
    assert!(reader.has_event());
    assert!(!reader.is_empty_event());
    let event = reader.take_event();
    assert_eq!((event.event_type(), event.has_own_id()), ("u", false));
    assert!(matches!(reader.step(), Ok(None)));
}

#[test]
fn an_event_may_be_left_to_step() {
    for body in [
        "data: 1\n\n",
        "data: 1\n\ndata: 2\n\n",
        "id: 1\ndata: 1\n\ndata: 2\n\n",
    ] {
        let mut reader = reader();
        reader.push(body);
        assert!(reader.has_event());
        reader.leave_event();
        assert!(reader.is_at_work());
        assert!(!reader.has_event());
        assert!(matches!(reader.step(), Ok(Some(Step::Event))));
        assert_eq!(reader.take_event().data(), "1");
        if body.contains('2') {
            assert!(reader.has_event());
            assert_eq!(reader.take_event().data(), "2");
        }
        assert!(!reader.is_at_work());
    }
}

#[test]
fn finish_gives_what_was_carried_over() {
    for (chunks, data) in [
        (&["data: 12"][..], Some("12")),
        (&["data: 1", "2", "3\n"], Some("123")),
        (&["data: 1\n\n", "data: 2"], Some("2")),
        (&["data: 1", "\n\n"], None),
    ] {
        let mut reader = reader();
        for &chunk in chunks {
            reader.push(chunk);
            while reader.has_event() {
                reader.take_event();
            }
            assert!(matches!(reader.step(), Ok(None)));
        }
        let given = reader.finish_event().then(|| reader.take_event());
        assert_eq!(given.as_ref().map(|event| event.data()), data, "{chunks:?}");
        assert!(!reader.finish_event());
    }
}

#[test]
fn an_event_that_is_not_taken_is_passed_over() {
    for chunks in [
        ["data: 1", "\n\ndata: 2\n\n"],
        ["", "data: 1\n\nid: 3\ndata: 2\n\n"],
    ] {
        let mut reader = reader();
        for chunk in chunks {
            reader.push(chunk);
            while reader.is_at_work() && !reader.has_event() {
                assert!(matches!(reader.step(), Ok(None)));
            }
        }
        assert!(reader.has_event());
        assert_eq!(reader.take_event().data(), "2");
        assert!(!reader.has_event());
    }
}

#[test]
fn a_block_that_sets_the_id_is_counted() {
    let mut reader = reader();
    let before = reader.id_commits();
    reader.push("id: 1\ndata: 1\n\ndata: 2\n\nid: 2\n\n");
    assert!(reader.has_event());
    assert_eq!(
        (reader.id_commits(), reader.last_event_id()),
        (before + 1, "1")
    );
    assert_eq!(reader.take_event().last_event_id(), "1");
    assert!(reader.has_event());
    assert_eq!(reader.id_commits(), before + 1);
    assert_eq!(reader.take_event().last_event_id(), "1");
    assert!(matches!(reader.step(), Ok(Some(Step::LastEventId))));
    assert_eq!(
        (reader.id_commits(), reader.last_event_id()),
        (before + 2, "2")
    );
}

#[test]
fn events_share_a_long_id_that_they_inherit() {
    let [first, second] = ["x", "y"].map(|part| part.repeat(LONG_ID));
    let mut reader = EventReader::new(Parser::new());
    reader.push(format!(
        "id: {first}\nevent: t\ndata: 1\n\ndata: 2\n\ndata: 3\n\nid: {second}\ndata: 4\n\nevent: u\ndata: 5\n\n"
    ));
    let mut events = Vec::new();
    while reader.has_event() {
        events.push(reader.take_event());
    }
    let ids: Vec<_> = events.iter().map(Event::last_event_id).collect();
    assert_eq!(ids, [&first, &first, &first, &second, &second]);
    assert!(std::ptr::eq(ids[1], ids[2]));
}

#[test]
fn a_long_id_does_not_outlive_its_connection() {
    let [first, second] = ["x", "y"].map(|part| part.repeat(LONG_ID));
    let mut reader = EventReader::new(Parser::new());
    for (position, body, id) in [
        (&first, "data: 1\n\n".to_owned(), &first),
        (&second, "data: 2\n\n".to_owned(), &second),
        (&first, format!("id: {second}\ndata: 3\n\n"), &second),
        (&second, format!("id: {first}\n\ndata: 4\n\n"), &first),
        (&first, format!("id: {second}\n\ndata: 5\n\n"), &second),
    ] {
        reader.reset(position);
        reader.push(body);
        while !reader.has_event() {
            assert!(matches!(reader.step(), Ok(Some(Step::LastEventId))));
        }
        assert_eq!(reader.take_event().last_event_id(), id);
    }
}

#[test]
fn a_reset_drops_what_was_carried_over_and_takes_the_id() {
    let mut reader = reader();
    reader.push("data: 1");
    assert!(!reader.has_event());
    reader.reset("7");
    reader.push("\n\ndata: 2\n\n");
    assert!(reader.has_event());
    let event = reader.take_event();
    assert_eq!((event.data(), event.last_event_id()), ("2", "7"));
    assert!(!event.has_own_id());
}
