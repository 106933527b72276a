use fetch_event_source::EventSource;

fn sum<'a>(source: EventSource<'a>, sum: &'a mut i32) -> EventSource<'a> {
    source.on_message(|event| {
        *sum += event.data().parse::<i32>()?;
        Ok(())
    })
}

fn main() {}
