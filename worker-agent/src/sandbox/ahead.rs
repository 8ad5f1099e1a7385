//! A forerunner in an idle sandbox: started behind everything that runs elsewhere, until a job comes.

use enclos_protocol::forerunner::Forerunner;
use enclos_protocol::supervisor_link::Request;

use super::{Sandbox, SandboxError, chain};

impl Sandbox {
    /// Starts one, for who has the sandbox idle; `false`: the sandbox does not listen, and must be destroyed.
    pub fn start_forerunner(&mut self, forerunner: &Forerunner) -> bool {
        let Some(tree) = &self.weights else { return true };
        if let Err(error) = tree.weigh_least(&self.number.to_string()) {
            tracing::debug!(sandbox = self.number, error = chain(&error), "no forerunner: it would not be the last");
            return true;
        }
        self.is_last = true;
        self.wires.send_now(&Request::StartForerunner(Box::new(forerunner.clone())))
    }

    /// Ends the one that waits; as above.
    pub fn end_forerunner(&mut self) -> bool {
        self.weigh_as_others().is_ok() && self.wires.send_now(&Request::EndForerunner)
    }

    /// Gives a sandbox for a job the weight that all others have.
    pub(super) fn weigh_as_others(&mut self) -> Result<(), SandboxError> {
        if let Some(tree) = self.weights.as_ref().filter(|_| self.is_last) {
            tree.weigh_as_others(&self.number.to_string())?;
            self.is_last = false;
        }
        Ok(())
    }
}
