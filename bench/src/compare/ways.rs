//! Every way to run a program that is compared, behind one call.

use std::time::Duration;

use super::Outcome;
use super::cluster::Cluster;
use super::engine::Engine;
use super::programs::{CPP_ALL, Program};
use super::room::Room;
use super::stage::Stage;

/// What a program is run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// A process of the host, with nothing around it; only what needs no root of its own.
    Outside,
    /// A process of the host with the image as its root.
    Bare,
    /// The same by `nsenter`.
    Nsenter,
    Bwrap,
    Nsjail,
    Firejail,
    /// `docker run --rm`.
    DockerRun,
    /// A container for each job by the engine's API.
    Container,
    /// An exec for each step in a kept container, by the engine's API.
    Exec,
    /// Enclos, warm, compiled anew.
    Tenant,
    /// Enclos, warm, the compile step remembered.
    Cached,
    /// Enclos, a sandbox of its own for the job.
    Never,
}

impl Way {
    /// In the order of the tables.
    pub const ALL: [Self; 12] = [
        Self::Outside,
        Self::Bare,
        Self::Nsenter,
        Self::Bwrap,
        Self::Nsjail,
        Self::Firejail,
        Self::DockerRun,
        Self::Container,
        Self::Exec,
        Self::Tenant,
        Self::Cached,
        Self::Never,
    ];

    /// As in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outside => "process, nothing entered",
            Self::Bare => "bare (chroot)",
            Self::Nsenter => "bare (nsenter)",
            Self::Bwrap => "bubblewrap",
            Self::Nsjail => "nsjail",
            Self::Firejail => "firejail",
            Self::DockerRun => "`docker run --rm`",
            Self::Container => "container per job (API)",
            Self::Exec => "exec per step in a kept container (API)",
            Self::Tenant => "**Enclos**, reuse `tenant`",
            Self::Cached => "**Enclos**, compile cache hit",
            Self::Never => "**Enclos**, reuse `never`",
        }
    }

    /// In keys of figures.
    pub fn key(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Bare => "bare",
            Self::Nsenter => "nsenter",
            Self::Bwrap => "bwrap",
            Self::Nsjail => "nsjail",
            Self::Firejail => "firejail",
            Self::DockerRun => "docker_run",
            Self::Container => "container",
            Self::Exec => "exec",
            Self::Tenant => "tenant",
            Self::Cached => "cached",
            Self::Never => "never",
        }
    }

    /// Whether it takes a turn in every round; the others would take most of the time.
    pub fn is_quick(self) -> bool {
        matches!(self, Self::Outside | Self::Bare | Self::Tenant | Self::Cached)
    }

    /// Whether the engine is at work for it after its answer.
    pub fn makes_containers(self) -> bool {
        matches!(self, Self::DockerRun | Self::Container | Self::Never)
    }

    /// Whether it says anything of this program.
    pub fn fits(self, program: &Program) -> bool {
        // Of the dearest compilation only what is ours is asked: what it runs in hardly shows.
        let is_dearest = program.name == CPP_ALL.name;
        match self {
            _ if is_dearest => matches!(self, Self::Bare | Self::Tenant | Self::Cached),
            Self::Outside | Self::Firejail => program.is_prepared(),
            // Of the null program only the way to it is asked for; and what is not compiled is not remembered.
            Self::Cached => program.is_prepared() || program.compile.is_some(),
            Self::Tenant | Self::Never => !program.is_prepared(),
            _ => true,
        }
    }

    /// Whether it is another's, which may be missing here.
    pub fn is_peer(self) -> bool {
        matches!(self, Self::Bwrap | Self::Nsjail | Self::Firejail | Self::Nsenter)
    }
}

/// Everything that the ways need for one image.
pub struct Ground<'a> {
    pub stage: &'a Stage,
    pub room: &'a Room,
    pub engine: &'a Engine,
    pub cluster: &'a Cluster,
}

impl Ground<'_> {
    /// Runs a program once; how long it took, its answer checked.
    ///
    /// # Errors
    /// It cannot be run so, or the answer is wrong.
    pub async fn once(&self, way: Way, program: &'static Program, slot: usize) -> Outcome<Duration> {
        match way {
            Way::Tenant | Way::Cached | Way::Never => Ok(self.cluster.client.run(way, program, None).await?.elapsed),
            Way::Container => self.engine.container(self.room, program).await,
            Way::Exec => self.engine.exec(self.room, program, slot).await,
            Way::DockerRun => {
                let (room, label) = (self.room.clone(), self.stage.label.clone());
                tokio::task::spawn_blocking(move || room.docker_run(&label, program)).await?
            }
            _ => {
                let room = self.room.clone();
                tokio::task::spawn_blocking(move || room.run(way, program, slot)).await?
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::programs::{C, NULL, PYTHON};
    use super::*;

    #[test]
    fn each_way_has_a_name_and_a_key_of_its_own() {
        for (at, way) in Way::ALL.iter().enumerate() {
            assert!(Way::ALL[at + 1..].iter().all(|other| other.name() != way.name() && other.key() != way.key()));
        }
    }

    #[test]
    fn a_way_is_asked_only_for_what_it_can_say() {
        assert!(Way::Cached.fits(&C) && Way::Cached.fits(&NULL) && !Way::Cached.fits(&PYTHON));
        assert!(!Way::Tenant.fits(&NULL) && Way::Tenant.fits(&PYTHON));
        assert!(Way::ALL.iter().filter(|way| way.fits(&CPP_ALL)).count() == 3);
        assert!(Way::Firejail.fits(&NULL) && !Way::Firejail.fits(&C));
    }
}
