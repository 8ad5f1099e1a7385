//! Every checker: what it takes for right, and that cuts of the stream change nothing.

use enclos_protocol::cases::Tolerance;
use proptest::prelude::*;

use super::*;

fn judge(checker: &Checker, expected: &[u8], output: &[u8], cut: usize) -> Judged {
    let mut judge = Judge::new(checker, expected.to_vec()).expect("not a program");
    output.chunks(cut.max(1)).for_each(|piece| judge.take(piece));
    judge.finish()
}

fn check(checker: &Checker, expected: &str, right: &[&str], wrong: &[&str]) {
    for cut in [1, 2, 3, 1000] {
        for output in right {
            let judged = judge(checker, expected.as_bytes(), output.as_bytes(), cut);
            assert_eq!(judged, Judged::Right, "{checker:?} {expected:?} {output:?} {cut}");
        }
        for output in wrong {
            let judged = judge(checker, expected.as_bytes(), output.as_bytes(), cut);
            assert!(matches!(judged, Judged::Wrong(_)), "{checker:?} {expected:?} {output:?} {cut}");
        }
    }
}

fn floats(abs: f64, rel: f64) -> Checker {
    let tolerance = |number: f64| Tolerance::try_from(number).unwrap();
    Checker::Float { abs: tolerance(abs), rel: tolerance(rel), ignore_case: false }
}

const WORDS: Checker = Checker::Tokens { ignore_case: false };

#[test]
fn exact_means_every_byte() {
    check(&Checker::Exact, "a b\n", &["a b\n"], &["a b", "a b\n\n", "a  b\n", "", "A b\n"]);
    check(&Checker::Exact, "", &[""], &["\n"]);
}

#[test]
fn trim_forgives_ends_of_lines_and_of_the_output_only() {
    let right = ["a b\nc\n", "a b\nc", "a b  \nc\t\r\n\n \n", "a b\r\nc\r\n"];
    check(
        &Checker::Trim,
        "a b\nc\n",
        &right,
        &["a  b\nc\n", "a b\n\nc\n", " a b\nc\n", "a b\nc\nd", "a b", "\na b\nc"],
    );
    check(&Checker::Trim, "a \n\nb\n\n", &["a\n\nb", "a\n \nb "], &["a\nb", "a\n\n\nb"]);
    check(&Checker::Trim, "\n \n", &["", "\n", "  \n\n\n"], &["x", " \nx"]);
    check(&Checker::Trim, "a\tb", &["a\tb\t"], &["a b"]);
}

#[test]
fn tokens_forgive_all_white_space() {
    check(
        &WORDS,
        "1 2\n3\n",
        &["1 2 3", "\n1\t2 \r\n 3 \n\n"],
        &["12 3", "1 2", "1 2 3 4", "1 2 33", "1 2 3x", "1 x 3"],
    );
    check(&WORDS, "", &["", " \n"], &["0"]);
    check(&WORDS, "Yes", &["Yes"], &["yes"]);
    check(&Checker::Tokens { ignore_case: true }, "Yes NO", &["yes no", "YES No"], &["ye s no", "yes n"]);
}

#[test]
fn numbers_may_differ_by_either_tolerance() {
    let near = floats(1e-6, 1e-6);
    check(
        &near,
        "0.5 x 1000000",
        &["0.5000001 x 1000000.9", "5e-1 x 1e6", ".5 x +1000000"],
        &["0.6 x 1e6", "0.5 y 1e6"],
    );
    check(&near, "0", &["0.0000009", "-0"], &["0.00001", "zero", "", "0 0"]);
    check(&near, "1", &["1.0"], &["nan", "inf", "1e999", "1.0.0", "0x1"]);
    check(&floats(0.0, 0.0), "1.50", &["1.5"], &["1.51"]);
    check(&near, "nan", &["nan"], &["0"]);
    check(&floats(0.0, 1e-2), "-100", &["-99.5"], &["100", "-98"]);
}

#[test]
fn unordered_lines_count_each_line_as_often() {
    let right = ["a\nb\nb\n", "b\na\nb", "b \n\nb\t\na\r\n"];
    let wrong = ["a\nb", "a\na\nb", "a\nb\nb\nb", "ab\nb\nb", "a\nb\nc", "b\nb\n a\n", ""];
    check(&Checker::UnorderedLines, "b\na\n\nb\n", &right, &wrong);
    check(&Checker::UnorderedLines, "a b", &["a b   \n"], &["a  b", "a      b", " a b"]);
    check(&Checker::UnorderedLines, "", &["", "\n \n"], &["a"]);
}

#[test]
fn the_place_is_told_and_nothing_of_what_was_expected() {
    let wrong = |expected: &str, output: &str| match judge(&WORDS, expected.as_bytes(), output.as_bytes(), 2) {
        Judged::Wrong(feedback) => feedback,
        Judged::Right => panic!("{output}"),
    };
    assert_eq!(wrong("1\n2\nsecret\n", "1\n2\n3\n"), "the output is wrong in line 3");
    assert_eq!(wrong("1\n2\nsecret\n", "1\n2\n"), "the output ends too early");
    assert_eq!(wrong("1\n", "1\n2"), "the output is wrong in line 2");
}

#[test]
fn a_word_without_end_is_not_held() {
    let mut floats = tokens::Floats::new(b"1.0".to_vec(), 1.0, 1.0, false);
    let mut taken = 0;
    while floats.take(&[b'1'; 64]).is_ok() {
        taken += 64;
        assert!(taken <= 1024);
    }
}

proptest! {
    #[test]
    fn cuts_of_the_stream_change_no_verdict(
        expected in "[a1. \n\t]{0,30}",
        output in "[a1. \n\t]{0,30}",
        cut in 1usize..8,
    ) {
        for checker in [Checker::Exact, Checker::Trim, WORDS, floats(0.1, 0.1), Checker::UnorderedLines] {
            let whole = judge(&checker, expected.as_bytes(), output.as_bytes(), 1000);
            let pieces = judge(&checker, expected.as_bytes(), output.as_bytes(), cut);
            prop_assert_eq!(matches!(whole, Judged::Right), matches!(pieces, Judged::Right));
            prop_assert_eq!(judge(&checker, output.as_bytes(), output.as_bytes(), cut), Judged::Right);
        }
    }

    #[test]
    fn trim_and_tokens_agree_with_their_definition(expected in "[ab \n\t]{0,24}", output in "[ab \n\t]{0,24}") {
        let lines = |text: &str| {
            let mut lines: Vec<String> = text.split('\n').map(|l| l.trim_end().to_owned()).collect();
            while lines.last().is_some_and(String::is_empty) {
                lines.pop();
            }
            lines
        };
        let words = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let right = |checker: &Checker| judge(checker, expected.as_bytes(), output.as_bytes(), 3) == Judged::Right;
        prop_assert_eq!(right(&Checker::Trim), lines(&expected) == lines(&output));
        prop_assert_eq!(right(&WORDS), words(&expected) == words(&output));
        let sorted = |text: &str| {
            let mut lines = lines(text);
            lines.retain(|line| !line.is_empty());
            lines.sort();
            lines
        };
        prop_assert_eq!(right(&Checker::UnorderedLines), sorted(&expected) == sorted(&output));
    }
}
