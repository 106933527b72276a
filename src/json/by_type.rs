//! Reads an event as an enum: the type names the variant, the data is its content.
//!
//! This is serde's external tagging, as of `{"price": {…}}`, with the tag outside of the JSON.

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Error;
use serde_path_to_error::{Path, Track};

use super::JsonError;
use crate::event::Event;

pub(super) fn by_type<'de, T: Deserialize<'de>>(event: &'de Event) -> Result<T, JsonError> {
    let mut has_variant = true;
    T::deserialize(ByType::new(event, &mut has_variant, None)).map_err(|error| {
        let path = has_variant.then(|| path_of_error::<T>(event));
        JsonError::new(event, path.as_ref(), error)
    })
}

/// Tracking the path costs time for each value, so the path is computed only after an error.
fn path_of_error<'de, T: Deserialize<'de>>(event: &'de Event) -> Path {
    let mut track = Track::new();
    let _ = T::deserialize(ByType::new(event, &mut true, Some(&mut track))); // fails as it did before
    track.path()
}

/// A deserializer of an event, by its type.
struct ByType<'de, 't> {
    event: &'de Event,
    has_variant: &'t mut bool,
    track: Option<&'t mut Track>,
}

impl<'de, 't> ByType<'de, 't> {
    fn new(event: &'de Event, has_variant: &'t mut bool, track: Option<&'t mut Track>) -> Self {
        Self {
            event,
            has_variant,
            track,
        }
    }
}

impl<'de> Deserializer<'de> for ByType<'de, '_> {
    type Error = Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    /// A struct around an enum.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom(
            "`typed` reads enums whose variants have the names of event types, without serde's \
             `tag` and `untagged`: take `json` for anything else",
        ))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for ByType<'de, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Error> {
        let name = self.event.event_type();
        *self.has_variant = false;
        let variant = seed.deserialize(IntoDeserializer::<Error>::into_deserializer(name))?;
        *self.has_variant = true;
        Ok((variant, self))
    }
}

impl<'de> ByType<'de, '_> {
    /// Reads the content of the variant: the data.
    fn read<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        let mut json = serde_json::Deserializer::from_str(self.event.data());
        let value = match self.track {
            None => seed.deserialize(&mut json)?,
            Some(track) => {
                seed.deserialize(serde_path_to_error::Deserializer::new(&mut json, track))?
            }
        };
        json.end()?;
        Ok(value)
    }
}

impl<'de> VariantAccess<'de> for ByType<'de, '_> {
    type Error = Error;

    /// The type is enough: the data may be empty, `{}`, or not JSON.
    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.read(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.read(Fields(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.read(Fields(visitor))
    }
}

/// Reads the fields of a variant. serde_json reads a struct from an object or from an array, whatever its name and
/// the names of its fields; the visitor accepts one or both.
struct Fields<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Fields<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<V::Value, D::Error> {
        json.deserialize_struct("", &[], self.0)
    }
}
