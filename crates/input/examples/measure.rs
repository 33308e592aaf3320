//! Time and memory of reading large inputs: `cargo run --release -p bailiwick-input --example measure`.
//!
//! Writes the inputs to a directory for the time being, then reads each in a process of its own and prints one line of
//! JSON for it: what it was, seconds by the clock and of CPU time, peak memory in MB, objects, findings, and the bars.
//! `cargo xtask bench input` makes a table of it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this program is for"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use bailiwick_input::{Defaults, LoadOptions, Source, load, snapshot};

/// What is measured: name, bound on the seconds and on the peak memory in MB.
const CASES: [(&str, f64, u64); 6] = [
    ("2000-deployments.yaml", 1.0, 100),
    ("50000-deployments-dump.json", 5.0, 500),
    ("50000-deployments-dump.yaml", 10.0, 500),
    ("50000-deployments-documents.yaml", 10.0, 500),
    ("100mb-document.yaml", 20.0, 1000),
    ("150000-pods.bailiwick", 5.0, 1000),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [flag, path] if flag == "--read" => read(Path::new(path)),
        [] => match measure_all() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("usage: measure");
            ExitCode::from(2)
        }
    }
}

fn measure_all() -> std::io::Result<()> {
    let directory = std::env::temp_dir().join(format!("bailiwick-measure-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let program = std::env::current_exe()?;
    for (name, seconds, megabytes) in CASES {
        let path = directory.join(name);
        write_case(name, &path)?;
        let output = Command::new(&program).arg("--read").arg(&path).output()?;
        fs::remove_file(&path)?;
        let line = String::from_utf8_lossy(&output.stdout);
        let line = line.trim().trim_end_matches('}');
        println!("{line},\"maxSeconds\":{seconds},\"maxMegabytes\":{megabytes}}}");
    }
    fs::remove_dir_all(&directory)?;
    Ok(())
}

fn read(path: &Path) -> ExitCode {
    let begun = Instant::now();
    let options = LoadOptions {
        defaults: Defaults::None,
        ..LoadOptions::default()
    };
    let loaded = load(&[Source::Path(path.into())], &options);
    let seconds = begun.elapsed().as_secs_f64();
    let objects = loaded.snapshot.objects().count();
    println!(
        "{{\"case\":\"{}\",\"seconds\":{seconds:.3},\"cpuSeconds\":{:.2},\"megabytes\":{},\"objects\":{objects},\"findings\":{}}}",
        path.file_name().unwrap_or_default().to_string_lossy(),
        cpu_seconds(),
        peak_megabytes(),
        loaded.findings.len(),
    );
    ExitCode::SUCCESS
}

/// CPU time of this process, user and system, as Linux tells it in hundredths; 0 elsewhere.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u32 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    f64::from(ticks) / 100.0
}

/// Peak resident memory of this process, as Linux tells it; 0 elsewhere.
fn peak_megabytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
        })
        .unwrap_or_default()
        / 1024
}

fn write_case(name: &str, path: &Path) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(fs::File::create(path)?);
    match name {
        "2000-deployments.yaml" => documents(&mut file, 2_000)?,
        "50000-deployments-documents.yaml" => documents(&mut file, 50_000)?,
        "50000-deployments-dump.yaml" => {
            writeln!(file, "apiVersion: v1\nitems:")?;
            for n in 0..50_000 {
                let text = deployment(n).replace('\n', "\n  ");
                writeln!(file, "- {}", text.trim_end())?;
            }
            writeln!(file, "kind: List\nmetadata:\n  resourceVersion: \"\"")?;
        }
        "50000-deployments-dump.json" => {
            writeln!(file, "{{\n    \"apiVersion\": \"v1\",\n    \"items\": [")?;
            let (documents, _) = bailiwick_input::documents("one", deployment(0).into_bytes());
            let Some(first) = documents.first() else {
                return Err(std::io::Error::other("the deployment cannot be read"));
            };
            let pretty = serde_json::to_string_pretty(&first.value)?.replace('\n', "\n        ");
            for n in 0..50_000 {
                let comma = if n == 0 { "" } else { "," };
                writeln!(
                    file,
                    "        {comma}{}",
                    pretty.replace("app-0", &format!("app-{n}"))
                )?;
            }
            writeln!(file, "    ],\n    \"kind\": \"List\"\n}}")?;
        }
        "100mb-document.yaml" => {
            writeln!(
                file,
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: large\ndata:"
            )?;
            for n in 0..1_000_000 {
                writeln!(file, "  key-{n}: {}", "x".repeat(85))?;
            }
        }
        _ => {
            let text: String = (0..150_000).fold(String::new(), |mut text, n| {
                let _ = writeln!(
                    text,
                    "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"app-{n}\",\"namespace\":\"team-{}\",\"uid\":\"{n:08}-1c\",\"labels\":{{\"app\":\"app-{}\",\"pod-template-hash\":\"{:x}\"}}}},\"spec\":{{\"serviceAccountName\":\"app\",\"nodeName\":\"node-{}\",\"containers\":[{{\"name\":\"app\",\"image\":\"app:1\"}}],\"volumes\":[{{\"name\":\"token\",\"projected\":{{\"sources\":[{{\"serviceAccountToken\":{{\"expirationSeconds\":3607,\"path\":\"token\"}}}}]}}}}]}}}}",
                    n % 500, n / 3, n * 7919, n % 5000
                );
                text
            });
            let manifest = path.with_extension("json");
            fs::write(&manifest, text)?;
            let loaded = load(
                &[Source::Path(manifest.clone())],
                &LoadOptions {
                    defaults: Defaults::None,
                    ..LoadOptions::default()
                },
            );
            fs::remove_file(&manifest)?;
            snapshot::write(&loaded.snapshot, &mut file).map_err(std::io::Error::other)?;
        }
    }
    file.flush()
}

fn documents(file: &mut impl std::io::Write, count: usize) -> std::io::Result<()> {
    for n in 0..count {
        write!(file, "---\n{}", deployment(n))?;
    }
    Ok(())
}

/// A Deployment of about 1.4 KB, as a cluster would hold it.
fn deployment(n: usize) -> String {
    format!(
        r#"apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    deployment.kubernetes.io/revision: "3"
    team.example.com/contact: platform@example.com
  creationTimestamp: "2026-03-01T09:00:00Z"
  generation: 3
  labels:
    app.kubernetes.io/name: app-{n}
    app.kubernetes.io/part-of: shop
  name: app-{n}
  namespace: team-{}
  resourceVersion: "91823{n}"
  uid: 6f0c0d7e-1d1b-4b7f-9a55-{n:012}
spec:
  progressDeadlineSeconds: 600
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: app-{n}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: app-{n}
    spec:
      containers:
      - args: ["--listen=:8080", "--log-level=info"]
        env:
        - name: DATABASE_URL
          valueFrom:
            secretKeyRef:
              key: url
              name: app-{n}-db
        - name: GOMAXPROCS
          value: "2"
        image: registry.example.com/shop/app-{n}:1.42.0
        imagePullPolicy: IfNotPresent
        name: app
        ports:
        - containerPort: 8080
          name: http
          protocol: TCP
        resources:
          limits: {{memory: 512Mi}}
          requests: {{cpu: 100m, memory: 256Mi}}
      restartPolicy: Always
      serviceAccountName: app-{n}
      terminationGracePeriodSeconds: 30
status:
  availableReplicas: 3
  observedGeneration: 3
  readyReplicas: 3
"#,
        n % 200
    )
}
