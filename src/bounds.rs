//! The bounds of the caller's functions and futures: the only place that says `Send`.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;

/// `Send` natively. In a browser, which has one thread, every type implements it.
///
/// The bounds of this crate are `MaybeSend`, so that code shared with a browser compiles on both.
pub trait MaybeSend: Send {}

impl<T: Send + ?Sized> MaybeSend for T {}

/// A boxed future.
pub(crate) type BoxFuture<'h, T> = Pin<Box<dyn Future<Output = T> + Send + 'h>>;

/// A function that takes its argument by value.
pub(crate) type BoxFn<'h, A, R> = Box<dyn FnMut(A) -> R + Send + 'h>;

/// A function that borrows its argument.
pub(crate) type BoxLook<'h, A, R> = Box<dyn FnMut(&A) -> R + Send + 'h>;

/// Any error: the error type of hooks and of the caller's functions.
pub type BoxError = Box<dyn StdError + Send + Sync>;
