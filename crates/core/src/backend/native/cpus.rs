//! Which CPUs a sandbox is kept to: those that the fewest others are kept to, so that a machine fills evenly.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::fs::read_limited;

/// Records are ours and small; a larger file is not one.
const MAX_RECORD: u64 = 1024 * 1024;

/// The CPUs that this process, and so what it starts, may use.
pub(super) fn allowed() -> Result<Vec<u32>> {
    let set = rustix::thread::sched_getaffinity(None).map_err(|errno| Error::io("asking for the CPUs", errno))?;
    let in_set = |cpu: &u32| usize::try_from(*cpu).is_ok_and(|cpu| set.is_set(cpu));
    Ok((0..u32::try_from(rustix::thread::CpuSet::MAX_CPU).unwrap_or(u32::MAX)).filter(in_set).collect())
}

/// How many whole CPUs a limit comes to.
pub(super) fn whole(cpus: f64) -> usize {
    // A limit is checked to be positive and no more than the machine has.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
    let whole = cpus.ceil() as usize;
    whole
}

/// Chooses `count` of the CPUs for the sandbox with the id `own`; none if it may use all.
pub(super) fn choose(count: usize, allowed: &[u32], state: &Path, own: &str) -> Result<Vec<u32>> {
    if count >= allowed.len() {
        return Ok(Vec::new());
    }
    least_used(count, allowed, &claims(state, own), || {
        getrandom::u32().map_err(|error| Error::io("asking for random bytes", std::io::Error::other(error.to_string())))
    })
}

/// Ties are broken by chance: who makes many at once does not see the others' choices yet.
fn least_used(
    count: usize,
    allowed: &[u32],
    claims: &[Vec<u32>],
    mut random: impl FnMut() -> Result<u32>,
) -> Result<Vec<u32>> {
    let mut ranked = Vec::with_capacity(allowed.len());
    for &cpu in allowed {
        let used = claims.iter().filter(|claim| claim.contains(&cpu)).count();
        ranked.push((used, random()?, cpu));
    }
    ranked.sort_unstable();
    let mut chosen: Vec<u32> = ranked.into_iter().take(count).map(|(_, _, cpu)| cpu).collect();
    chosen.sort_unstable();
    Ok(chosen)
}

/// The CPUs of each other sandbox of the state directory that runs or is being made.
fn claims(state: &Path, own: &str) -> Vec<Vec<u32>> {
    let sandboxes = std::fs::read_dir(state.join("sandboxes")).into_iter().flatten().flatten();
    let claim = |dir: &Path| {
        let claim: Claim = serde_json::from_slice(&read_limited(&dir.join("record.json"), MAX_RECORD).ok()??).ok()?;
        let stopped = claim.phase == "ready" && !dir.join("runtime.json").exists();
        (claim.id != own && !stopped).then_some(claim.native?.cpus)
    };
    sandboxes.filter_map(|entry| claim(&entry.path())).filter(|cpus| !cpus.is_empty()).collect()
}

/// What of a record tells of its CPUs; read leniently, since a record of a newer version claims them all the same.
#[derive(Deserialize)]
struct Claim {
    id: String,
    phase: String,
    native: Option<NativeClaim>,
}

#[derive(Deserialize)]
struct NativeClaim {
    #[serde(default)]
    cpus: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_cpus_are_chosen() {
        let claims = [vec![0, 1], vec![0], vec![3]];
        assert_eq!(least_used(2, &[0, 1, 2, 3], &claims, || Ok(0)).unwrap(), [1, 2]);
        assert_eq!(least_used(3, &[0, 1, 2, 3], &claims, || Ok(0)).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn ties_are_broken_by_chance() {
        let mut numbers = [9, 5, 1].into_iter();
        assert_eq!(least_used(1, &[0, 1, 2], &[], || Ok(numbers.next().unwrap_or(0))).unwrap(), [2]);
    }

    #[test]
    fn sandboxes_that_run_or_are_being_made_claim_theirs() {
        let state = tempfile::tempdir().unwrap();
        let sandbox = |name: &str, phase: &str, runs: bool, cpus: &str| {
            let dir = state.path().join("sandboxes").join(name);
            std::fs::create_dir_all(&dir).unwrap();
            let record = format!(r#"{{"id":"{name}","phase":"{phase}","native":{{"ids":0,"cpus":{cpus}}}}}"#);
            std::fs::write(dir.join("record.json"), record).unwrap();
            if runs {
                std::fs::write(dir.join("runtime.json"), "{}").unwrap();
            }
        };
        sandbox("runs", "ready", true, "[1]");
        sandbox("stopped", "ready", false, "[2]");
        sandbox("new", "creating", false, "[3]");
        sandbox("own", "creating", false, "[4]");
        sandbox("free", "ready", true, "[]");
        let mut claims = claims(state.path(), "own");
        claims.sort();
        assert_eq!(claims, [[1], [3]]);
    }

    #[test]
    fn a_sandbox_that_may_use_all_is_kept_to_none() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(choose(2, &[0, 1], state.path(), "x").unwrap(), Vec::<u32>::new());
        assert_eq!(choose(1, &[0, 1], state.path(), "x").unwrap().len(), 1);
        assert_eq!((whole(0.5), whole(1.0), whole(1.5)), (1, 1, 2));
    }
}
