//! Reads events as JSON: the data, or type and data together.

mod by_type;
mod error;
mod stream;

use serde::Deserialize;
use serde_path_to_error::Track;

use crate::event::Event;

use by_type::by_type;
pub use error::JsonError;
pub use stream::{JsonStream, JsonStreamError, JsonStreamExt};

impl Event {
    /// Reads the data as JSON.
    ///
    /// ```
    /// use fetch_event_source::Event;
    ///
    /// let event = Event::new(r#"{"text": "Hel"}"#);
    /// let delta: serde_json::Value = event.json()?;
    /// assert_eq!(delta["text"], "Hel");
    /// # Ok::<_, fetch_event_source::JsonError>(())
    /// ```
    ///
    /// If the data names its own type, as in many LLM APIs, use an enum with serde's `tag`:
    ///
    /// ```
    /// use fetch_event_source::Event;
    ///
    /// #[derive(Debug, PartialEq, serde::Deserialize)]
    /// #[serde(tag = "type", rename_all = "snake_case")]
    /// enum Message {
    ///     ContentBlockDelta { index: usize, delta: Delta },
    ///     MessageStop,
    ///     #[serde(other)]
    ///     Other, // types that the server adds later
    /// }
    /// #[derive(Debug, PartialEq, serde::Deserialize)]
    /// #[serde(tag = "type", rename_all = "snake_case")]
    /// enum Delta {
    ///     TextDelta { text: String },
    ///     #[serde(other)]
    ///     Other,
    /// }
    ///
    /// let event = Event::new(
    ///     r#"{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}"#,
    /// );
    /// let delta = Delta::TextDelta { text: "Hi".into() };
    /// assert_eq!(event.json::<Message>()?, Message::ContentBlockDelta { index: 0, delta });
    /// # Ok::<_, fetch_event_source::JsonError>(())
    /// ```
    ///
    /// If the event's type selects the variant, use [`typed`](Self::typed). For a stream of values use
    /// [`JsonStreamExt`](crate::JsonStreamExt). In a hook:
    ///
    /// ```
    /// # #[cfg(feature = "client")]
    /// # fn hook(source: fetch_event_source::EventSource<'static>, mut answer: String) {
    /// # #[derive(serde::Deserialize)]
    /// # struct Delta { text: String }
    /// let source = source.on_message(move |event| {
    ///     event.json().map(|delta: Delta| answer.push_str(&delta.text)) // an error goes to `on_error`
    /// });
    /// # drop(source);
    /// # }
    /// ```
    ///
    /// `T` may borrow from the event: a `&str` without escapes, a `Cow<str>`.
    ///
    /// # Errors
    ///
    /// If the data is not JSON, or not a `T`; the error names the place. Empty data is never JSON.
    pub fn json<'de, T: Deserialize<'de>>(&'de self) -> Result<T, JsonError> {
        serde_json::from_str(self.data()).map_err(|error| {
            let mut json = serde_json::Deserializer::from_str(self.data());
            let mut track = Track::new();
            let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
            let _ = T::deserialize(tracked); // fails as it did before, and now the path is known
            JsonError::new(self, Some(&track.path()), error)
        })
    }

    /// Reads type and data as an enum: the type selects the variant, and the data is its content, as JSON.
    ///
    /// ```
    /// use fetch_event_source::Event;
    ///
    /// #[derive(Debug, PartialEq, serde::Deserialize)]
    /// #[serde(rename_all = "snake_case")]
    /// enum Update {
    ///     Price(Price),        // event: price, data: {"bid": 1.5, "ask": 1.6}
    ///     Alert { level: u8 }, // event: alert, data: {"level": 3}
    ///     Range(f64, f64),     // event: range, data: [1.5, 2.5]
    ///     Message(String),     // data: "for an event without a type"
    ///     Ping,                // event: ping, with any data
    ///     #[serde(other)]
    ///     Other, // any other type, with any data
    /// }
    /// #[derive(Debug, PartialEq, serde::Deserialize)]
    /// struct Price {
    ///     bid: f64,
    ///     ask: f64,
    /// }
    ///
    /// let event = Event::new(r#"{"level": 3}"#).with_type("alert");
    /// match event.typed()? {
    ///     Update::Price(price) => println!("{}", price.bid),
    ///     Update::Alert { level } => assert_eq!(level, 3),
    ///     _ => {}
    /// }
    /// assert_eq!(Event::new("").with_type("ping").typed::<Update>()?, Update::Ping);
    /// # Ok::<_, fetch_event_source::JsonError>(())
    /// ```
    ///
    /// `rename`, `alias` and similar attributes work as usual; the enum has no `tag` and is not `untagged`. If the
    /// data names its own type, use [`json`](Self::json). If the server sends the type in both places, either
    /// method works, because unknown fields are ignored. `T` may borrow from the event.
    ///
    /// In a hook it is a `match`:
    ///
    /// ```
    /// # #[cfg(feature = "client")]
    /// # fn hook(source: fetch_event_source::EventSource<'static>) {
    /// # #[derive(serde::Deserialize)]
    /// # enum Update { Price(f64), Ping }
    /// # let mut price = 0.0;
    /// use fetch_event_source::JsonError;
    ///
    /// let source = source.on_message(move |event| -> Result<(), JsonError> {
    ///     match event.typed()? {
    ///         Update::Price(new) => price = new,
    ///         Update::Ping => {}
    ///     }
    ///     Ok(())
    /// });
    /// # drop(source);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If no variant has the name of the type, and none is `#[serde(other)]`
    /// ([`is_unknown_type`](crate::JsonError::is_unknown_type)); if the data is not what the
    /// variant expects; if `T` is not such an enum.
    pub fn typed<'de, T: Deserialize<'de>>(&'de self) -> Result<T, JsonError> {
        by_type(self)
    }
}
