//! What is sent: the finished job as `GET /v1/jobs/{id}` shows it, its outputs cut to a bound.

use enclos_protocol::ids::JobId;

use crate::http::render::{self, Beside};
use crate::store::{Detail, Store, StoreError};

/// Bytes of one stream of one step or case, as it is written.
pub const STREAM_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all outputs together; cases beyond have none.
pub const OUTPUTS_BYTES_MAX: usize = 1024 * 1024;

/// The body for a job; `None`: it has been erased.
pub(super) async fn body(store: &Store, tenant: &str, job: JobId) -> Result<Option<Vec<u8>>, StoreError> {
    let Some((record, mut detail)) = store.job_in_detail(tenant.to_owned(), job).await? else { return Ok(None) };
    cut(&mut detail);
    let job = render::job(&record, Beside { live: None, place: None, detail: Some(&detail) });
    serde_json::to_vec(&job).map(Some).map_err(|error| StoreError::Value(error.to_string()))
}

/// What is cut off is told by `truncated`, as in any answer that holds less than was written.
fn cut(detail: &mut Detail) {
    let mut left = OUTPUTS_BYTES_MAX;
    let of_cases = detail.cases.iter_mut().flat_map(|case| [&mut case.result.stdout, &mut case.result.stderr]);
    for stream in detail.outputs.0.iter_mut().chain(of_cases) {
        let (bytes, written) = fitting(stream, STREAM_BYTES_MAX.min(left));
        left -= written;
        stream.truncate(bytes);
    }
}

/// How many bytes of a stream take at most so many as JSON, and how many these take: bodies wait for slow
/// receivers, in memory.
fn fitting(stream: &[u8], written_max: usize) -> (usize, usize) {
    let other = if std::str::from_utf8(stream).is_ok() { 1 } else { char::REPLACEMENT_CHARACTER.len_utf8() };
    let written = stream.iter().scan(0, |written, byte| {
        *written += match byte {
            0..0x20 | 0x7f => 6,
            b'"' | b'\\' => 2,
            0x80.. => other,
            _ => 1,
        };
        Some(*written)
    });
    let fits = written.take_while(|written| *written <= written_max);
    fits.fold((0, 0), |(bytes, _), written| (bytes + 1, written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{CaseRecord, CaseResult, Outputs, PARTS};

    #[test]
    fn outputs_are_cut_each_and_together() {
        let large = || vec![b'x'; STREAM_BYTES_MAX + 1];
        let result = CaseResult { report: None, stdout: large(), stderr: b"few".to_vec() };
        let case = CaseRecord { name: String::new(), limits: None, result };
        let outputs = Outputs(std::array::from_fn(|_| large()));
        let mut detail = Detail { outputs, cases: vec![case; 50], ..Detail::default() };
        cut(&mut detail);
        assert!(detail.outputs.0.iter().all(|part| part.len() == STREAM_BYTES_MAX));
        let cases: usize = detail.cases.iter().map(|c| c.result.stdout.len() + c.result.stderr.len()).sum();
        assert_eq!(cases + PARTS * STREAM_BYTES_MAX, OUTPUTS_BYTES_MAX);
        assert_eq!(detail.cases[0].result.stderr, b"few");
        assert!(detail.cases[49].result.stdout.is_empty());
    }

    #[test]
    fn what_grows_when_it_is_written_is_cut_by_what_it_grows_to() {
        for byte in 0..=u8::MAX {
            let stream = [byte; 4];
            let text = serde_json::to_string(&String::from_utf8_lossy(&stream)).unwrap();
            assert!(text.len() - 2 <= fitting(&stream, 100).1, "{byte}");
        }
        assert_eq!(fitting("déjà".as_bytes(), 100), (6, 6));
        let result =
            CaseResult { report: None, stdout: vec![0; STREAM_BYTES_MAX], stderr: vec![0xff; STREAM_BYTES_MAX] };
        let case = CaseRecord { name: String::new(), limits: None, result };
        let mut detail = Detail { cases: vec![case; 100], ..Detail::default() };
        cut(&mut detail);
        let text = |bytes: &[u8]| serde_json::to_string(&String::from_utf8_lossy(bytes)).unwrap().len();
        let written: usize = detail.cases.iter().map(|c| text(&c.result.stdout) + text(&c.result.stderr)).sum();
        assert!(written <= OUTPUTS_BYTES_MAX + 2 * 200, "{written}");
        assert!(!detail.cases[0].result.stdout.is_empty());
    }
}
