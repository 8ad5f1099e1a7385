//! What the engine and the kernel still hold of an agent: asked of them, not of Enclos.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use bollard::Docker;
use bollard::query_parameters::{ListContainersOptions, ListImagesOptions, RemoveImageOptions};

async fn docker() -> Docker {
    let docker = Docker::connect_with_defaults().expect("an engine is configured");
    docker.negotiate_version().await.expect("the engine answers")
}

/// Ids of the containers that carry the agent's label, in any state.
pub async fn containers_of(agent: &str) -> BTreeSet<String> {
    let filters = HashMap::from([("label".to_owned(), vec![format!("enclos.agent={agent}")])]);
    let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
    let listed = docker().await.list_containers(Some(options)).await.expect("containers can be listed");
    listed.into_iter().filter_map(|c| c.id).collect()
}

/// The cgroup directories of the agent that exist, in every hierarchy of v1 and in v2.
pub fn cgroups_of(agent: &str) -> Vec<String> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten().map(|e| e.path());
    let places = hierarchies.chain([root.to_owned()]).map(|h| h.join(format!("enclos-{agent}")));
    places.filter(|p| p.exists()).map(|p| p.display().to_string()).collect()
}

/// Memory limits of the agent's sandboxes as wholes, in bytes, of either version; unlimited ones left out.
pub fn sandbox_memory_limits_of(agent: &str) -> Vec<u64> {
    const NONE_MIN: u64 = 1 << 60;
    let sandboxes = cgroups_of(agent).into_iter().flat_map(std::fs::read_dir).flatten().flatten().map(|e| e.path());
    let files = sandboxes.flat_map(|s| ["memory.limit_in_bytes", "memory.max"].map(|name| s.join(name)));
    let limits = files.filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok());
    limits.filter(|limit| *limit < NONE_MIN).collect()
}

/// Fails when a container or a cgroup of the agent is left.
pub async fn assert_nothing_left(agent: &str) {
    let containers = containers_of(agent).await;
    assert!(containers.is_empty(), "containers of {agent} are left: {containers:?}");
    let cgroups = cgroups_of(agent);
    assert!(cgroups.is_empty(), "cgroups of {agent} are left: {cgroups:?}");
}

fn derived_filter(agent: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("enclos.dependencies.agent={agent}")])])
}

/// Names of the images with packages that the agent made.
pub async fn derived_of(agent: &str) -> BTreeSet<String> {
    let options = ListImagesOptions { filters: Some(derived_filter(agent)), ..Default::default() };
    let listed = docker().await.list_images(Some(options)).await.expect("images can be listed");
    listed.into_iter().flat_map(|image| image.repo_tags).collect()
}

/// Removes them.
pub async fn remove_derived_of(agent: &str) {
    let docker = docker().await;
    for image in derived_of(agent).await {
        docker.remove_image(&image, None::<RemoveImageOptions>, None).await.expect("no container needs it");
    }
}
