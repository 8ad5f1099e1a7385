//! Messages between agent and master: what is read can be written and read again, and what an agent
//! says is within bounds before anything else sees it.
#![no_main]

use enclos::agents::within_bounds;
use enclos_protocol::agent_link::{FromAgent, FromMaster, ImageState, LoadReport};
use enclos_protocol::cases::FEEDBACK_BYTES_MAX;
use enclos_protocol::frame::{decode_body, encode_body};
use enclos_protocol::job::JobReport;
use libfuzzer_sys::fuzz_target;

/// Longest text that passes, in characters.
const TEXT_CHARS_MAX: usize = 500;

fn is_shown_safely(text: &str) -> bool {
    text.chars().count() <= TEXT_CHARS_MAX && !text.chars().any(char::is_control)
}

fn check_load(load: &LoadReport) {
    assert!(load.cpu_busy_permille <= 1000 && load.memory_busy_permille <= 1000);
    assert!(load.languages.len() <= 256);
    for language in &load.languages {
        assert!(is_shown_safely(&language.id) && is_shown_safely(&language.version));
        match &language.image {
            ImageState::Preparing { progress: text } | ImageState::Failed { reason: text } => {
                assert!(is_shown_safely(text));
            }
            ImageState::Absent | ImageState::Ready => {}
        }
    }
    // As many as there can be are summed without an overflow.
    let counts = load.sandboxes_closed.by_reason().into_iter().map(|(_, count)| count);
    for count in counts.chain([load.unclean_jobs, load.memory_promised_bytes]) {
        assert!(count.checked_mul(4096).is_some());
    }
}

fn check_report(report: &JobReport) {
    assert!(report.message.as_deref().is_none_or(is_shown_safely));
    for facts in report.compile.iter().chain(&report.run).map(|step| &step.facts) {
        let texts = [&facts.start_error, &facts.keep_error];
        assert!(texts.into_iter().flatten().all(|text| is_shown_safely(text)));
        let sum = [facts.cpu_us, facts.wall_us, facts.stdout_bytes, facts.stderr_bytes, report.sandbox_us];
        assert!(sum.into_iter().try_fold(0u64, u64::checked_add).is_some());
    }
}

fn check(message: &FromAgent) {
    match message {
        FromAgent::Hello(hello) => {
            assert!(is_shown_safely(&hello.build));
            check_load(&hello.load);
        }
        FromAgent::Heartbeat { load, .. } => check_load(load),
        FromAgent::Finished { report, .. } => check_report(report),
        FromAgent::CaseDone { report, .. } => {
            assert!(report.feedback.as_ref().is_none_or(|text| text.len() <= FEEDBACK_BYTES_MAX));
        }
        FromAgent::Installing { .. }
        | FromAgent::Started { .. }
        | FromAgent::Output { .. }
        | FromAgent::StdinTaken { .. }
        | FromAgent::Returned { .. } => {}
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = decode_body::<FromAgent>(data) {
        let bounded = within_bounds(message);
        check(&bounded);
        assert_eq!(within_bounds(bounded.clone()), bounded, "bounded once is bounded");
        if let Ok(body) = encode_body(&bounded) {
            assert_eq!(decode_body::<FromAgent>(&body).unwrap(), bounded);
        }
    }
    if let Ok(message) = decode_body::<FromMaster>(data)
        && let Ok(body) = encode_body(&message)
    {
        assert_eq!(decode_body::<FromMaster>(&body).unwrap(), message);
    }
});
