//! An engine whose failures are counted, by what was asked of it.

use std::sync::{Arc, Mutex, PoisonError};

use enclos_protocol::measured::EngineErrors;
use futures::StreamExt as _;
use futures::future::BoxFuture;

use super::{Answer, ContainerId, Engine, EngineError, EngineFacts, Labelled, SandboxSpec, Wires};

/// Counts what `E` answers with an error. Output that breaks off counts too: it is what is left of
/// an engine that dies.
#[derive(Debug)]
pub struct Counted<E> {
    engine: E,
    errors: Arc<Mutex<EngineErrors>>,
}

impl<E: Engine> Counted<E> {
    /// Nothing has failed yet.
    pub fn new(engine: E) -> Self {
        Self { engine, errors: Arc::default() }
    }

    fn counting<'a, T: 'a>(&'a self, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move { answer.await.inspect_err(|error| count(&self.errors, error)) })
    }
}

fn count(errors: &Mutex<EngineErrors>, error: &EngineError) {
    let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
    *match error {
        EngineError::Connect(_) => &mut errors.connect,
        EngineError::Describe(_) => &mut errors.describe,
        EngineError::ProbeImage(_) => &mut errors.probe_image,
        EngineError::NoImage(_) => &mut errors.no_image,
        EngineError::Create(_) => &mut errors.create,
        EngineError::Attach(_) => &mut errors.attach,
        EngineError::Start(_) => &mut errors.start,
        EngineError::Output(_) => &mut errors.output,
        EngineError::Inspect(_) => &mut errors.inspect,
        EngineError::Remove(_) => &mut errors.remove,
        EngineError::List(_) => &mut errors.list,
    } += 1;
}

impl<E: Engine> Engine for Counted<E> {
    fn facts(&self) -> Answer<'_, EngineFacts> {
        self.counting(self.engine.facts())
    }

    fn probe_image(&self) -> Answer<'_, String> {
        self.counting(self.engine.probe_image())
    }

    fn create<'a>(&'a self, spec: &'a SandboxSpec) -> Answer<'a, ContainerId> {
        self.counting(self.engine.create(spec))
    }

    fn attach<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, Wires> {
        let attaching = self.counting(self.engine.attach(id));
        let errors = Arc::clone(&self.errors);
        Box::pin(async move {
            let Wires { input, output } = attaching.await?;
            let output = output.inspect(move |piece| {
                if let Err(error) = piece {
                    count(&errors, error);
                }
            });
            Ok(Wires { input, output: output.boxed() })
        })
    }

    fn start<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        self.counting(self.engine.start(id))
    }

    fn init_pid<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, u32> {
        self.counting(self.engine.init_pid(id))
    }

    fn remove<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        self.counting(self.engine.remove(id))
    }

    fn containers(&self) -> Answer<'_, Vec<Labelled>> {
        self.counting(self.engine.containers())
    }

    fn ends(&self) -> u64 {
        self.engine.ends()
    }

    fn is_gone(&self, then: u64) -> BoxFuture<'_, bool> {
        self.engine.is_gone(then)
    }

    fn errors(&self) -> EngineErrors {
        *self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_its_own_count() {
        let cause = || "scripted".into();
        let all = [
            EngineError::Connect(cause()),
            EngineError::Describe(cause()),
            EngineError::ProbeImage(cause()),
            EngineError::NoImage(cause()),
            EngineError::Create(cause()),
            EngineError::Attach(cause()),
            EngineError::Start(cause()),
            EngineError::Output(cause()),
            EngineError::Inspect(cause()),
            EngineError::Remove(cause()),
            EngineError::List(cause()),
        ];
        let errors = Mutex::default();
        all.iter().for_each(|error| count(&errors, error));
        let errors = *errors.lock().unwrap();
        assert_eq!(errors.by_kind().map(|(_, count)| count), [1; EngineErrors::KINDS]);
    }
}
