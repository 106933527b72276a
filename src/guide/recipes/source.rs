/// Breaks off within its second event, and continues after the last event ID.
fn source() -> fetch_event_source::EventSource<'static> {
    use fetch_event_source::{BoxError, EventSource, RetryPolicy, http};
    let cut = [Ok("id: 1\ndata: a\n\nid: 2\nda"), Err(BoxError::from("cut"))];
    EventSource::from_body(futures_util::stream::iter(cut))
        .reconnect_with(|attempt| async move {
            assert_eq!(attempt.last_event_id(), "1");
            let rest = "id: 2\ndata: b\n\nid: 3\ndata: c\n\n";
            let response = http::Response::builder().header("content-type", "text/event-stream");
            Ok(response.body(http_body_util::Full::new(bytes::Bytes::from(rest)))?)
        })
        .idempotent(true)
        .retry(RetryPolicy::default().base_delay(std::time::Duration::from_millis(1)))
}
