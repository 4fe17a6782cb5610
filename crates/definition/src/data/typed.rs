// SPDX-License-Identifier: Apache-2.0
//! Nodes as types of others, which serde describes. What does not fit is said in words, with its place.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Deserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, IntoDeserializer as _, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde_json::Value;

use super::of_scalar;
use crate::decode::known_keys;
use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::source::Span;
use crate::template::shorten;
use crate::yaml::{Entry, Kind, Node, Scalar};

pub(super) fn decode<T: DeserializeOwned>(node: &Node, what: &str) -> Result<T, Diagnostic> {
    let typed = Typed { node, name: what.to_owned(), span: node.span.at_start() };
    T::deserialize(typed.clone()).map_err(|misfit| misfit.of(&typed).into_diagnostic())
}

/// Something that does not fit.
#[derive(Debug)]
struct Misfit {
    code: Code,
    message: Message,
    help: Option<String>,
    /// Where, once that is known.
    span: Option<Span>,
}

#[derive(Debug)]
enum Message {
    Whole(String),
    /// What comes after the name of the value that it is about.
    About(String),
}

impl Misfit {
    fn about(code: Code, rest: String) -> Self {
        Self { code, message: Message::About(rest), help: None, span: None }
    }

    /// Says of which value this is, if that was not said further inside.
    fn of(mut self, typed: &Typed<'_>) -> Self {
        if let Message::About(rest) = &self.message {
            self.message = Message::Whole(format!("{} {rest}", typed.name));
        }
        self.span.get_or_insert(match typed.node.kind {
            Kind::Scalar(_) if !typed.node.is_null() => typed.node.span,
            _ => typed.span,
        });
        self
    }

    fn into_diagnostic(self) -> Diagnostic {
        let (Message::Whole(message) | Message::About(message)) = self.message;
        let mut diagnostic = Diagnostic::error(self.code, self.span.unwrap_or_default(), message);
        diagnostic.help = self.help;
        diagnostic
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Message::Whole(message) | Message::About(message)) = &self.message;
        f.write_str(message)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self::about(Code::UnknownValue, format!("is wrong: {problem}"))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::about(Code::WrongType, format!("must be {expected}, found {found}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::about(Code::UnknownValue, format!("must be {expected}, found {found}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let help = Some(known_keys(field, expected));
        Self { help, ..Self::about(Code::UnknownKey, format!("has no key `{}`", shorten(field))) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::about(Code::MissingKey, format!("must have the key `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::about(
            Code::DuplicateKey,
            format!("has the key `{field}` twice, once by another name"),
        )
    }
}

/// A node that is read as a type, what it is called, and where that stands: for what is absent.
#[derive(Debug, Clone)]
struct Typed<'n> {
    node: &'n Node,
    name: String,
    span: Span,
}

impl<'n> Typed<'n> {
    fn of_entry(entry: &'n Entry) -> Self {
        let name = format!("`{}`", shorten(&entry.key));
        Self { node: &entry.value, name, span: entry.key_span }
    }

    fn misfit(&self, expected: &str) -> Misfit {
        let found = self.node.describe();
        Misfit::about(Code::WrongType, format!("must be {expected}, found {found}")).of(self)
    }

    fn scalar(&self, expected: &str) -> Result<&'n Scalar, Misfit> {
        match &self.node.kind {
            Kind::Scalar(scalar) if !scalar.is_null() => Ok(scalar),
            _ => Err(self.misfit(expected)),
        }
    }

    fn text(&self, expected: &str) -> Result<&'n str, Misfit> {
        let scalar = self.scalar(expected)?;
        if let Value::String(_) = of_scalar(scalar) {
            return Ok(&scalar.text);
        }
        let help = Some(format!("write it in quotes: '{}'", shorten(&scalar.text)));
        Err(Misfit { help, ..self.misfit(expected) })
    }

    /// Returns a whole number of a type that has no negative ones.
    fn whole<T: TryFrom<u64> + fmt::Display>(&self, max: T) -> Result<T, Misfit> {
        let expected = format!("a whole number from 0 to {max}");
        let scalar = self.scalar(&expected)?;
        let Value::Number(number) = of_scalar(scalar) else { return Err(self.misfit(&expected)) };
        let number = number.as_u64().and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| {
            let found = shorten(&scalar.text);
            Misfit::about(Code::WrongType, format!("must be {expected}, found {found}")).of(self)
        })
    }

    fn list<V: Visitor<'n>>(&self, items: &'n [Node], visitor: V) -> Result<V::Value, Misfit> {
        let name = format!("an entry of {}", self.name);
        let items = Items { items: items.iter(), name };
        visitor.visit_seq(items).map_err(|misfit| misfit.of(self))
    }

    fn map<V: Visitor<'n>>(&self, entries: &'n [Entry], visitor: V) -> Result<V::Value, Misfit> {
        let entries = Entries { owner: self, left: entries.iter(), value: None };
        visitor.visit_map(entries).map_err(|misfit| misfit.of(self))
    }
}

/// What a number of a type may be at most.
macro_rules! whole {
    ($($method:ident $visit:ident $kind:ty,)*) => {
        $(fn $method<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
            let number = self.whole(<$kind>::MAX)?;
            visitor.$visit(number).map_err(|misfit: Misfit| misfit.of(&self))
        })*
    };
}

impl<'n> Deserializer<'n> for Typed<'n> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let scalar = match &self.node.kind {
            Kind::List(items) => return self.list(items, visitor),
            Kind::Map(entries) => return self.map(entries, visitor),
            Kind::Scalar(scalar) => scalar,
        };
        let read = match of_scalar(scalar) {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            _ => visitor.visit_borrowed_str(&scalar.text),
        };
        read.map_err(|misfit: Misfit| misfit.of(&self))
    }

    fn deserialize_bool<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.scalar("true or false")?.boolean() {
            Some(value) => visitor.visit_bool(value).map_err(|misfit: Misfit| misfit.of(&self)),
            None => Err(self.misfit("true or false")),
        }
    }

    whole! {
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_str<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let text = self.text("a string")?;
        visitor.visit_borrowed_str(text).map_err(|misfit: Misfit| misfit.of(&self))
    }

    fn deserialize_string<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    /// What is there has a value: a key without one is no key that is absent.
    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.kind {
            Kind::List(items) => self.list(items, visitor),
            _ => Err(self.misfit("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.kind {
            Kind::Map(entries) => self.map(entries, visitor),
            _ => Err(self.misfit("a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.node.kind {
            Kind::Map(entries) => self.map(entries, visitor),
            _ => Err(Misfit { help: Some(known_keys("", fields)), ..self.misfit("a mapping") }),
        }
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let quoted: Vec<String> = variants.iter().map(|word| format!("`{word}`")).collect();
        let expected = match quoted.as_slice() {
            [one] => one.clone(),
            _ => format!("one of {}", quoted.join(", ")),
        };
        let scalar = self.scalar(&expected)?;
        let Value::String(word) = of_scalar(scalar) else { return Err(self.misfit(&expected)) };
        if !variants.contains(&word.as_str()) {
            let found = format!("must be {expected}, found `{}`", shorten(&word));
            let near = nearest(&word, variants.iter().copied());
            let help = near.map(|near| format!("did you mean `{near}`?"));
            return Err(Misfit { help, ..Misfit::about(Code::UnknownValue, found) }.of(&self));
        }
        let word = word.as_str().into_deserializer();
        visitor.visit_enum(word).map_err(|misfit: Misfit| misfit.of(&self))
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'n>>
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

/// The entries of a list.
struct Items<'n> {
    items: std::slice::Iter<'n, Node>,
    name: String,
}

impl<'n> SeqAccess<'n> for Items<'n> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let typed = Typed { node, name: self.name.clone(), span: node.span };
        seed.deserialize(typed.clone()).map(Some).map_err(|misfit| misfit.of(&typed))
    }
}

/// The entries of a mapping.
struct Entries<'n, 'o> {
    owner: &'o Typed<'n>,
    left: std::slice::Iter<'n, Entry>,
    value: Option<&'n Entry>,
}

impl<'n> MapAccess<'n> for Entries<'n, '_> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'n>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        let Some(entry) = self.left.next() else { return Ok(None) };
        self.value = Some(entry);
        let key = entry.key.as_str().into_deserializer();
        seed.deserialize::<de::value::StrDeserializer<'_, Misfit>>(key)
            .map(Some)
            .map_err(|misfit| Misfit { span: Some(entry.key_span), ..misfit }.of(self.owner))
    }

    fn next_value_seed<T: DeserializeSeed<'n>>(&mut self, seed: T) -> Result<T::Value, Misfit> {
        // Of what has no value serde asks for the key first.
        let Some(entry) = self.value.take() else {
            return Err(de::Error::custom("a value without a key"));
        };
        let typed = Typed::of_entry(entry);
        seed.deserialize(typed.clone()).map_err(|misfit| misfit.of(&typed))
    }
}
