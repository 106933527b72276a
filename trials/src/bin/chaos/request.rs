//! What a request tells, whatever HTTP it came by.

/// The way that a redirect leads, with the number of the attempt.
pub(crate) const HOP: &str = "/hop/";

/// Names the source that asks, so that the last words of one that was dropped are known as such.
pub(crate) const INCARNATION: &str = "x-incarnation";

#[derive(Debug)]
pub(crate) struct Request {
    /// Each `Last-Event-ID` there is.
    pub(crate) ids: Vec<Vec<u8>>,
    pub(crate) incarnation: Option<u32>,
    /// The attempt that was redirected here.
    pub(crate) hop_of: Option<usize>,
}

impl Request {
    /// Names are compared without regard to case.
    pub(crate) fn new<'a>(
        path: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Self {
        let mut request = Self {
            ids: Vec::new(),
            incarnation: None,
            hop_of: path
                .strip_prefix(HOP)
                .and_then(|attempt| attempt.parse().ok()),
        };
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("last-event-id") {
                request.ids.push(value.to_vec());
            } else if name.eq_ignore_ascii_case(INCARNATION) {
                let value = std::str::from_utf8(value).unwrap_or_default();
                request.incarnation = value.parse().ok();
            }
        }
        request
    }
}
