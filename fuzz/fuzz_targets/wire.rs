//! Frames of the control channel, in both directions.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use papertiger::core::wire::{Decoder, FromAgent, Message, ToAgent, encode};
use papertiger_fuzz::mutate_documents;
use std::fmt::Debug;

fuzz_target!(|bytes: &[u8]| {
    both(bytes);
    // The same as the contents of frames, one a line: no chance finds the right length before it.
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let frame = |line: &[u8]| [&u32::try_from(line.len()).unwrap_or(u32::MAX).to_be_bytes(), line].concat();
    both(&lines.flat_map(frame).collect::<Vec<u8>>());
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_documents(data, size, max_size, seed, b'\n')
});

fn both(stream: &[u8]) {
    read::<ToAgent>(stream);
    read::<FromAgent>(stream);
}

/// However a stream comes in, the same messages are read, and each of them as it would be written.
fn read<M: Message + Clone + Debug + PartialEq>(stream: &[u8]) {
    let whole = decode::<M>(stream, stream.len().max(1));
    assert_eq!(whole, decode::<M>(stream, 7));
    for message in whole.0 {
        // What is written can be longer than what was read, and so too long.
        if let Ok(frame) = encode(&message) {
            assert_eq!(decode::<M>(&frame, frame.len()), (vec![message], true));
        }
    }
}

/// The messages, and whether they are all that there is.
fn decode<M: Message>(stream: &[u8], piece: usize) -> (Vec<M>, bool) {
    let (mut decoder, mut messages) = (Decoder::default(), Vec::new());
    for piece in stream.chunks(piece) {
        decoder.feed(piece);
        loop {
            match decoder.decode() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return (messages, false),
            }
        }
    }
    (messages, decoder.finish().is_ok())
}
