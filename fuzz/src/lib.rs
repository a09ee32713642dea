//! Mutations that keep JSON whole. Of documents that are read as strictly as these, hardly one in a thousand survives the
//! loss of a byte; what is to be tried lies behind the reading.

use fastrand::Rng;
use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Number, Value};

/// Numbers at the borders of what is computed with.
const NUMBERS: [u64; 10] =
    [0, 1, 2, 20, 1_000_000, u32::MAX as u64, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX];

/// Texts that mean something to a terminal, a page, a table, a metric or a name.
const TEXTS: [&str; 9] =
    ["", "x/a", "\u{1b}[2J", "<b>&\"'", "a|b`*_[", "\n\n# ", "\u{202e}é\u{0}", "step[9] relabel", "宽宽宽"];

/// Changes something in the documents that stand in `data`, one before each `separator`. Returns how long they are now.
pub fn mutate_documents(data: &mut [u8], size: usize, max_size: usize, seed: u32, separator: u8) -> usize {
    let mut rng = Rng::with_seed(seed.into());
    let parsed: Result<Vec<Value>, _> = data[..size]
        .split(|byte| *byte == separator)
        .filter(|document| !document.is_empty())
        .map(serde_json::from_slice)
        .collect();
    let Ok(mut documents) = parsed else { return fuzzer_mutate(data, size, max_size) };
    // Broken documents have to be refused, which is to be tried as well.
    if documents.is_empty() || rng.u8(..16) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    for _ in 0..rng.usize(1..4) {
        mutate(&mut documents, &mut rng);
    }
    let mut text = Vec::new();
    for document in &documents {
        // A value that was read can be written.
        text.extend(serde_json::to_vec(document).unwrap_or_default());
        text.push(separator);
    }
    if text.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..text.len()].copy_from_slice(&text);
    text.len()
}

fn mutate(documents: &mut Vec<Value>, rng: &mut Rng) {
    let at = rng.usize(..documents.len());
    match rng.u8(..12) {
        0 if documents.len() > 1 => drop(documents.remove(at)),
        1 => {
            let document = documents[at].clone();
            documents.insert(rng.usize(..=documents.len()), document);
        }
        2 => {
            let other = rng.usize(..documents.len());
            documents.swap(at, other);
        }
        _ => {
            let donor = documents[rng.usize(..documents.len())].clone();
            let place = rng.usize(..count(&documents[at]));
            change(nth(&mut documents[at], &mut place.clone()), &donor, rng);
        }
    }
}

/// How many values there are, those within others included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0usize,
    }
}

/// The value of that number, which is below [`count`].
fn nth<'a>(value: &'a mut Value, place: &mut usize) -> &'a mut Value {
    if *place == 0 {
        return value;
    }
    *place -= 1;
    let within: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for inner in within {
        let inside = count(inner);
        if *place < inside {
            return nth(inner, place);
        }
        *place -= inside;
    }
    unreachable!("there are as many values as were counted")
}

fn change(value: &mut Value, donor: &Value, rng: &mut Rng) {
    match value {
        Value::Null => *value = any_of(donor, rng).clone(),
        Value::Bool(is) => *is = !*is,
        Value::Number(number) => *number = other_number(number, rng),
        Value::String(text) => match rng.u8(..3) {
            0 => *text = rng.choice(TEXTS).unwrap_or_default().to_owned(),
            1 => text.push_str(rng.choice(TEXTS).unwrap_or_default()),
            // The texts of other values are mostly ids, words and addresses.
            _ => {
                let texts: Vec<&str> = (0..20).filter_map(|_| any_of(donor, rng).as_str()).collect();
                *value = rng.choice(texts).map_or(Value::Null, Value::from);
            }
        },
        Value::Array(items) if items.is_empty() => items.push(any_of(donor, rng).clone()),
        Value::Array(items) => {
            let (at, to) = (rng.usize(..items.len()), rng.usize(..items.len()));
            match rng.u8(..4) {
                0 => drop(items.remove(at)),
                1 => {
                    let item = items[at].clone();
                    items.insert(to, item);
                }
                2 => items.swap(at, to),
                _ => items.truncate(at),
            }
        }
        Value::Object(fields) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let Some(name) = rng.choice(&names) else { return };
            // The same field of something else keeps its type.
            let others = named(donor, name);
            match rng.choice(others) {
                Some(other) if rng.u8(..4) > 0 => drop(fields.insert(name.clone(), other.clone())),
                _ if rng.bool() => drop(fields.remove(name)),
                _ => drop(fields.insert(name.clone(), Value::Null)),
            }
        }
    }
}

fn other_number(number: &Number, rng: &mut Rng) -> Number {
    let known = number.as_u64().unwrap_or_default();
    Number::from(match rng.u8(..6) {
        0 => known.wrapping_add(1),
        1 => known.wrapping_sub(1),
        2 => known.wrapping_mul(2),
        3 => known / 2,
        4 => rng.u64(..) >> rng.u8(..64),
        _ => rng.choice(NUMBERS).unwrap_or_default(),
    })
}

fn any_of<'a>(value: &'a Value, rng: &mut Rng) -> &'a Value {
    let inner = match value {
        Value::Array(items) => rng.choice(items),
        Value::Object(fields) => rng.choice(fields.values().collect::<Vec<_>>()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    match inner {
        Some(inner) if rng.u8(..4) > 0 => any_of(inner, rng),
        _ => value,
    }
}

/// Every field of that name.
fn named<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| named(item, name)).collect(),
        Value::Object(fields) => {
            fields.get(name).into_iter().chain(fields.values().flat_map(|field| named(field, name))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}
