//! Where tokens come from: the user, or a service that issues fresh ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fetch_event_source::reqwest::StatusCode;
use fetch_event_source::{Attempt, BoxError};

#[derive(Clone)]
pub(crate) enum Tokens {
    Fixed(String),
    /// The number of the current one. It stands for a client of OAuth's, say.
    Refreshed(Arc<AtomicU32>),
}

impl Tokens {
    pub(crate) fn fixed(token: String) -> Self {
        Self::Fixed(token)
    }

    pub(crate) fn refreshed() -> Self {
        Self::Refreshed(Arc::new(AtomicU32::new(1)))
    }

    pub(crate) fn can_refresh(&self) -> bool {
        matches!(self, Self::Refreshed(_))
    }

    /// The token for this attempt: another one, if the last attempt was refused.
    pub(crate) async fn fresh(&self, attempt: &Attempt) -> Result<String, BoxError> {
        let was_refused = attempt
            .failure()
            .is_some_and(|failure| failure.status() == Some(StatusCode::UNAUTHORIZED));
        match self {
            Self::Fixed(token) => Ok(token.clone()),
            Self::Refreshed(number) => {
                let number = match was_refused {
                    true => number.fetch_add(1, Ordering::Relaxed) + 1, // one would ask for it here
                    false => number.load(Ordering::Relaxed),
                };
                Ok(format!("token-{number}"))
            }
        }
    }
}
