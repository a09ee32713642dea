//! No file, however wrong, makes the reader panic.

use crate::core::catalogue::Catalogue;
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = Catalogue::parse(&[("any.yaml", text)]);
    }

    #[test]
    fn no_mutilation_of_a_sound_file_makes_the_reader_panic(at in 0usize..6000, length in 0usize..40, put in "[-\\[\\]{}:,#&*!|>'\"%@`a-z0-9 \n\t]{0,6}") {
        let mut text: Vec<char> = include_str!("../../../../probes/ip-block.yaml").chars().collect();
        let at = at.min(text.len());
        let end = (at + length).min(text.len());
        text.splice(at..end, put.chars());
        let _ = Catalogue::parse(&[("any.yaml", text.into_iter().collect::<String>())]);
    }
}
