//! What the agent says of itself: who it is, and how loaded.

use enclos_protocol::agent_link::{Hello, ImageState, LINK_VERSION, LoadReport, OfferedLanguage, STOCK_MAX};
use enclos_protocol::measured::{EngineReport, ImageStock};

use super::Session;
use crate::pool::plan::Wanted;

impl Session {
    /// Who the agent is, for a new connection.
    pub(super) fn hello(&mut self) -> Hello {
        Hello {
            version: LINK_VERSION,
            name: self.config.name.clone(),
            instance: self.instance,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            capacity: self.config.capacity,
            isolation: self.config.isolation,
            reuse: self.config.reuse,
            embedded: self.config.embedded,
            installs: self.workshop.installs.is_some(),
            holding: self.outbox.holding().collect(),
            load: self.load(),
        }
    }

    /// How loaded it is now.
    pub(super) fn load(&mut self) -> LoadReport {
        let busy = self.sampler.look();
        let view = self.workshop.pool.view();
        let states = self.workshop.images.states();
        let mut versions = self.workshop.images.versions();
        let known = self.config.languages.iter().filter_map(|id| self.workshop.catalogue.by_id(id));
        let languages = known.map(|language| OfferedLanguage {
            id: language.id.clone(),
            version: versions.remove(&language.id).unwrap_or_default(),
            image: states.get(&language.image).cloned().unwrap_or(ImageState::Absent),
            warm: view.warm.get(&language.image).copied().unwrap_or(0),
        });
        let derived = self.workshop.installs.as_ref().map(|i| i.dependencies.stock()).unwrap_or_default();
        LoadReport {
            cpu_busy_permille: busy.cpu_permille,
            memory_busy_permille: busy.memory_permille,
            memory_promised_bytes: self.held.promised().memory_bytes,
            running: u32::try_from(self.held.len()).unwrap_or(u32::MAX),
            sandboxes: view.sandboxes,
            languages: languages.collect(),
            draining: self.draining,
            unclean_jobs: view.unclean_jobs,
            sandboxes_closed: view.closed,
            compiled: self.workshop.cache.hints(),
            derived_images: derived.images,
            derived_bytes: derived.bytes,
            engine: Box::new(EngineReport {
                starts: view.starts,
                stops: view.stops,
                errors: self.workshop.pool.engine().errors(),
            }),
            stock: view.stock.into_iter().take(STOCK_MAX).map(|(image, of)| image_stock(image, of)).collect(),
        }
    }
}

fn image_stock(image: String, of: Wanted) -> ImageStock {
    let Wanted { warm, wanted, fresh_rate } = of;
    let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast to an integer saturates")]
    let fresh_per_hour = (fresh_rate * 3600.0).round() as u32;
    ImageStock { image, warm: count(warm), wanted: count(wanted), fresh_per_hour }
}
