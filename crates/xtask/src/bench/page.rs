//! The page of `-o html` in a real Chromium, from some dozens of nodes to as many as a page holds.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use bailiwick_testkit::browser::{self, Browser};
use bailiwick_testkit::generate::{Pods, Shape};
use serde_json::Value;

use super::figures::Figures;
use super::graph::SEED;

/// What the page is of: how many bindings and how many pods.
const CLUSTERS: [(usize, usize); 3] = [(10, 30), (400, 1_000), (4_000, 30_000)];

/// Turns the wheel once a frame, in and out again; gives the milliseconds between frames.
const FRAMES: &str = "new Promise((done) => { const canvas = document.getElementById('canvas'); \
    const box = canvas.getBoundingClientRect(); const times = []; let last = performance.now(); \
    const step = (now) => { times.push(now - last); last = now; if (times.length > 120) return done(times.slice(1)); \
    canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: times.length % 40 < 20 ? -40 : 40, cancelable: true, \
    clientX: box.x + box.width / 2, clientY: box.y + box.height / 2 })); requestAnimationFrame(step); }; \
    requestAnimationFrame(step); })";

pub(super) fn run(bailiwick: &Path) -> Result<Figures> {
    let Some(program) = browser::installed() else {
        bail!("Chromium is not installed (BAILIWICK_CHROMIUM names one that is not in the path)");
    };
    let mut figures = Figures::default();
    for (bindings, pods) in CLUSTERS {
        let directory = tempfile::tempdir().context("cannot make a directory for the page")?;
        let page = write(bailiwick, bindings, pods, directory.path())?;
        measure(&program, &page, pods, &mut figures)?;
    }
    Ok(figures)
}

/// The page of a made-up cluster, as the program writes it.
fn write(
    bailiwick: &Path,
    bindings: usize,
    pods: usize,
    directory: &Path,
) -> Result<std::path::PathBuf> {
    let (snapshot, page) = (directory.join("cluster.bwk"), directory.join("graph.html"));
    let cluster = Pods { pods }.cluster(&Shape::mixed(bindings), SEED);
    let file = fs::File::create(&snapshot).context("cannot write the snapshot")?;
    bailiwick_input::snapshot::write(&cluster, file)?;
    let output = Command::new(bailiwick)
        .args(["paths", "-o", "html", "-f"])
        .arg(&snapshot)
        .output()
        .context("cannot start bailiwick")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "no paths: {said}");
    fs::write(&page, output.stdout).context("cannot write the page")?;
    Ok(page)
}

fn measure(program: &Path, page: &Path, pods: usize, figures: &mut Figures) -> Result<()> {
    let mut browser = Browser::start(program)?;
    let bytes = fs::metadata(page).context("cannot read the page")?.len();
    browser.open(&format!("file://{}", page.display()))?;
    let settled = number(&browser.settle()?)?;
    browser.press("a")?;
    let before = number(&browser.evaluate("performance.now()")?)?;
    let all = number(&browser.settle()?)? - before;
    let counts = browser.evaluate("document.getElementById('counts').innerText")?;
    let frames = browser.evaluate(FRAMES)?;
    let mut frames: Vec<f64> = frames
        .as_array()
        .context("the page told no frames")?
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    frames.sort_by(f64::total_cmp);
    let at = |share: f64| frames.get(((frames.len() - 1) as f64 * share) as usize);
    let name = |what: &str| format!("{pods} pods: {what}");
    figures.add(&name("nodes"), nodes(&counts)?, "", None);
    figures.add(&name("page"), bytes as f64 / 1e6, "MB", None);
    figures.add(&name("open and at rest"), settled, "ms", None);
    figures.add(&name("all ways, at rest"), all, "ms", None);
    for (what, share) in [
        ("frame while zooming, p50", 0.5),
        ("frame while zooming, p99", 0.99),
    ] {
        let value = at(share).copied().context("no frame was painted")?;
        figures.add(&name(what), value, "ms", None);
    }
    Ok(())
}

/// How many nodes the page shows, by what it says ("826 paths, 922 nodes").
fn nodes(counts: &Value) -> Result<f64> {
    let said = counts.as_str().unwrap_or_default();
    let shown = said
        .split(" nodes")
        .next()
        .and_then(|before| before.rsplit(' ').next());
    let shown = shown.and_then(|number| number.replace(',', "").parse().ok());
    shown.with_context(|| format!("the page says `{said}` of its nodes"))
}

fn number(value: &Value) -> Result<f64> {
    value
        .as_f64()
        .with_context(|| format!("the page answered {value}"))
}
