//! A dispatch made of what is CBOR already.
//!
//! The master keeps a job's description and bytes as CBOR. To take them apart and write them again for a message
//! costs more than all else that is done to give the job out.

use crate::frame::{self, FrameError};
use crate::ids::AttemptId;

/// What stands between them: heads of maps (`a0` and how many pairs) and texts (`60` and how many bytes), as RFC 8949
/// has them (3.1), and the names.
const BEFORE_ATTEMPT: &[u8] = b"\xa1\x68dispatch\xa3\x67attempt";
const BEFORE_SPEC: &[u8] = b"\x64spec";
const BEFORE_INPUT: &[u8] = b"\x65input\xa1\x66inline";
/// Bytes of all that is neither description nor input.
const REST_BYTES: usize = 192;

/// The body of a `Dispatch` with its input inline: `spec` is a `JobSpec` and `input` a `JobInput`, both as CBOR.
///
/// # Errors
/// [`FrameError::TooLarge`] where they make more than a frame.
pub fn encode_inline(attempt: AttemptId, spec: &[u8], input: &[u8]) -> Result<Vec<u8>, FrameError> {
    let attempt = frame::encode_body(&attempt)?;
    let mut body = Vec::with_capacity(spec.len() + input.len() + REST_BYTES);
    for part in [BEFORE_ATTEMPT, &attempt, BEFORE_SPEC, spec, BEFORE_INPUT, input] {
        body.extend_from_slice(part);
    }
    frame::within_maximum(body.len())?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent_link::{FromMaster, InputSource};
    use crate::ids::{Binding, FencingToken, JobId};
    use crate::job::{Isolation, JobFile, JobInput, JobPath, JobSpec, Reuse};
    use crate::limits::{OnOutputLimit, StepLimits};

    fn spec() -> JobSpec {
        let limits = StepLimits {
            cpu_ms: 1,
            wall_ms: 2,
            memory_bytes: 3 << 30,
            pids: 4,
            output_bytes: 5,
            report_bytes: 6,
            file_bytes: 7,
            stack_bytes: 8,
            cpu_millis: 9,
        };
        JobSpec {
            binding: Binding { tenant: "t".into(), scope: "é".into() },
            language: "c".into(),
            entry: JobPath::try_from("main.c".to_owned()).unwrap(),
            compile_args: vec!["-O2".into()],
            run_args: vec![],
            env: vec![("A".into(), "b".into())],
            compile_limits: limits,
            run_limits: limits,
            on_output_limit: OnOutputLimit::Kill,
            merge_stderr: true,
            reuse: Reuse::Never,
            isolation: Isolation::Runc,
            cases: None,
            keep_files: vec![],
            no_cache: false,
            live_stdin: false,
            dependencies: None,
        }
    }

    fn input(bytes: usize) -> JobInput {
        let path = JobPath::try_from("main.c".to_owned()).unwrap();
        let file = JobFile { path, content: vec![0xff; bytes].into() };
        JobInput { files: vec![file], stdin: vec![1, 2].into(), companion: vec![] }
    }

    fn both(bytes: usize) -> (Result<Vec<u8>, FrameError>, Result<Vec<u8>, FrameError>) {
        let attempt =
            AttemptId { job: JobId::from_bytes([7; 16]), token: FencingToken { epoch: 1 << 40, counter: 300 } };
        let (spec, input) = (spec(), input(bytes));
        let mut cbor = [Vec::new(), Vec::new()];
        ciborium::into_writer(&spec, &mut cbor[0]).unwrap();
        ciborium::into_writer(&input, &mut cbor[1]).unwrap();
        let made = encode_inline(attempt, &cbor[0], &cbor[1]);
        let message = FromMaster::Dispatch { attempt, spec: Box::new(spec), input: InputSource::Inline(input) };
        (made, frame::encode_body(&message))
    }

    #[test]
    fn it_is_the_message_that_the_types_make() {
        for bytes in [0, 23, 1000] {
            let (made, expected) = both(bytes);
            assert_eq!(made.unwrap(), expected.unwrap());
        }
    }

    #[test]
    fn one_that_fits_no_frame_is_refused_alike() {
        let (made, expected) = both(frame::FRAME_BYTES_MAX);
        assert!(matches!((made, expected), (Err(FrameError::TooLarge(a)), Err(FrameError::TooLarge(b))) if a == b));
    }
}
