//! Each parser of ours on its seeds, and on mutations of them: the short form of `fuzz/`.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use crate::chance::Chance;

#[path = "../../../../fuzz/parsers.rs"]
mod parsers;

/// Mutations of each parser's input.
const TIMES: u64 = 3_000;
/// How long one parser may take at most: a machine may be busy, and some parsers are slow.
const SPAN: Duration = Duration::from_secs(3);
/// The longest input.
const MOST: usize = 8_192;

/// Texts that have broken parsers before.
const PIECES: [&[u8]; 22] = [
    b"\0",
    b"\n",
    b"\n\n",
    b"\t",
    b"\"",
    b"'",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b": ",
    b"&a ",
    b"*a",
    b"!!binary ",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"\xff",
    b"\xe2\x80\xae",
    b"%00",
    b"<<: ",
];

impl Chance {
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(40) + 1)
    }
}

fn mutate(seed: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(input.len() + 1);
        let part = chance.part(input.len());
        match chance.below(7) {
            0 => drop(input.splice(at..at, PIECES[chance.below(PIECES.len())].iter().copied())),
            1 => drop(input.drain(part)),
            2 => {
                let copy = input[part].repeat(1 + chance.below(20));
                input.splice(at..at, copy);
            }
            3 => input.truncate(at),
            4 => {
                let piece = other[chance.part(other.len())].to_vec();
                input.splice(part, piece);
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
        }
    }
    input.truncate(MOST);
    input
}

#[test]
fn no_parser_breaks_on_a_mutated_seed() {
    let mut told = Vec::new();
    for parser in parsers::PARSERS {
        let seeds = (parser.seeds)();
        let (began, mut chance) = (Instant::now(), Chance(7));
        for seed in &seeds {
            parsers::read(parser.name, seed);
        }
        let mut count = 0;
        while count < TIMES && began.elapsed() < SPAN {
            let (one, other) = (chance.below(seeds.len()), chance.below(seeds.len()));
            let input = mutate(&seeds[one], &seeds[other], &mut chance);
            let read = catch_unwind(AssertUnwindSafe(|| (parser.read)(&input)));
            assert!(
                read.is_ok(),
                "{} breaks on {:?}",
                parser.name,
                String::from_utf8_lossy(&input)
            );
            count += 1;
        }
        told.push(format!("{}: {count} in {:?}", parser.name, began.elapsed()));
    }
    println!("{}", told.join("\n"));
    assert_eq!(told.len(), 15);
}

/// Every parser has a fuzz target, and every target a parser.
#[test]
fn every_parser_has_a_fuzz_target() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");
    let manifest = std::fs::read_to_string(format!("{folder}/Cargo.toml")).unwrap();
    let entries = std::fs::read_dir(format!("{folder}/fuzz_targets")).unwrap();
    let mut files: Vec<String> = entries
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let mut names: Vec<String> = parsers::PARSERS
        .iter()
        .map(|parser| parser.name.to_owned())
        .collect();
    files.sort();
    names.sort();
    assert_eq!(files, names);
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let target = std::fs::read_to_string(format!("{folder}/fuzz_targets/{name}.rs")).unwrap();
        assert!(target.contains(&format!("\"{name}\", input")), "{name}");
    }
}
