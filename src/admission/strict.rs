//! Lists, maps and objects of a submission, read strictly: bounded while they come, and in one shape only.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// How the message begins that refuses too many items; the number follows.
const MORE_THAN: &str = "more than ";

/// Refuses more than `max` items while they are read, so that a body of millions never takes many
/// times its size in memory.
fn within<E: de::Error>(count: usize, max: usize) -> Result<(), E> {
    if count < max { Ok(()) } else { Err(E::custom(format_args!("{MORE_THAN}{max} items"))) }
}

/// A list of at most `MAX`.
pub(super) fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    struct Few<T, const MAX: usize>(Vec<T>);
    struct Reader<T, const MAX: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Reader<T, MAX> {
        type Value = Few<T, MAX>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                within(list.len(), MAX)?;
                list.push(item);
            }
            Ok(Few(list))
        }
    }
    impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Few<T, MAX> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_seq(Reader(PhantomData))
        }
    }
    Option::<Few<T, MAX>>::deserialize(deserializer).map(|list| list.map(|few| few.0))
}

/// A list of at most `MAX`, of a field that has to be there.
///
/// # Errors
/// What serde says of a value that is no such list.
pub fn few_there<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    few::<D, T, MAX>(deserializer)?.ok_or_else(|| de::Error::invalid_type(de::Unexpected::Unit, &"a list"))
}

/// A list of at most `MAX` objects.
pub(super) fn few_objects<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let list = few::<D, Object<T>, MAX>(deserializer)?;
    Ok(list.map(|objects| objects.into_iter().map(|object| object.0).collect()))
}

/// An object, where serde would take its members from an array too, by position.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::<Object<T>>::deserialize(deserializer).map(|object| object.map(|object| object.0))
}

/// What is read from an object only.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }
        deserializer.deserialize_map(Reader(PhantomData)).map(Self)
    }
}

/// At most `MAX` texts by keys.
pub(super) fn few_texts<'de, D: Deserializer<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    few_named::<D, String, MAX>(deserializer)
}

/// At most `MAX` lists by keys, of at most `ITEMS` texts each.
pub(super) fn few_lists<'de, D: Deserializer<'de>, const MAX: usize, const ITEMS: usize>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, Vec<String>>>, D::Error> {
    struct Texts<const ITEMS: usize>(Vec<String>);
    impl<'de, const ITEMS: usize> Deserialize<'de> for Texts<ITEMS> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            few::<D, String, ITEMS>(deserializer).map(|list| Self(list.unwrap_or_default()))
        }
    }
    let map = few_named::<D, Texts<ITEMS>, MAX>(deserializer)?;
    Ok(map.map(|map| map.into_iter().map(|(key, texts)| (key, texts.0)).collect()))
}

/// At most `MAX` values by keys that are each given once; JSON leaves open what a repeated key means.
fn few_named<'de, D: Deserializer<'de>, V: Deserialize<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, V>>, D::Error> {
    struct Few<V, const MAX: usize>(BTreeMap<String, V>);
    struct Reader<V, const MAX: usize>(PhantomData<V>);
    impl<'de, V: Deserialize<'de>, const MAX: usize> Visitor<'de> for Reader<V, MAX> {
        type Value = Few<V, MAX>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = entries.next_entry::<String, V>()? {
                if map.contains_key(&key) {
                    return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
                }
                within(map.len(), MAX)?;
                map.insert(key, value);
            }
            Ok(Few(map))
        }
    }
    impl<'de, V: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Few<V, MAX> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Reader(PhantomData))
        }
    }
    Option::<Few<V, MAX>>::deserialize(deserializer).map(|map| map.map(|few| few.0))
}

/// The number of items that [`within`] allows, from its message; no other message begins like it.
pub(super) fn maximum(detail: &str) -> Option<usize> {
    detail.strip_prefix(MORE_THAN)?.split(' ').next()?.parse().ok()
}
