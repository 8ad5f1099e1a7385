//! What the engine and the kernel still hold of an agent: asked of them, not of Enclos.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    KillContainerOptions, ListContainersOptions, ListImagesOptions, RemoveContainerOptions, RemoveImageOptions,
};

async fn docker() -> Docker {
    let docker = Docker::connect_with_defaults().expect("an engine is configured");
    docker.negotiate_version().await.expect("the engine answers")
}

/// Ids of the containers that carry the agent's label, in any state.
pub async fn containers_of(agent: &str) -> BTreeSet<String> {
    listed(agent, false).await.into_iter().filter_map(|c| c.id).collect()
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

/// States of the agent's containers: `running`, `created`, `removing`, …
pub async fn states_of(agent: &str) -> Vec<String> {
    let listed = listed(agent, false).await;
    listed.iter().map(|c| c.state.map(|s| s.to_string()).unwrap_or_default()).collect()
}

/// What the agent's containers wrote to their own layers, in bytes. The engine looks for it on its disk.
pub async fn written_bytes_of(agent: &str) -> i64 {
    listed(agent, true).await.iter().filter_map(|c| c.size_rw).sum()
}

async fn listed(agent: &str, size: bool) -> Vec<ContainerSummary> {
    let filters = HashMap::from([("label".to_owned(), vec![format!("enclos.agent={agent}")])]);
    let options = ListContainersOptions { all: true, size, filters: Some(filters), ..Default::default() };
    docker().await.list_containers(Some(options)).await.expect("containers can be listed")
}

/// Its release and the version of cgroups that it uses.
pub async fn about() -> String {
    let info = docker().await.info().await.expect("the engine tells of itself");
    let cgroups = info.cgroup_version.map(|v| v.to_string()).unwrap_or_default();
    format!("engine {}, cgroup version {cgroups}", info.server_version.unwrap_or_default())
}

/// Where the engine keeps images and containers.
pub async fn data_root() -> PathBuf {
    let info = docker().await.info().await.expect("the engine tells of itself");
    PathBuf::from(info.docker_root_dir.expect("it keeps its data somewhere"))
}

/// What can be done to a container behind its agent's back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blow {
    /// `docker kill`.
    Kill,
    /// `docker rm --force`.
    Remove,
    /// `docker pause`.
    Pause,
}

/// Does it.
pub async fn strike(container: &str, blow: Blow) {
    let engine = docker().await;
    let done = match blow {
        Blow::Kill => engine.kill_container(container, None::<KillContainerOptions>).await,
        Blow::Remove => {
            let options = RemoveContainerOptions { force: true, ..Default::default() };
            engine.remove_container(container, Some(options)).await
        }
        Blow::Pause => engine.pause_container(container).await,
    };
    done.unwrap_or_else(|e| panic!("{blow:?} of {container}: {e}"));
}

/// Directories of the agent's sandboxes in one hierarchy, and those of cells below them.
pub fn sandbox_and_cell_groups_of(agent: &str) -> (usize, Vec<PathBuf>) {
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|e| e.path()).filter(|p| p.is_dir()).collect()
    };
    let places: Vec<Vec<PathBuf>> = cgroups_of(agent).iter().map(|place| below(Path::new(place))).collect();
    let is_cell = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("cell-"));
    let sandboxes = places.iter().map(Vec::len).max().unwrap_or(0);
    let containers = places.into_iter().flatten().flat_map(|sandbox| below(&sandbox));
    (sandboxes, containers.flat_map(|c| below(&c)).filter(is_cell).collect())
}

/// Who is in a cgroup. A cell that waits for its step has one, and is in it from then on only.
pub fn processes_of(group: &Path) -> Vec<String> {
    let listed = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    listed.lines().map(str::to_owned).collect()
}

/// Processes and threads in all of the agent's sandboxes.
pub fn tasks_of(agent: &str) -> usize {
    let groups = cgroups_of(agent);
    let counts = groups.iter().filter_map(|g| std::fs::read_to_string(Path::new(g).join("pids.current")).ok());
    counts.filter_map(|text| text.trim().parse().ok()).max().unwrap_or(0)
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

/// A running container's first process, and the network that the engine made for it: empty where it made none.
pub async fn process_and_network_of(container: &str) -> (i64, String) {
    let inspected = docker().await.inspect_container(container, None).await.expect("the container is there");
    let process = inspected.state.and_then(|state| state.pid).expect("the container runs");
    (process, inspected.network_settings.and_then(|network| network.sandbox_id).unwrap_or_default())
}

/// Removes what was made of an image folder of a test's own.
pub async fn remove_images_of(folder: &str) {
    let docker = docker().await;
    let filters = HashMap::from([("label".to_owned(), vec![format!("enclos.image={folder}")])]);
    let options = ListImagesOptions { filters: Some(filters), ..Default::default() };
    let mut listed = docker.list_images(Some(options)).await.expect("images can be listed");
    // A sandbox image stands on its language's.
    listed.sort_by_key(|image| std::cmp::Reverse(image.created));
    for tag in listed.into_iter().flat_map(|image| image.repo_tags) {
        docker.remove_image(&tag, None::<RemoveImageOptions>, None).await.expect("no container needs it");
    }
}
